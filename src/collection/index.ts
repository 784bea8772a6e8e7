/**
 * collection/: which object is where. Owns every path name that is written or read, LATEST, the search for fulls and
 * incrementals in all three layouts, lists of URIs with localities, moved or consolidated parts, and the order in which a
 * finished backup becomes visible.
 * Must not read SSTs, descriptors or statements, and must not choose what goes into a backup.
 */
export { type AbandonedLayer, type SweepLayersOptions, sweepLayers } from './abandoned.js';
export {
  type AppendableChain,
  type AppendRequest,
  type ChainLayer,
  nextDirectory,
  openForAppend,
} from './append.js';
export { chooseLayers, inChainOrder, printLayer, type TimedLayer } from './chain.js';
export { type ChainLock, lockChain, REFRESH_EVERY_MS, STALE_AFTER_MS } from './chain_lock.js';
export {
  fileKey,
  type ListedLayer,
  type MissingFile,
  missingFiles,
  missingFilesError,
  type SeenFiles,
  seeFiles,
} from './check_files.js';
export { findIncrementals, type LocationSurvey, listFulls, listIncrementals, surveyLocation } from './find.js';
export { readLatest, writeLatest } from './latest.js';
export * from './layout.js';
export {
  joinLocalityUris,
  type LocalityUris,
  localityConfigs,
  parseBackupUris,
  parseSourceUris,
  type SourceUri,
} from './localities.js';
export { type OpenedBackup, type OpenedLayer, type OpenRequest, openBackup, storeOf } from './open.js';
export {
  abandonBackup,
  type BackupTarget,
  type ClaimRequest,
  claimBackup,
  type PublishOptions,
  partsOf,
  publishBackup,
  targetStore,
} from './write.js';
