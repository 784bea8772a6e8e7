/**
 * manifest/: what a layer says of itself. Owns the protobuf codec of manifests, partition descriptors and statistics
 * (unknown fields survive), the external metadata SSTs, gzip, checksums, the encryption envelope's detection, and the named
 * invariants that hold before a write and after a read.
 * Must not know of storage schemes, directory names or localities' URIs: it reads and writes names in one ExternalStorage.
 */
export { descriptorId } from './descriptor_bytes.js';
export { appearsEncrypted, CHECKSUM_SUFFIX, manifestChecksum, readIfThere } from './envelope.js';
export { DESCRIPTOR_LIST, FILE_LIST } from './external.js';
export { decodeFile, encodeFile } from './file_codec.js';
export {
  firstReads,
  hasManifest,
  MANIFEST_FILE,
  MANIFEST_NAMES,
  METADATA_FILE,
  OLD_MANIFEST_FILE,
  type OpenedManifest,
  openManifest,
  readManifest,
  readPartitionDescriptor,
  readPartitionHead,
  writeManifest,
  writeManifestFiles,
  writeManifestLists,
  writePartitionDescriptor,
} from './files.js';
export { decodeIndexMetadata, encodeIndexMetadata } from './index_codec.js';
export { checkRead, checkWrite, type Invariant, MANIFEST_INVARIANTS } from './invariants.js';
export {
  decodeManifest,
  decodeManifestDescriptors,
  decodeManifestFiles,
  decodeManifestHead,
  encodeManifest,
} from './manifest_codec.js';
export * from './model.js';
export {
  decodePartitionDescriptor,
  decodePartitionHead,
  encodePartitionDescriptor,
  type PartitionHead,
} from './part_codec.js';
export {
  decodeStatistics,
  encodeStatistics,
  readStatistics,
  STATISTICS_FILE,
  type TableStatistic,
  writeStatistics,
} from './statistics.js';
