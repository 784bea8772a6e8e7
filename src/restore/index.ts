/**
 * restore/: brings a backup back. `plan` is pure: spans × layers × files → work units; `run` reads, merges, rewrites and hands
 * sorted batches to a RangeSink in worker threads. Owns the choice of layers for a time and the span covering.
 * Must not parse text, know a storage scheme, or decide names and ids (the sink does).
 */

export { type CoverInput, type CoverLayer, coverSpans, type RestoreUnit } from './cover.js';
export type { RestoreOptions, RestoreProgress, RestoreResult, RestoreWaits } from './options.js';
export { restore } from './run.js';
