/**
 * manifest/: what a layer says of itself. Owns the protobuf codec of manifests, partition descriptors and statistics
 * (unknown fields survive), the external metadata SSTs, gzip, checksums, the encryption envelope's detection, and the named
 * invariants that hold before a write and after a read.
 * Must not know of storage schemes, directory names or localities' URIs: it reads and writes names in one ExternalStorage.
 */
export * from './codec.js';
export * from './model.js';
export { descriptorId } from './descriptor_bytes.js';
export { CHECKSUM_SUFFIX, appearsEncrypted, manifestChecksum, readIfThere } from './envelope.js';
export { DESCRIPTOR_LIST, FILE_LIST } from './external.js';
export {
  MANIFEST_FILE,
  MANIFEST_NAMES,
  METADATA_FILE,
  OLD_MANIFEST_FILE,
  hasManifest,
  readManifest,
  readPartitionDescriptor,
  writeManifest,
  writePartitionDescriptor,
} from './files.js';
export { type Invariant, MANIFEST_INVARIANTS, checkRead, checkWrite } from './invariants.js';
export {
  STATISTICS_FILE,
  type TableStatistic,
  decodeStatistics,
  encodeStatistics,
  readStatistics,
  writeStatistics,
} from './statistics.js';
