import { EMPTY_TIMESTAMP, type Span, type Timestamp } from '../keys/index.js';

/*
 * Manifests as plain, readonly objects. Field names are those of proto/backup.proto. Objects that were decoded remember
 * the message they came from under a symbol, which a spread copies: `{ ...manifest, id }` encodes every other field as
 * it was read, unknown fields included.
 */

/** Counts of a file or a layer; 64-bit. */
export interface RowCounts {
  /** Key + value bytes. */
  readonly dataSize: bigint;
  /** Keys of primary indexes. */
  readonly rows: bigint;
  /** Keys of other indexes. */
  readonly indexEntries: bigint;
}

/** One entry of a layer's file list (crdb-format.md 2.4). Several entries may name the same path. */
export interface FileRecord {
  readonly span: Span;
  /** Relative to the layer's directory in the store of `localityKv`. */
  readonly path: string;
  /** SHA-512 of the whole SST, written up to 20.2; else empty. */
  readonly sha512: Uint8Array;
  readonly entryCounts: RowCounts;
  /** With `endTime`, meaningful only when endTime is not empty; otherwise the layer's times apply. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  /** "" = the default store, else `key=value`. */
  readonly localityKv: string;
  /** Bytes of the SST; 0 = unknown. */
  readonly backingFileSize: bigint;
  readonly approximatePhysicalSize: bigint;
  readonly hasRangeKeys: boolean;
}

/** A descriptor as of a time; `desc` undefined = deleted. */
export interface DescriptorRevision {
  readonly time: Timestamp;
  readonly id: number;
  /** Marshalled sqlbase.Descriptor. */
  readonly desc: Uint8Array | undefined;
}

/** CockroachDB's version of the cluster; all zero in manifests up to 20.2. */
export interface ClusterVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly internal: number;
}

/** What built the writer. */
export interface BuildInfo {
  readonly goVersion: string;
  readonly tag: string;
  readonly time: string;
  readonly revision: string;
  readonly cgoCompiler: string;
  readonly platform: string;
  readonly distribution: string;
  readonly type: string;
  readonly channel: string;
  readonly cgoTargetTriple: string;
  readonly envChannel: string;
}

/** One layer's manifest (crdb-format.md 2.3). */
export interface Manifest {
  /** Exclusive; empty = a full backup. */
  readonly startTime: Timestamp;
  /** Inclusive. */
  readonly endTime: Timestamp;
  readonly spans: readonly Span[];
  /** Files of all localities, sorted by span. */
  readonly files: readonly FileRecord[];
  /** Marshalled sqlbase.Descriptor, bytes as written by the cluster. */
  readonly descriptors: readonly Uint8Array[];
  readonly formatVersion: number;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  readonly nodeId: number;
  readonly buildInfo: BuildInfo;
  readonly entryCounts: RowCounts;
  /** 'all' = revision history. */
  readonly mvccFilter: 'latest' | 'all';
  readonly completeDbs: readonly number[];
  readonly introducedSpans: readonly Span[];
  readonly descriptorChanges: readonly DescriptorRevision[];
  readonly revisionStartTime: Timestamp;
  /** 16 bytes since 19.2; partition descriptors carry the same. Empty before. */
  readonly id: Uint8Array;
  /** Parallel to `localityKvs`. */
  readonly partitionDescriptorFilenames: readonly string[];
  readonly localityKvs: readonly string[];
  readonly descriptorCoverage: 'requested' | 'cluster';
  /** Table id → name of the statistics file. */
  readonly statisticsFilenames: ReadonlyMap<number, string>;
  readonly clusterVersion: ClusterVersion;
  readonly hasExternalManifestSsts: boolean;
  readonly elidedPrefix: 'none' | 'tenant' | 'tenantAndTable';
  readonly isCompacted: boolean;
}

/** What a manifest says besides the lists that grow with data, tables and history. */
export type ManifestHead = Omit<Manifest, 'files' | 'descriptors' | 'descriptorChanges'>;

