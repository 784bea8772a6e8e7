import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { BackupScope, NodeInfo, RangeInfo } from '../cluster/contract.js';
import {
  abandonBackup,
  type BackupTarget,
  claimBackup,
  type LocalityUris,
  parseBackupUris,
  partsOf,
  publishBackup,
  sstPath,
  targetStore,
} from '../collection/index.js';
import { TaskPool } from '../executor/index.js';
import { isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import {
  compareTimestamps,
  EMPTY_TIMESTAMP,
  printTimestamp,
  TickSequence,
  type Timestamp,
  uniqueInt,
} from '../keys/index.js';
import { type Manifest, STATISTICS_FILE, type TableStatistic } from '../manifest/index.js';
import { openStorage, type StorageConfig } from '../storage/index.js';
import { assembleManifest, type PlacedExport } from './assemble.js';
import type { ExportTaskArgs, ExportTaskResult, ExportWaits } from './export_task.js';
import { type BackupOptions, type ResolvedBackupOptions, resolveBackupOptions } from './options.js';
import { type PlacementReport, placementReport } from './placement.js';
import { type BackupPlan, type ExportTaskPlan, planBackup } from './plan.js';
import { tableStatistics } from './statistics.js';

export interface BackupResult {
  /** `/2023/02/23-150925.62`, the same in every bucket. */
  readonly subdir: string;
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
  readonly seconds: number;
}

/** Most files one task may make; the plan reserves as many names. A task gathers about one target size, so this is ample. */
const FILES_PER_TASK_MIN = 64;

/** A small backup is cut into at least so many tasks per worker, so that no worker waits long for the last one. */
const TASKS_PER_WORKER = 4;
/** Tasks are not made smaller than this for it: every task makes a file. */
const TASK_BYTES_MIN = 32 * 1024 * 1024;

const ticks = new TickSequence();

/**
 * Takes a full backup. Everything that can be refused is refused before anything is written; a failure leaves no manifest
 * and erases what was written. The order of durability is: files, partition descriptors, manifest, LATEST.
 * @throws SpanvaultError usage, storage, sourceSink, coverage, worker, aborted
 */
export async function backup(options: BackupOptions): Promise<BackupResult> {
  const begin = performance.now();
  const resolved = resolveBackupOptions(options);
  const uris = parseBackupUris(options.into);
  const { source } = options;
  const endTime = endOf(options, source.now());
  const release = await source.protect?.(endTime);
  try {
    options.onProgress?.({ phase: 'planning', bytes: 0, totalBytes: 0, entries: 0 });
    const scope = await source.resolve(options.targets, endTime);
    const nodes = await source.nodes();
    const ranges = await source.ranges(scope.spans);
    const plan = planRun(scope, nodes, ranges, uris, resolved, options.workers ?? availableParallelism());
    throwIfAborted(options.signal);
    const run: Run = { options, resolved, scope, plan, nodes, uris, endTime };
    return { ...(await claimAndExport(run)), seconds: (performance.now() - begin) / 1000 };
  } finally {
    await release?.();
  }
}

interface Run {
  readonly options: BackupOptions;
  readonly resolved: ResolvedBackupOptions;
  readonly scope: BackupScope;
  readonly plan: BackupPlan;
  readonly nodes: readonly NodeInfo[];
  readonly uris: LocalityUris;
  readonly endTime: Timestamp;
}

function endOf(options: BackupOptions, now: Timestamp): Timestamp {
  const { asOf } = options;
  if (asOf === undefined) return now;
  if (compareTimestamps(asOf, now) > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      `AS OF SYSTEM TIME: cannot specify timestamp in the future (${printTimestamp(asOf)} > ${printTimestamp(now)})`,
    );
  }
  return asOf;
}

function planRun(
  scope: BackupScope,
  nodes: readonly NodeInfo[],
  ranges: readonly RangeInfo[],
  uris: LocalityUris,
  resolved: ResolvedBackupOptions,
  workers: number,
): BackupPlan {
  const localities = [...uris.byLocality.keys()];
  const bytes = ranges.reduce((sum, range) => sum + range.approximateBytes, 0);
  const share = Math.max(TASK_BYTES_MIN, Math.ceil(bytes / (TASKS_PER_WORKER * Math.max(1, workers))));
  return planBackup({ spans: scope.spans, ranges, nodes, localities, taskBytes: Math.min(resolved.taskBytes, share) });
}

