/**
 * conformance/: what a user's own driver, source or sink must do, as checks that any test runner can run.
 * Owns no behaviour of its own; must not be imported by a room that runs in production.
 */
export {
  type ConformanceRunner,
  STORAGE_CHECKS,
  type StorageCheck,
  type StorageUnderTest,
  storageConformance,
} from './storage.js';
export {
  SINK_CHECKS,
  type BackedUpEntry,
  type SinkCheck,
  type SinkUnderTest,
  rangeSinkConformance,
} from './range_sink.js';
export { SOURCE_CHECKS, type SourceCheck, type SourceUnderTest, rangeSourceConformance } from './range_source.js';
