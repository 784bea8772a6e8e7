/**
 * native/: the only import of the native module, the layout of packed batches, and the one place where native errors
 * become SpanvaultError. Must not hold policy: what is scanned, encoded or kept is decided elsewhere.
 */
export * from './batch.js';
export type * from './contract.js';
export type * from './file_contract.js';
export { native } from './native_module.js';
