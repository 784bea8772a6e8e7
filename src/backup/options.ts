import type { RangeSource, Targets } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import type { Timestamp } from '../keys/index.js';
import { type ClusterVersion, versionAtLeast } from '../manifest/index.js';
import type { Compression, NativeSstOptions } from '../native/index.js';
import type { StorageSettings } from '../storage/index.js';

/** How far a backup is. */
export interface BackupProgress {
  readonly phase: 'planning' | 'exporting' | 'publishing';
  /** Key and value bytes read so far. */
  readonly bytes: number;
  /** Approximate; 0 = not known yet. */
  readonly totalBytes: number;
  readonly entries: number;
}

/** What to back up, and where to. Everything but the first three has a default. */
export interface BackupOptions {
  readonly source: RangeSource;
  /** One URI, or several with COCKROACH_LOCALITY each (one of them `default`). */
  readonly into: readonly string[];
  readonly targets: Targets;
  /** Consistent as of this time; default: now. */
  readonly asOf?: Timestamp;
  /**
   * The chain that an incremental backup is added to: 'LATEST', or a full's directory such as `/2023/02/23-150925.62`.
   * Undefined: a new full backup.
   */
  readonly appendTo?: string;
  /** Locations of the chain's incrementals outside of the collection: one per location of `into`, with the same localities. */
  readonly incrementalLocation?: readonly string[];
  /** Keep every version since the previous layer, or in a full since the GC horizon, so that a restore can go to any instant. */
  readonly revisionHistory?: boolean;
  /** Facts that storage drivers need, such as the directory behind nodelocal://. */
  readonly storage?: StorageSettings;
  /** Worker threads. @defaultValue one per available core */
  readonly workers?: number;
  /** Snappy is what CockroachDB writes; zstd is smaller and slower; none is for stores that compress. @defaultValue snappy */
  readonly compression?: Compression;
  /** zstd level. @defaultValue 1 */
  readonly compressionLevel?: number;
  /** Uncompressed bytes of a data block: larger compresses better and reads coarser. @defaultValue 32 KiB */
  readonly blockBytes?: number;
  /** Size at which a file is ended, at the next row: larger makes fewer objects, smaller spreads a restore better. @defaultValue 128 MiB */
  readonly targetFileBytes?: number;
  /** Unit of upload. A store may have a least size: S3 gathers parts below 5 MiB; nodelocal takes at most 1 MiB at a time. @defaultValue 8 MiB */
  readonly partBytes?: number;
  /**
   * Parts of one file that are on their way at a time, where the store takes them side by side (s3, azure-blob). Each worker has two
   * files in progress: workers × 2 × (partsInFlight + 1) × partBytes is the most memory that parts take. @defaultValue 4
   */
  readonly partsInFlight?: number;
  /** Unit of scanning and encoding; one per worker is in memory and should fit the second-level cache. @defaultValue 1 MiB */
  readonly batchBytes?: number;
  /** Version that the manifest names: the active version of the cluster that is to restore it. @defaultValue 23.1 */
  readonly clusterVersion?: string;
  /** Names the lock file; default: a new id of the same kind as CockroachDB's. */
  readonly jobId?: bigint;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** Complete, checked options. */
export interface ResolvedBackupOptions {
  readonly sst: NativeSstOptions;
  readonly partBytes: number;
  readonly partsInFlight: number;
  readonly batchBytes: number;
  readonly taskBytes: number;
  readonly clusterVersion: ClusterVersion;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bounds of every size, smallest and largest; outside is a mistake rather than a choice. */
const LIMITS = {
  blockBytes: [1 * KiB, 1 * MiB],
  targetFileBytes: [64 * KiB, 4096 * MiB],
  partBytes: [64 * KiB, 256 * MiB],
  partsInFlight: [1, 64],
  batchBytes: [16 * KiB, 64 * MiB],
} as const;

function bounded(name: keyof typeof LIMITS, value: number): number {
  const [min, max] = LIMITS[name];
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SpanvaultError('SV_USAGE', `${name} ${value} is not a whole number from ${min} to ${max}`, {
    details: { option: name, value },
  });
}

/**
 * `23.1` or `21.2-4` (internal step). What is written has a form that no version before 20.2 finds or reads: a collection, with a
 * packed manifest. @throws SpanvaultError SV_USAGE
 */
export function parseClusterVersion(text: string): ClusterVersion {
  const match = /^(\d{1,3})\.(\d{1,2})(?:-(\d{1,4}))?$/.exec(text);
  if (match === null)
    throw new SpanvaultError('SV_USAGE', `cluster version ${JSON.stringify(text)} is not of the form 23.1`);
  const version = { major: Number(match[1]), minor: Number(match[2]), patch: 0, internal: Number(match[3] ?? 0) };
  if (!versionAtLeast(version, 20, 2)) {
    throw new SpanvaultError(
      'SV_USAGE',
      `cluster version ${text} is older than 20.2, the first that restores backups of this form`,
    );
  }
  return version;
}

/** Fills in defaults and checks every option. @throws SpanvaultError SV_USAGE naming the option, its value and its bounds */
export function resolveBackupOptions(options: BackupOptions): ResolvedBackupOptions {
  const compression = options.compression ?? 'snappy';
  if (!['none', 'snappy', 'zstd'].includes(compression)) {
    throw new SpanvaultError('SV_USAGE', `compression ${JSON.stringify(compression)} is not none, snappy or zstd`);
  }
  const level = options.compressionLevel ?? 1;
  if (!Number.isInteger(level) || level < -7 || level > 19) {
    throw new SpanvaultError('SV_USAGE', `compressionLevel ${level} is not a whole number from -7 to 19`);
  }
  if (
    options.workers !== undefined &&
    (!Number.isInteger(options.workers) || options.workers < 0 || options.workers > 256)
  ) {
    throw new SpanvaultError('SV_USAGE', `workers ${options.workers} is not a whole number from 0 to 256`);
  }
  const clusterVersion = parseClusterVersion(options.clusterVersion ?? '23.1');
  if (compression === 'zstd' && !versionAtLeast(clusterVersion, 21, 1)) {
    throw new SpanvaultError(
      'SV_USAGE',
      `cluster version ${options.clusterVersion} does not read zstd blocks, 21.1 does`,
    );
  }
  const targetFileBytes = bounded('targetFileBytes', options.targetFileBytes ?? 128 * MiB);
  return {
    sst: {
      compression,
      level,
      blockBytes: bounded('blockBytes', options.blockBytes ?? 32 * KiB),
      restartInterval: 16,
      targetFileBytes,
      rowBoundary: options.targets.kind === 'spans' ? 'key' : 'sql',
      clearValueChecksums: false,
    },
    partBytes: bounded('partBytes', options.partBytes ?? 8 * MiB),
    partsInFlight: bounded('partsInFlight', options.partsInFlight ?? 4),
    batchBytes: bounded('batchBytes', options.batchBytes ?? MiB),
    taskBytes: targetFileBytes,
    clusterVersion,
  };
}