/** What a layer says of tables, databases and the rest of the catalog. */
export type DescriptorLists = Pick<Manifest, 'descriptors' | 'descriptorChanges'>;

/** The part of a layer's file list that lies in one non-default store (crdb-format.md 2.5). */
export interface PartitionDescriptor {
  readonly localityKv: string;
  readonly files: readonly FileRecord[];
  /** Equals the manifest's id. */
  readonly backupId: Uint8Array;
}

/** One layer's entry of the collection's index (crdb-format.md 1.5). */
export interface IndexMetadata {
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  /** Absolute inside the collection. */
  readonly path: string;
  readonly isCompacted: boolean;
  readonly mvccFilter: 'latest' | 'all';
  readonly revisionStartTime: Timestamp;
}

export const NO_ROWS: RowCounts = { dataSize: 0n, rows: 0n, indexEntries: 0n };

const NO_BYTES = new Uint8Array(0);

/** A file entry of which only the span and the path say anything; spread it and set the rest. */
export const EMPTY_FILE: FileRecord = {
  span: { key: NO_BYTES, endKey: NO_BYTES },
  path: '',
  sha512: NO_BYTES,
  entryCounts: NO_ROWS,
  startTime: EMPTY_TIMESTAMP,
  endTime: EMPTY_TIMESTAMP,
  localityKv: '',
  backingFileSize: 0n,
  approximatePhysicalSize: 0n,
  hasRangeKeys: false,
};

export const NO_BUILD_INFO: BuildInfo = {
  goVersion: '',
  tag: '',
  time: '',
  revision: '',
  cgoCompiler: '',
  platform: '',
  distribution: '',
  type: '',
  channel: '',
  cgoTargetTriple: '',
  envChannel: '',
};

/** A manifest that says nothing; spread it and set the rest. */
export const EMPTY_MANIFEST: Manifest = {
  startTime: EMPTY_TIMESTAMP,
  endTime: EMPTY_TIMESTAMP,
  spans: [],
  files: [],
  descriptors: [],
  formatVersion: 0,
  clusterId: NO_BYTES,
  nodeId: 0,
  buildInfo: NO_BUILD_INFO,
  entryCounts: NO_ROWS,
  mvccFilter: 'latest',
  completeDbs: [],
  introducedSpans: [],
  descriptorChanges: [],
  revisionStartTime: EMPTY_TIMESTAMP,
  id: NO_BYTES,
  partitionDescriptorFilenames: [],
  localityKvs: [],
  descriptorCoverage: 'requested',
  statisticsFilenames: new Map(),
  clusterVersion: { major: 0, minor: 0, patch: 0, internal: 0 },
  hasExternalManifestSsts: false,
  elidedPrefix: 'none',
  isCompacted: false,
};

/** Sum of counts. */
export function addCounts(a: RowCounts, b: RowCounts): RowCounts {
  return { dataSize: a.dataSize + b.dataSize, rows: a.rows + b.rows, indexEntries: a.indexEntries + b.indexEntries };
}

/** The versions a file holds: (start, end], its own or the layer's (crdb-format.md 2.4). */
export function fileTimes(
  file: FileRecord,
  layer: Pick<Manifest, 'startTime' | 'endTime'>,
): { readonly startTime: Timestamp; readonly endTime: Timestamp } {
  const own = file.endTime.wall !== 0n || file.endTime.logical !== 0;
  return own
    ? { startTime: file.startTime, endTime: file.endTime }
    : { startTime: layer.startTime, endTime: layer.endTime };
}

/** `major.minor`, with `-internal` when it is not zero, as CockroachDB prints versions. */
export function printVersion(version: ClusterVersion): string {
  return `${version.major}.${version.minor}${version.internal === 0 ? '' : `-${version.internal}`}`;
}

/** True when `version` is `major.minor` or newer. */
export function versionAtLeast(version: ClusterVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
