/**
 * keys/: byte keys, spans, hybrid-logical timestamps, locality tiers and ordered integer/byte encodings.
 * Pure values and their algebra. Must not do I/O, read a clock, or import any room but fault/.
 */
export * from './bytes.js';
export * from './engine_key.js';
export * from './locality.js';
export * from './ordered.js';
export * from './row_prefix.js';
export * from './span.js';
export * from './timestamp.js';
export * from './unique_int.js';
