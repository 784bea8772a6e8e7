/**
 * rows/: CockroachDB's row encodings. Owns datums, their ordered (key) and value bytes, rows <-> key/value pairs of
 * every index, the SQL text of a datum both ways, and table fingerprints (crdb-format.md 4.2, 4.3, 5.1-5.4, 10.1).
 * Must not read descriptors (the catalog fills schema.ts), do I/O, or know SSTs, MVCC versions and statements.
 */
export * from './datum.js';
export * from './schema.js';
