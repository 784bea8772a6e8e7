/**
 * verify/: what is in a backup, and is it whole. Owns what SHOW BACKUP tells of layers and objects, and the checks that read
 * nothing into a store.
 * Must not parse text, render, or write anything.
 */

export { listBackups, whyNoBackups } from './list.js';
export { manifestJson } from './manifest_json.js';
export {
  type ShownBackup,
  type ShownLayer,
  type ShownObject,
  type ShowOptions,
  showBackup,
} from './show.js';
export { type BackupTree, backupTree, type TreeBucket, type TreeLayer } from './tree.js';
