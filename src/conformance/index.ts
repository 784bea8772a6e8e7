/**
 * conformance/: what a user's own driver, source or sink must do, as checks that any test runner can run.
 * Owns no behaviour of its own; must not be imported by a room that runs in production.
 */

export {
  type BackedUpEntry,
  rangeSinkConformance,
  SINK_CHECKS,
  type SinkCheck,
  type SinkUnderTest,
} from './range_sink.js';
export { rangeSourceConformance, SOURCE_CHECKS, type SourceCheck, type SourceUnderTest } from './range_source.js';
export {
  type ConformanceRunner,
  STORAGE_CHECKS,
  type StorageCheck,
  type StorageUnderTest,
  storageConformance,
} from './storage.js';
