/**
 * manifest/: what a layer says of itself. Owns the protobuf codec of manifests, partition descriptors and statistics
 * (unknown fields survive), the external metadata SSTs, gzip, checksums, the encryption envelope's detection, and the named
 * invariants that hold before a write and after a read.
 * Must not know of storage schemes, directory names or localities' URIs: it reads and writes names in one ExternalStorage.
 */
export * from './codec.js';
export * from './model.js';