async function claimAndExport(run: Run): Promise<Omit<BackupResult, 'seconds'>> {
  const { options, endTime } = run;
  const jobId = options.jobId ?? uniqueInt(ticks.reserve(options.source.now().wall), options.source.coordinator);
  const target = await claimBackup({ uris: run.uris, settings: options.storage ?? {}, endTime, jobId: String(jobId) });
  try {
    const { files, waits } = await exportAll(run, target);
    options.onProgress?.({ ...totals(files), phase: 'publishing', totalBytes: run.plan.approximateBytes });
    const statistics = tableStatistics(run.scope.descriptors, files, endTime);
    const manifest = await publishBackup(target, assemble(run, target, files, statistics), {
      statistics,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return report(run, target, manifest, files, waits);
  } catch (error) {
    await abandon(target, error);
    throw error;
  }
}

/** Erases what this run wrote; what stays is told with the failure that made it. */
async function abandon(target: BackupTarget, failure: unknown): Promise<void> {
  const left = await abandonBackup(target);
  if (left === 0 || !isSpanvaultError(failure)) return;
  const display = openStorage(target.defaultStore).display;
  throw new SpanvaultError(failure.code, failure.message, {
    cause: failure,
    retry: failure.retry,
    details: { ...failure.details, objectsLeft: left },
    hint: `${left} objects of the failed backup could not be erased below ${display}; no manifest names them`,
  });
}

async function exportAll(
  run: Run,
  target: BackupTarget,
): Promise<{ readonly files: readonly PlacedExport[]; readonly waits: ExportWaits }> {
  const { options, plan } = run;
  const inline = !('module' in options.source.scanner);
  const { onProgress } = options;
  const pool = new TaskPool({
    tasksPerWorker: 2,
    ...(inline ? { workers: 0 } : options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(onProgress === undefined
      ? {}
      : { onTick: (sums) => onProgress({ phase: 'exporting', ...sums, totalBytes: plan.approximateBytes }) }),
  });
  const files: PlacedExport[] = [];
  const waits = { scanSeconds: 0, encodeSeconds: 0, uploadWaitSeconds: 0 };
  try {
    const tasks = plan.tasks.map((task) => ({
      module: new URL('./export_task.js', import.meta.url).href,
      export: 'exportTask',
      args: taskArgs(run, task, targetStore(target, task.localityKv)),
    }));
    await pool.run<ExportTaskArgs, ExportTaskResult>(tasks, (result, index) => {
      const { localityKv, nodeId } = plan.tasks[index]!;
      files.push(...result.files.map((file) => ({ ...file, localityKv, nodeId })));
      for (const stage of Object.keys(waits) as (keyof ExportWaits)[]) waits[stage] += result.waits[stage];
    });
  } finally {
    await pool.close();
  }
  return { files, waits };
}

function taskArgs(run: Run, task: ExportTaskPlan, storage: StorageConfig): ExportTaskArgs {
  const { options, resolved, endTime } = run;
  const expected = Math.ceil(task.approximateBytes / resolved.sst.targetFileBytes);
  const names = task.pieces.length + Math.max(FILES_PER_TASK_MIN, 4 * expected);
  const first = ticks.reserve(options.source.now().wall, names);
  return {
    scanner: options.source.scanner,
    storage,
    fileNames: Array.from({ length: names }, (_, index) => sstPath(uniqueInt(first + BigInt(index), task.nodeId))),
    spans: task.pieces.map((piece) => piece.span),
    startTime: EMPTY_TIMESTAMP,
    endTime,
    allRevisions: false,
    sst: resolved.sst,
    batchBytes: resolved.batchBytes,
    partBytes: resolved.partBytes,
  };
}

function assemble(
  run: Run,
  target: BackupTarget,
  files: readonly PlacedExport[],
  statistics: readonly TableStatistic[],
): Manifest {
  const { options, resolved, scope, endTime } = run;
  const parts = partsOf(target);
  return assembleManifest(
    {
      scope,
      startTime: EMPTY_TIMESTAMP,
      endTime,
      allRevisions: false,
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

function totals(files: readonly PlacedExport[]): { readonly bytes: number; readonly entries: number } {
  return {
    bytes: files.reduce((sum, file) => sum + file.dataBytes, 0),
    entries: files.reduce((sum, file) => sum + file.rows + file.indexEntries, 0),
  };
}

function report(
  run: Run,
  target: BackupTarget,
  manifest: Manifest,
  files: readonly PlacedExport[],
  waits: ExportWaits,
): Omit<BackupResult, 'seconds'> {
  const { dataSize, rows, indexEntries } = manifest.entryCounts;
  const localities = new Map(run.nodes.map((node) => [node.nodeId, node.locality]));
  const buckets = ['', ...target.stores.keys()].map((localityKv) => ({
    localityKv,
    display: openStorage({ ...target.root, uri: run.uris.byLocality.get(localityKv) ?? run.uris.defaultUri }).display,
  }));
  return {
    subdir: target.subdir,
    endTime: run.endTime,
    rows: Number(rows),
    indexEntries: Number(indexEntries),
    bytes: Number(dataSize),
    fileBytes: files.reduce((sum, file) => sum + file.fileBytes, 0),
    files: files.length,
    placement: placementReport(run.plan, files, buckets, (nodeId) => localities.get(nodeId) ?? []),
    waits,
  };
}
