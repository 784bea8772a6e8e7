/**
 * rows/: CockroachDB's row encodings. Owns datums, their ordered (key) and value bytes, rows <-> key/value pairs of
 * every index, the SQL text of a datum both ways, and table fingerprints (crdb-format.md 4.2, 4.3, 5.1-5.4, 10.1).
 * Must not read descriptors (the catalog fills schema.ts), do I/O, or know SSTs, MVCC versions and statements.
 */
export * from './bytes_value.js';
export { constantText, readConstant, unboundedType } from './constant_text.js';
export * from './datum.js';
export * from './decimal.js';
export { type DefaultContext, defaultDatum } from './default_value.js';
export * from './fingerprint.js';
export { columnOrdinals, IndexLayout, indexPrefix } from './index_layout.js';
export * from './json.js';
export { parseJson } from './json_parse.js';
export { parseDatum } from './parse.js';
export * from './roach_value.js';
export * from './row_decoder.js';
export * from './row_encoder.js';
export * from './schema.js';
export { bytesText, datumText } from './text.js';
export { typeName, typeWord } from './type_name.js';
