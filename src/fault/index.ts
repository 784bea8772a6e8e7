/**
 * fault/: what can go wrong, once. Owns the error classes, the one table of codes with class, exit code and advice,
 * and the wire form that carries an error across `postMessage`.
 * Must not import any other room, do I/O, or format for a terminal.
 */
export * from './codes.js';
export * from './errors.js';
