import { fromFile, toFile } from './file_codec.js';
import * as pb from './generated/backup.js';
import type {
  BuildInfo,
  ClusterVersion,
  DescriptorLists,
  DescriptorRevision,
  FileRecord,
  Manifest,
  ManifestHead,
} from './model.js';
import { type Converters, rebuild, rememberOrigin } from './origin.js';
import { decode, list, MVCC_FILTERS, member, same, withoutFields } from './wire_message.js';
import {
  fill,
  fromCounts,
  fromScalar,
  fromSpan,
  fromTimestamp,
  plainBytes,
  toBytes,
  toCounts,
  toSpan,
  toTimestamp,
} from './wire_values.js';

/*
 * Messages of proto/backup.proto <-> plain objects (crdb-format.md 2.1-2.5). Decoded and encoded again, untouched bytes
 * come out as they went in; new objects come out as CockroachDB's own encoder writes them.
 */

const ELIDED_PREFIXES = ['none', 'tenant', 'tenantAndTable'] as const;

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
