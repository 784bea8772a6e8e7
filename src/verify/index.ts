/**
 * verify/: what is in a backup, and is it whole. Owns what SHOW BACKUP tells of layers and objects, and the checks that read
 * nothing into a store.
 * Must not parse text, render, or write anything.
 */
export {
  type ShowOptions,
  type ShownBackup,
  type ShownLayer,
  type ShownObject,
  listBackups,
  showBackup,
} from './show.js';
export { manifestJson } from './manifest_json.js';
