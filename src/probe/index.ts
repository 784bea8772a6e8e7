/**
 * probe/: whether a location does what backups and restores need of it, and how fast. Owns the checks of check-storage, the
 * marker of CREATE EXTERNAL CONNECTION and the transfers of CHECK EXTERNAL CONNECTION.
 * Must not touch an object that it did not write itself, know of a collection's names, or leave anything but the marker behind.
 */
export { type CheckedLocation, type CheckedStep, type CheckStorageOptions, checkStorage } from './check.js';
export { MARKER_FILE, markLocation } from './marker.js';
export { type TransferOptions, type TransferResult, transfer } from './transfer.js';
