/**
 * collection/: which object is where. Owns every path name that is written or read, LATEST, the search for fulls and
 * incrementals in all three layouts, lists of URIs with localities, moved or consolidated parts, and the order in which a
 * finished backup becomes visible.
 * Must not read SSTs, descriptors or statements, and must not choose what goes into a backup.
 */
export { type MissingFile, missingFiles, missingFilesError } from './check_files.js';
export { findIncrementals, listFulls, listIncrementals } from './find.js';
export { readLatest, writeLatest } from './latest.js';
export * from './layout.js';
export {
  type LocalityUris,
  type SourceUri,
  joinLocalityUris,
  localityConfigs,
  parseBackupUris,
  parseSourceUris,
} from './localities.js';
export { type OpenRequest, type OpenedBackup, type OpenedLayer, openBackup, storeOf } from './open.js';
export {
  type BackupTarget,
  type ClaimRequest,
  type PublishOptions,
  abandonBackup,
  claimBackup,
  partsOf,
  publishBackup,
  targetStore,
} from './write.js';
