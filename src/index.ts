/**
 * Spanvault as a library: everything that the CLI does. `backup`, `restore` and `showBackup` work over any RangeSource and
 * RangeSink; the embedded cluster is one of each. Rooms keep their insides to themselves: what is not named here may change.
 */
export {
  type BackupOptions,
  type BackupProgress,
  type BackupResult,
  type BucketPlacement,
  type DisplacedRange,
  type PlacementReport,
  backup,
} from './backup/index.js';
export {
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
  type RestoreWaits,
  restore,
} from './restore/index.js';
export {
  type ShowOptions,
  type ShownBackup,
  type ShownLayer,
  type ShownObject,
  listBackups,
  manifestJson,
  showBackup,
} from './verify/index.js';
export { type InitOptions, type OpenOptions, EmbeddedCluster, initCluster, openCluster } from './cluster/index.js';
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
export { bytesValue, valueBytes } from './rows/index.js';
export { type Batch, type BatchEntry, iterateBatch, packBatch } from './native/index.js';
export {
  type ExternalStorage,
  type ListedObject,
  type ObjectWriter,
  type StorageConfig,
  type StorageSettings,
  openStorage,
} from './storage/index.js';
export {
  type Locality,
  type Span,
  type Timestamp,
  decodeEngineKey,
  encodeEngineKey,
  parseLocality,
  printLocality,
} from './keys/index.js';
export {
  type FaultClass,
  type FaultCode,
  EXIT_CODES,
  FAULT_CODES,
  SpanvaultError,
  isSpanvaultError,
} from './fault/index.js';
