import type { BackupScope } from '../cluster/contract.js';
import { compareSpans, compareTimestamps, equalTimestamps, type Span, type Timestamp } from '../keys/index.js';
import {
  addCounts,
  type ClusterVersion,
  type DescriptorRevision,
  EMPTY_FILE,
  EMPTY_MANIFEST,
  type FileRecord,
  type Manifest,
  NO_BUILD_INFO,
  NO_ROWS,
} from '../manifest/index.js';
import type { ExportedFile } from './export_work.js';

/** A finished file with the bucket it lies in. */
export interface PlacedExport extends ExportedFile {
  readonly localityKv: string;
  readonly nodeId: number;
  /** Versions that the file holds: (start, end]. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
}

/** What a manifest says beyond its files. */
export interface ManifestFacts {
  readonly scope: BackupScope;
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  readonly allRevisions: boolean;
  /** 16 bytes: the store's id, the same in a chain. */
  readonly clusterId: Uint8Array;
  /** 16 bytes: this layer's id. */
  readonly id: Uint8Array;
  readonly coordinator: number;
  readonly clusterVersion: ClusterVersion;
  /** Sorted, disjoint spans that the layer claims. */
  readonly spans: readonly Span[];
  readonly introducedSpans: readonly Span[];
  /** With allRevisions. */
  readonly descriptorChanges: readonly DescriptorRevision[];
  readonly revisionStartTime: Timestamp;
  /** Sorted; every locality that has a bucket of its own. */
  readonly localities: readonly string[];
  readonly partitionNames: readonly string[];
  readonly statisticsFilenames: ReadonlyMap<number, string>;
}

/** CockroachDB's format version of manifests that track complete databases (crdb-format.md 2.3, field 8). */
const FORMAT_VERSION = 1;

function fileRecord(file: PlacedExport, { startTime, clusterVersion }: ManifestFacts): FileRecord {
  const record: FileRecord = {
    ...EMPTY_FILE,
    span: file.span,
    path: file.name,
    entryCounts: { dataSize: BigInt(file.dataBytes), rows: BigInt(file.rows), indexEntries: BigInt(file.indexEntries) },
    localityKv: file.localityKv,
    // Only files of another window than the layer's say theirs (crdb-format.md 2.4, fields 7 and 8).
    ...(equalTimestamps(file.startTime, startTime) ? {} : { startTime: file.startTime, endTime: file.endTime }),
  };
  // Since 24.1 a restore sizes its work by these; older versions have no such fields and would carry them as unknown.
  if (clusterVersion.major < 24) return record;
  const size = BigInt(file.fileBytes);
  return { ...record, backingFileSize: size, approximatePhysicalSize: size };
}

/**
 * CockroachDB reads the changes one after another and stops at the first that is later than the time it restores to, so
 * a list in any other order loses objects without a word.
 */
function inOrderOfTime(changes: readonly DescriptorRevision[]): DescriptorRevision[] {
  return [...changes].sort((a, b) => compareTimestamps(a.time, b.time) || a.id - b.id);
}

/** The manifest of a finished layer: files sorted by span, totals summed, nothing that is not whole. */
export function assembleManifest(facts: ManifestFacts, files: readonly PlacedExport[]): Manifest {
  const records = files.map((file) => fileRecord(file, facts)).sort((a, b) => compareSpans(a.span, b.span));
  return {
    ...EMPTY_MANIFEST,
    startTime: facts.startTime,
    endTime: facts.endTime,
    spans: facts.spans,
    files: records,
    descriptors: facts.scope.descriptors,
    formatVersion: FORMAT_VERSION,
    clusterId: facts.clusterId,
    nodeId: facts.coordinator,
    buildInfo: {
      ...NO_BUILD_INFO,
      tag: 'spanvault',
      platform: `${process.platform} ${process.arch}`,
      distribution: 'spanvault',
    },
    entryCounts: records.reduce((sum, record) => addCounts(sum, record.entryCounts), NO_ROWS),
    mvccFilter: facts.allRevisions ? 'all' : 'latest',
    completeDbs: facts.scope.completeDatabases,
    introducedSpans: facts.introducedSpans,
    descriptorChanges: inOrderOfTime(facts.descriptorChanges),
    revisionStartTime: facts.revisionStartTime,
    id: facts.id,
    partitionDescriptorFilenames: facts.partitionNames,
    localityKvs: facts.localities,
    descriptorCoverage: facts.scope.coverage,
    statisticsFilenames: facts.statisticsFilenames,
    clusterVersion: facts.clusterVersion,
  };
}
