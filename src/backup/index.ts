/**
 * backup/: takes a backup. `plan` is pure: spans × executor × bucket → tasks; `run` is re-enterable: it scans, encodes and
 * uploads in worker threads, then publishes in the order of durability. Owns the placement report.
 * Must not parse text, know a storage scheme, or name a path (collection/ does).
 */
export { type LayerLocations, parseLocations } from './layer.js';
export type { BackupOptions, BackupProgress } from './options.js';
export { type BucketPlacement, type DisplacedRange, type PlacementReport, placementReport } from './placement.js';
export { type BackupPlan, type ExportTaskPlan, type PlanInput, planBackup } from './plan.js';
export { type BackupResult, backup } from './run.js';
