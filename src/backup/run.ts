import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { renumberedPrimaries } from '../catalog/index.js';
import type { NodeInfo, RangeInfo } from '../cluster/contract.js';
import {
  abandonBackup,
  type BackupTarget,
  type ChainLock,
  claimBackup,
  fullSubdir,
  type LocalityUris,
  lockChain,
  nextDirectory,
  partsOf,
  publishBackup,
  REFRESH_EVERY_MS,
} from '../collection/index.js';
import { isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { compareTimestamps, EMPTY_TIMESTAMP, isEmptyTimestamp, type Timestamp, uniqueInt } from '../keys/index.js';
import { type Manifest, STATISTICS_FILE, type TableStatistic } from '../manifest/index.js';
import { type BucketUsage, measureOperation, openStorage } from '../storage/index.js';
import { assembleManifest, type PlacedExport } from './assemble.js';
import { type Exported, exportPasses, exportTotals, ticks } from './export.js';
import type { ExportReads, ExportWaits } from './export_work.js';
import { endOf, type Layer, openChain, parseLocations, resolveLayer, startOf } from './layer.js';
import { type BackupOptions, type ResolvedBackupOptions, resolveBackupOptions } from './options.js';
import { checkGarbage, type ExportPass, heldSpans, newestThreshold, planPasses } from './passes.js';
import { type PlacementReport, placementReport } from './placement.js';
import { tableStatistics } from './statistics.js';

export interface BackupResult {
  /** Directory of the full, the same in every bucket: `/2023/02/23-150925.62`. An incremental's chain is named by its full. */
  readonly subdir: string;
  /** Directory of this layer; of a full, the same as `subdir`. */
  readonly directory: string;
  /** Empty for a full. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  /** Keys of primary indexes, as CockroachDB counts rows. */
  readonly rows: number;
  readonly indexEntries: number;
  /** Key and value bytes. */
  readonly bytes: number;
  /** Bytes of the SST objects. */
  readonly fileBytes: number;
  readonly files: number;
  readonly placement: PlacementReport;
  /** Summed over workers; the largest names the bottleneck. */
  readonly waits: ExportWaits;
  /** What the source looked at; for an incremental, whether an index told it where. */
  readonly reads: ExportReads;
  /** Operations, requests and bytes per bucket. */
  readonly usage: readonly BucketUsage[];
  readonly seconds: number;
}

/** A small backup is cut into at least so many tasks per worker, so that no worker waits long for the last one. */
const TASKS_PER_WORKER = 4;
/** Tasks are not made smaller than this for it: every task makes a file. */
const TASK_BYTES_MIN = 32 * 1024 * 1024;

/**
 * Takes a full backup, or with `appendTo` an incremental one. Everything that can be refused is refused before anything is
 * written; a failure leaves no manifest and erases what was written. The order of durability is: files, partition descriptors,
 * manifest, and for a full LATEST.
 * @throws SpanvaultError usage, storage, sourceSink, coverage, worker, aborted
 */
export function backup(options: BackupOptions): Promise<BackupResult> {
  return measureOperation(async (ledger) => ({ ...(await takeBackup(options)), usage: ledger.usages() }));
}

async function takeBackup(options: BackupOptions): Promise<Omit<BackupResult, 'usage'>> {
  const begin = performance.now();
  const resolved = resolveBackupOptions(options);
  const locations = parseLocations(options);
  const { source } = options;
  options.onProgress?.({ phase: 'planning', bytes: 0, totalBytes: 0, entries: 0 });
  const chain = await openChain(options, locations);
  const endTime = endOf(options, source.now());
  const release = await source.protect?.(oldestNeeded(startOf(chain), endTime));
  try {
    const layer = await resolveLayer(options, chain, endTime);
    const nodes = await source.nodes();
    const ranges = await source.ranges(heldSpans(layer.window));
    checkGarbage(layer.window, ranges);
    const uris = chain?.uris ?? locations.uris;
    const passes = planRun(layer, nodes, ranges, uris, resolved, options.workers ?? availableParallelism());
    throwIfAborted(options.signal);
    const run: Run = { options, resolved, layer, passes, ranges, nodes, uris };
    return { ...(await claimAndExport(run)), seconds: (performance.now() - begin) / 1000 };
  } finally {
    await release?.();
  }
}

interface Run {
  readonly options: BackupOptions;
  readonly resolved: ResolvedBackupOptions;
  readonly layer: Layer;
  readonly passes: readonly [...ExportPass[], ExportPass];
  readonly ranges: readonly RangeInfo[];
  readonly nodes: readonly NodeInfo[];
  /** Locations that this layer is written to. */
  readonly uris: LocalityUris;
}

function oldestNeeded(startTime: Timestamp, endTime: Timestamp): Timestamp {
  return isEmptyTimestamp(startTime) || compareTimestamps(endTime, startTime) < 0 ? endTime : startTime;
}

function planRun(
  layer: Layer,
  nodes: readonly NodeInfo[],
  ranges: readonly RangeInfo[],
  uris: LocalityUris,
  resolved: ResolvedBackupOptions,
  workers: number,
): Run['passes'] {
  const bytes = ranges.reduce((sum, range) => sum + range.approximateBytes, 0);
  const share = Math.max(TASK_BYTES_MIN, Math.ceil(bytes / (TASKS_PER_WORKER * Math.max(1, workers))));
  return planPasses(layer.window, {
    ranges,
    nodes,
    localities: [...uris.byLocality.keys()],
    taskBytes: Math.min(resolved.taskBytes, share),
  });
}

async function claimAndExport(run: Run): Promise<Omit<BackupResult, 'seconds' | 'usage'>> {
  const { options, uris } = run;
  const { chain, window } = run.layer;
  const settings = options.storage ?? {};
  const jobId = String(
    options.jobId ?? uniqueInt(ticks.reserve(options.source.now().wall), options.source.coordinator),
  );
  if (chain === undefined) {
    const target = await claimBackup({ uris, settings, directory: fullSubdir(window.endTime), jobId });
    return exportAndPublish(run, target, undefined);
  }
  const directory = nextDirectory(chain, window.startTime, window.endTime);
  const lock = await lockChain(chain, settings, { start: window.startTime, directory, jobId });
  try {
    return await exportAndPublish(run, await claimBackup({ uris, settings, directory, jobId }), lock);
  } finally {
    await lock.release();
  }
}

async function exportAndPublish(
  run: Run,
  target: BackupTarget,
  lock: ChainLock | undefined,
): Promise<Omit<BackupResult, 'seconds' | 'usage'>> {
  const { options, layer } = run;
  try {
    const primaries = renumberedPrimaries(layer.catalog.tables());
    const exported = await refreshing(lock, () =>
      exportPasses({ options, resolved: run.resolved, passes: run.passes, target, primaries }),
    );
    const { files } = exported;
    const totalBytes = run.passes.reduce((sum, { plan }) => sum + plan.approximateBytes, 0);
    options.onProgress?.({ ...exportTotals(files), phase: 'publishing', totalBytes });
    // The rows of an incremental are not the table's: counts of its files would mislead the optimizer of a restored cluster.
    const statistics = lock === undefined ? tableStatistics(layer.scope.descriptors, files, layer.window.endTime) : [];
    const manifest = await publishBackup(target, assemble(run, target, files, statistics), {
      ...(lock === undefined ? { statistics } : { incremental: true, beforeManifest: () => lock.check() }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return report(run, target, manifest, exported);
  } catch (error) {
    await abandon(target, error);
    throw error;
  }
}

/** Runs work while the lock is kept fresh. */
async function refreshing<T>(lock: ChainLock | undefined, work: () => Promise<T>): Promise<T> {
  // A refresh that fails is not lost: the check before the manifest finds a lock that others took over.
  const timer = lock && setInterval(() => void lock.refresh().catch(() => undefined), REFRESH_EVERY_MS);
  timer?.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Erases what this run wrote; what stays is told with the failure that made it. */
async function abandon(target: BackupTarget, failure: unknown): Promise<void> {
  const left = await abandonBackup(target);
  if (left === 0 || !isSpanvaultError(failure)) return;
  const display = openStorage(target.defaultStore).display;
  const stays = `${left} objects of the failed backup could not be erased below ${display}; no manifest names them`;
  throw new SpanvaultError(failure.code, failure.message, {
    cause: failure,
    retry: failure.retry,
    details: { ...failure.details, objectsLeft: left },
    hint: failure.hint === undefined ? stays : `${failure.hint}; ${stays}`,
  });
}

function assemble(
  run: Run,
  target: BackupTarget,
  files: readonly PlacedExport[],
  statistics: readonly TableStatistic[],
): Manifest {
  const { options, resolved, layer } = run;
  const { scope, window, history } = layer;
  const parts = partsOf(target);
  return assembleManifest(
    {
      ...window,
      scope,
      descriptorChanges: history?.changes ?? [],
      revisionStartTime: revisionStart(run),
      clusterId: options.source.clusterId,
      id: new Uint8Array(Buffer.from(randomUUID().replaceAll('-', ''), 'hex')),
      coordinator: options.source.coordinator,
      clusterVersion: resolved.clusterVersion,
      localities: parts.localityKvs,
      partitionNames: parts.partitionDescriptorFilenames,
      statisticsFilenames: new Map(statistics.map(({ tableId }) => [tableId, STATISTICS_FILE])),
    },
    files,
  );
}

/** Since when every version is in the layer (crdb-format.md 7.1); empty without revision history. */
function revisionStart({ options, layer, ranges }: Run): Timestamp {
  if (options.revisionHistory !== true) return EMPTY_TIMESTAMP;
  const { startTime, spans } = layer.window;
  const known = [startTime, newestThreshold(spans, ranges), layer.history?.knownSince ?? EMPTY_TIMESTAMP];
  return known.reduce((newest, time) => (compareTimestamps(time, newest) > 0 ? time : newest));
}

function report(
  run: Run,
  target: BackupTarget,
  manifest: Manifest,
  { files, waits, reads }: Exported,
): Omit<BackupResult, 'seconds' | 'usage'> {
  const { dataSize, rows, indexEntries } = manifest.entryCounts;
  const localities = new Map(run.nodes.map((node) => [node.nodeId, node.locality]));
  const buckets = ['', ...target.stores.keys()].map((localityKv) => ({
    localityKv,
    display: openStorage({ ...target.root, uri: run.uris.byLocality.get(localityKv) ?? run.uris.defaultUri }).display,
  }));
  const own = run.passes.at(-1)!;
  return {
    subdir: run.layer.chain?.subdir ?? target.directory,
    directory: target.directory,
    startTime: manifest.startTime,
    endTime: manifest.endTime,
    rows: Number(rows),
    indexEntries: Number(indexEntries),
    bytes: Number(dataSize),
    fileBytes: files.reduce((sum, file) => sum + file.fileBytes, 0),
    files: files.length,
    placement: placementReport(own.plan, files, buckets, (nodeId) => localities.get(nodeId) ?? []),
    waits,
    reads,
  };
}
