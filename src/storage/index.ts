/**
 * storage/: where objects lie. Owns the ExternalStorage contract, its drivers, storage URIs, redaction of secrets and the
 * wrappers around a driver. Writes are atomic and durable; no name leaves its root.
 * Must not know of backups, manifests or localities beyond taking COCKROACH_LOCALITY off a URI.
 */
export { type CallLayer, type CallResult, type StorageCall, type StorageOperation, withLayers } from './calls.js';
export { type StorageClock, setStorageClock } from './clock.js';
export { checkConnectionUri, noConnection, resolveUri } from './connections.js';
export type * from './contract.js';
export { inLanes } from './lanes.js';
export { newStorageLimits } from './limits.js';
export { isUnlistable } from './listed.js';
export { MemoryStorage } from './memory.js';
export {
  newStorageMetrics,
  type OperationMetrics,
  type StorageMetrics,
  withMetrics,
} from './metrics.js';
export { checkName, compareNames } from './names.js';
export { NodelocalStorage } from './nodelocal.js';
export { type DriverContext, directoryConfig, openStorage, registerDriver, type StorageDriver } from './open.js';
export { ReadAhead } from './read_ahead.js';
export { isSecretParameter, redactUri } from './redact.js';
export { DEFAULT_RETRY } from './retry.js';
export { checkScheme } from './schemes.js';
export { withSecondRead } from './second_read.js';
export { type Leftover, type SweepOptions, sweepStorage } from './sweep.js';
export {
  joinUri,
  LOCALITY_PARAMETER,
  parseUri,
  printUri,
  type StorageUri,
  splitLocality,
  type UriParameter,
  uriParameter,
  withoutLocality,
} from './uri.js';
export {
  addUsage,
  type BucketUsage,
  measureOperation,
  measureStorage,
  StorageLedger,
  usagePrometheus,
} from './usage.js';
export { UserfileStorage } from './userfile.js';
export { UserfileRecords } from './userfile_records.js';
