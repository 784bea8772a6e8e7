import protobuf from 'protobufjs/minimal.js';
import { SpanvaultError } from '../fault/index.js';
import { concatBytes } from '../keys/index.js';
import * as pb from './generated/backup.js';
import type {
  BuildInfo,
  ClusterVersion,
  DescriptorLists,
  DescriptorRevision,
  FileRecord,
  IndexMetadata,
  Manifest,
  ManifestHead,
  PartitionDescriptor,
} from './model.js';
import { type Converters, rebuild, rememberOrigin } from './origin.js';
import {
  fill,
  fromBigInt,
  fromBytes,
  fromCounts,
  fromScalar,
  fromSpan,
  fromTimestamp,
  plainBytes,
  toBytes,
  toCounts,
  toSpan,
  toTimestamp,
  toUnsigned,
} from './wire_values.js';

/*
 * Messages of proto/backup.proto <-> plain objects (crdb-format.md 2.1-2.5). Decoded and encoded again, untouched bytes
 * come out as they went in; new objects come out as CockroachDB's own encoder writes them.
 */

/** Decodes with every unknown field kept. `name` is the file, for messages. */
function decode<M>(type: { decode(reader: protobuf.Reader): M }, bytes: Uint8Array, name: string): M {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  reader.discardUnknown = false;
  try {
    return type.decode(reader);
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
}

function undecodable(reader: protobuf.Reader, bytes: Uint8Array, name: string, cause: unknown): SpanvaultError {
  return new SpanvaultError(
    'SV_CORRUPT_MANIFEST',
    `${name} does not decode: byte ${reader.pos} of ${bytes.length} is malformed or cut`,
    { cause },
  );
}

const MVCC_FILTERS = ['latest', 'all'] as const;
const ELIDED_PREFIXES = ['none', 'tenant', 'tenantAndTable'] as const;

function member<T>(values: readonly T[], index: number, what: string, name: string): T {
  const value = values[index];
  if (value === undefined)
    throw new SpanvaultError('SV_UNSUPPORTED_FORMAT', `${name} has the unknown ${what} ${index}`);
  return value;
}

function toFile(message: pb.File.$Properties): FileRecord {
  const file: FileRecord = {
    span: toSpan(message.span),
    path: message.path ?? '',
    sha512: toBytes(message.sha512),
    entryCounts: toCounts(message.entryCounts),
    startTime: toTimestamp(message.startTime),
    endTime: toTimestamp(message.endTime),
    localityKv: message.localityKv ?? '',
    backingFileSize: toUnsigned(message.backingFileSize),
    approximatePhysicalSize: toUnsigned(message.approximatePhysicalSize),
    hasRangeKeys: message.hasRangeKeys ?? false,
  };
  return rememberOrigin(file, message);
}

const FILE_FIELDS: Converters<FileRecord> = {
  span: fromSpan,
  path: fromScalar,
  sha512: fromBytes,
  entryCounts: fromCounts,
  startTime: fromTimestamp,
  endTime: fromTimestamp,
  localityKv: fromScalar,
  backingFileSize: (value) => fromBigInt(value, true),
  approximatePhysicalSize: (value) => fromBigInt(value, true),
  hasRangeKeys: fromScalar,
};

function fromFile(file: FileRecord): pb.File {
  return rebuild(file, new pb.File(), FILE_FIELDS);
}

function toRevision(message: pb.DescriptorRevision.$Properties): DescriptorRevision {
  return {
    time: toTimestamp(message.time),
    id: message.id ?? 0,
    desc: Object.hasOwn(message, 'desc') ? (message.desc ?? undefined) : undefined,
  };
}

function fromRevision(revision: DescriptorRevision): pb.DescriptorRevision {
  return fill(new pb.DescriptorRevision(), {
    time: fromTimestamp(revision.time),
    id: fromScalar(revision.id),
    desc: revision.desc,
  });
}

function toBuildInfo(properties: pb.BuildInfo.$Properties | null | undefined): BuildInfo {
  const {
    goVersion,
    tag,
    time,
    revision,
    cgoCompiler,
    platform,
    distribution,
    type,
    channel,
    cgoTargetTriple,
    envChannel,
  } = new pb.BuildInfo(properties ?? {});
  return {
    goVersion,
    tag,
    time,
    revision,
    cgoCompiler,
    platform,
    distribution,
    type,
    channel,
    cgoTargetTriple,
    envChannel,
  };
}

/** CockroachDB's build.Info is a proto2 message: every text is written, empty or not, but for the last, which is newer. */
function fromBuildInfo(info: BuildInfo): pb.BuildInfo {
  return fill(new pb.BuildInfo(), { ...info, envChannel: info.envChannel });
}

function toVersion(properties: pb.Version.$Properties | null | undefined): ClusterVersion {
  const { major, minor, patch, internal } = new pb.Version(properties ?? {});
  return { major, minor, patch, internal };
}

/** roachpb.Version is a proto2 message: zeros are written. */
function fromVersion(version: ClusterVersion): pb.Version {
  return fill(new pb.Version(), { ...version });
}

function list<T>(convert: (value: T) => unknown): (values: readonly T[]) => unknown[] | undefined {
  return (values) => (values.length === 0 ? undefined : values.map(convert));
}

const same = <T>(value: T): T => value;

const MANIFEST_FIELDS: Converters<Manifest> = {
  startTime: fromTimestamp,
  endTime: fromTimestamp,
  spans: list(fromSpan),
  files: list(fromFile),
  descriptors: list(same),
  formatVersion: fromScalar,
  clusterId: same,
  nodeId: fromScalar,
  buildInfo: fromBuildInfo,
  entryCounts: fromCounts,
  mvccFilter: (value) => fromScalar(MVCC_FILTERS.indexOf(value)),
  completeDbs: list(same),
  introducedSpans: list(fromSpan),
  descriptorChanges: list(fromRevision),
  revisionStartTime: fromTimestamp,
  id: same,
  partitionDescriptorFilenames: list(same),
  localityKvs: list(same),
  descriptorCoverage: (value) => fromScalar(value === 'cluster' ? 1 : 0),
  statisticsFilenames: (names) =>
    names.size === 0 ? undefined : [...names].map(([key, value]) => fill(new pb.StatisticsFilename(), { key, value })),
  clusterVersion: fromVersion,
  hasExternalManifestSsts: fromScalar,
  elidedPrefix: (value) => fromScalar(ELIDED_PREFIXES.indexOf(value)),
  isCompacted: fromScalar,
};

/** Fields that plain manifests do not show. */
const CARRIED = ['deprecatedDataSize', 'dir', 'deprecatedStatistics', 'tenantsDeprecated', 'tenants'];

/** Decodes a manifest's protobuf. @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_UNSUPPORTED_FORMAT */
export function decodeManifest(bytes: Uint8Array, name: string): Manifest {
  const message = decode(pb.BackupManifest, bytes, name);
  const manifest: Manifest = {
    ...toHead(message, name),
    files: message.files.map(toFile),
    descriptors: message.descriptors,
    descriptorChanges: message.descriptorChanges.map(toRevision),
  };
  return rememberOrigin(manifest, message);
}

/**
 * Decodes all of a manifest but its lists, whose bytes are skipped: the work does not grow with files or descriptors.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_UNSUPPORTED_FORMAT
 */
export function decodeManifestHead(bytes: Uint8Array, name: string): ManifestHead {
  return toHead(decode(pb.BackupManifest, withoutFields(bytes, MANIFEST_LISTS, name), name), name);
}

/** Numbers of the manifest's fields `files`, `descriptors` and `descriptor_changes` (crdb-format.md 2.3). */
const MANIFEST_FILES = 4;
const MANIFEST_DESCRIPTORS = 5;
const MANIFEST_CHANGES = 16;
const MANIFEST_LISTS: ReadonlySet<number> = new Set([MANIFEST_FILES, MANIFEST_DESCRIPTORS, MANIFEST_CHANGES]);

/** A message without some of its fields. */
function withoutFields(bytes: Uint8Array, dropped: ReadonlySet<number>, name: string): Uint8Array {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  const kept: Uint8Array[] = [];
  let from = 0;
  try {
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.uint32();
      reader.skipType(tag & 7);
      if (!dropped.has(tag >>> 3)) continue;
      if (from < start) kept.push(bytes.subarray(from, start));
      from = reader.pos;
    }
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
  return concatBytes(...kept, bytes.subarray(from));
}

/** Decodes a manifest's files, the other lists skipped. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeManifestFiles(bytes: Uint8Array, name: string): readonly FileRecord[] {
  const kept = withoutFields(bytes, new Set([MANIFEST_DESCRIPTORS, MANIFEST_CHANGES]), name);
  return decode(pb.BackupManifest, kept, name).files.map(toFile);
}

/** Decodes what a manifest says of the catalog, its files skipped. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeManifestDescriptors(bytes: Uint8Array, name: string): DescriptorLists {
  const { descriptors, descriptorChanges } = decode(
    pb.BackupManifest,
    withoutFields(bytes, new Set([MANIFEST_FILES]), name),
    name,
  );
  return { descriptors, descriptorChanges: descriptorChanges.map(toRevision) };
}

function toHead(message: pb.BackupManifest, name: string): ManifestHead {
  return {
    startTime: toTimestamp(message.startTime),
    endTime: toTimestamp(message.endTime),
    spans: message.spans.map(toSpan),
    formatVersion: message.formatVersion,
    clusterId: toBytes(message.clusterId),
    nodeId: message.nodeId,
    buildInfo: toBuildInfo(message.buildInfo),
    entryCounts: toCounts(message.entryCounts),
    mvccFilter: member(MVCC_FILTERS, message.mvccFilter, 'mvcc_filter', name),
    completeDbs: message.completeDbs,
    introducedSpans: message.introducedSpans.map(toSpan),
    revisionStartTime: toTimestamp(message.revisionStartTime),
    id: toBytes(message.id),
    partitionDescriptorFilenames: message.partitionDescriptorFilenames,
    localityKvs: message.localityKvs,
    descriptorCoverage: message.descriptorCoverage === 1 ? 'cluster' : 'requested',
    statisticsFilenames: new Map(message.statisticsFilenames.map(({ key, value }) => [key ?? 0, value ?? ''])),
    clusterVersion: toVersion(message.clusterVersion),
    hasExternalManifestSsts: message.hasExternalManifestSsts,
    elidedPrefix: member(ELIDED_PREFIXES, message.elidedPrefix, 'elided_prefix', name),
    isCompacted: message.isCompacted,
  };
}

/** The protobuf of a manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const message = rebuild(manifest, new pb.BackupManifest(), MANIFEST_FIELDS, CARRIED);
  // CockroachDB's field `dir` is not nullable; readers overwrite it with where they read from.
  if (!Object.hasOwn(message, 'dir')) message.dir = new Uint8Array(0);
  return plainBytes(pb.BackupManifest.encode(message).finish());
}

/** Decodes one File message, as a value of filelist.sst. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeFile(bytes: Uint8Array, name: string): FileRecord {
  return toFile(decode(pb.File, bytes, name));
}

/** The protobuf of one File. */
export function encodeFile(file: FileRecord): Uint8Array {
  return plainBytes(pb.File.encode(fromFile(file)).finish());
}

/** Decodes a BACKUP_PART file's protobuf. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodePartitionDescriptor(bytes: Uint8Array, name: string): PartitionDescriptor {
  const message = decode(pb.BackupPartitionDescriptor, bytes, name);
  const { localityKv } = message;
  return rememberOrigin({ localityKv, files: message.files.map(toFile), backupId: toBytes(message.backupId) }, message);
}

/** What a partition descriptor says besides its files; `backupId` is undefined when only a beginning of its bytes is known. */
export interface PartitionHead {
  readonly localityKv: string;
  readonly backupId: Uint8Array | undefined;
}

const PART_LOCALITY = 1;
const PART_BACKUP_ID = 3;

/**
 * Reads a partition descriptor's own fields, its files skipped. Of the beginning of one (`whole` false) only what comes
 * before the files, as CockroachDB writes it: the locality.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST
 */
export function decodePartitionHead(bytes: Uint8Array, whole: boolean, name: string): PartitionHead {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  let localityKv = '';
  let backupId = new Uint8Array(0);
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === ((PART_LOCALITY << 3) | LENGTH_DELIMITED)) localityKv = reader.string();
      else if (tag === ((PART_BACKUP_ID << 3) | LENGTH_DELIMITED)) backupId = Uint8Array.from(reader.bytes());
      else if (whole) reader.skipType(tag & 7);
      else break;
    }
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
  return { localityKv, backupId: whole ? backupId : undefined };
}

