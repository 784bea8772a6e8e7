/**
 * Spanvault as a library: everything that the CLI does. `backup`, `restore` and `showBackup` work over any RangeSource and
 * RangeSink; the embedded cluster is one of each. Rooms keep their insides to themselves: what is not named here may change.
 */
export {
  type BackupOptions,
  type BackupProgress,
  type BackupResult,
  type BucketPlacement,
  backup,
  type DisplacedRange,
  type PlacementReport,
} from './backup/index.js';
export type {
  BackupScope,
  NodeInfo,
  RangeInfo,
  RangeScan,
  RangeScanner,
  RangeSink,
  RangeSource,
  RangeWriter,
  RestoreScope,
  RestoreStage,
  RestoreTicket,
  ScanFill,
  ScanRequest,
  SinkReport,
  Targets,
  WorkerHalf,
} from './cluster/contract.js';
export { EmbeddedCluster, type InitOptions, initCluster, type OpenOptions, openCluster } from './cluster/index.js';
export { type AbandonedLayer, type SweepLayersOptions, sweepLayers } from './collection/index.js';
export { closePools } from './executor/index.js';
export {
  EXIT_CODES,
  FAULT_CODES,
  type FaultClass,
  type FaultCode,
  isSpanvaultError,
  SpanvaultError,
} from './fault/index.js';
export {
  decodeEngineKey,
  encodeEngineKey,
  type Locality,
  parseLocality,
  printLocality,
  type Span,
  type Timestamp,
} from './keys/index.js';
export { type Batch, type BatchEntry, iterateBatch, packBatch } from './native/index.js';
export { type CheckedLocation, type CheckedStep, type CheckStorageOptions, checkStorage } from './probe/index.js';
export {
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
  type RestoreWaits,
  restore,
} from './restore/index.js';
export { bytesValue, valueBytes } from './rows/index.js';
export {
  type BucketUsage,
  type ExternalStorage,
  type ListedObject,
  newStorageLimits,
  type ObjectWriter,
  openStorage,
  type StorageConfig,
  type StorageSettings,
  sweepStorage,
  usagePrometheus,
} from './storage/index.js';
export {
  type BackupTree,
  backupTree,
  listBackups,
  manifestJson,
  type ShownBackup,
  type ShownLayer,
  type ShownObject,
  type ShowOptions,
  showBackup,
  type TreeBucket,
  type TreeLayer,
  whyNoBackups,
} from './verify/index.js';