/** Wire type of texts, bytes and messages. */
const LENGTH_DELIMITED = 2;

/** The protobuf of a partition descriptor. */
export function encodePartitionDescriptor(part: PartitionDescriptor): Uint8Array {
  const fields: Converters<PartitionDescriptor> = { localityKv: fromScalar, files: list(fromFile), backupId: same };
  return plainBytes(
    pb.BackupPartitionDescriptor.encode(rebuild(part, new pb.BackupPartitionDescriptor(), fields)).finish(),
  );
}

/** Decodes one entry of metadata/index/. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeIndexMetadata(bytes: Uint8Array, name: string): IndexMetadata {
  const message = decode(pb.BackupIndexMetadata, bytes, name);
  const index: IndexMetadata = {
    startTime: toTimestamp(message.startTime),
    endTime: toTimestamp(message.endTime),
    path: message.path,
    isCompacted: message.isCompacted,
    mvccFilter: member(MVCC_FILTERS, message.mvccFilter, 'mvcc_filter', name),
    revisionStartTime: toTimestamp(message.revisionStartTime),
  };
  return rememberOrigin(index, message);
}

/** The protobuf of an index entry. */
export function encodeIndexMetadata(index: IndexMetadata): Uint8Array {
  const fields: Converters<IndexMetadata> = {
    startTime: fromTimestamp,
    endTime: fromTimestamp,
    path: fromScalar,
    isCompacted: fromScalar,
    mvccFilter: (value) => fromScalar(MVCC_FILTERS.indexOf(value)),
    revisionStartTime: fromTimestamp,
  };
  return plainBytes(pb.BackupIndexMetadata.encode(rebuild(index, new pb.BackupIndexMetadata(), fields)).finish());
}
