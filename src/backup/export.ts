import { type BackupTarget, sstPath, targetStore } from '../collection/index.js';
import { TaskPool } from '../executor/index.js';
import { TickSequence, uniqueInt } from '../keys/index.js';
import { addUsage, type StorageConfig } from '../storage/index.js';
import type { PlacedExport } from './assemble.js';
import {
  addReads,
  type ExportReads,
  type ExportTaskArgs,
  type ExportTaskResult,
  type ExportWaits,
  NO_READS,
} from './export_work.js';
import type { BackupOptions, ResolvedBackupOptions } from './options.js';
import type { ExportPass } from './passes.js';
import type { ExportTaskPlan } from './plan.js';

/** Most files one task may make; the plan reserves as many names. A task gathers about one target size, so this is ample. */
const FILES_PER_TASK_MIN = 64;

/** Numbers of data files and jobs: unique in this process, and in time like CockroachDB's. */
export const ticks = new TickSequence();

/** What is exported, and how. */
export interface ExportRequest {
  readonly options: BackupOptions;
  readonly resolved: ResolvedBackupOptions;
  readonly passes: readonly ExportPass[];
  readonly target: BackupTarget;
  /** Prefixes of primary indexes whose id is not 1. */
  readonly primaries: readonly Uint8Array[];
}

/** Everything that the tasks of a run have made. */
export interface Exported {
  readonly files: readonly PlacedExport[];
  readonly waits: ExportWaits;
  readonly reads: ExportReads;
}

/** Runs the tasks of all passes in worker threads, or on this one for a source that scans here. */
export async function exportPasses(request: ExportRequest): Promise<Exported> {
  const { options, passes, target } = request;
  const totalBytes = passes.reduce((sum, { plan }) => sum + plan.approximateBytes, 0);
  const inline = !('module' in options.source.scanner);
  const { onProgress } = options;
  const pool = new TaskPool({
    tasksPerWorker: 2,
    ...(inline ? { workers: 0 } : options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(onProgress === undefined ? {} : { onTick: (sums) => onProgress({ phase: 'exporting', ...sums, totalBytes }) }),
  });
  const files: PlacedExport[] = [];
  const waits = { scanSeconds: 0, encodeSeconds: 0, uploadWaitSeconds: 0 };
  let reads = NO_READS;
  try {
    const planned = passes.flatMap((pass) => pass.plan.tasks.map((task) => ({ pass, task })));
    const tasks = planned.map(({ pass, task }) => ({
      module: new URL('./export_task.js', import.meta.url).href,
      export: 'exportTask',
      args: taskArgs(request, pass, task, targetStore(target, task.localityKv)),
    }));
    await pool.run<ExportTaskArgs, ExportTaskResult>(tasks, (result, index) => {
      const { pass, task } = planned[index]!;
      const { startTime, endTime } = pass;
      const { localityKv, nodeId } = task;
      files.push(...result.files.map((file) => ({ ...file, localityKv, nodeId, startTime, endTime })));
      for (const stage of Object.keys(waits) as (keyof ExportWaits)[]) waits[stage] += result.waits[stage];
      reads = addReads(reads, result.reads);
      addUsage(result.usage);
    });
  } finally {
    await pool.close();
  }
  return { files, waits, reads };
}

function taskArgs(
  { options, resolved, primaries }: ExportRequest,
  pass: ExportPass,
  task: ExportTaskPlan,
  storage: StorageConfig,
): ExportTaskArgs {
  const expected = Math.ceil(task.approximateBytes / resolved.sst.targetFileBytes);
  const names = task.pieces.length + Math.max(FILES_PER_TASK_MIN, 4 * expected);
  const first = ticks.reserve(options.source.now().wall, names);
  return {
    scanner: options.source.scanner,
    storage,
    fileNames: Array.from({ length: names }, (_, index) => sstPath(uniqueInt(first + BigInt(index), task.nodeId))),
    spans: task.pieces.map((piece) => piece.span),
    startTime: pass.startTime,
    endTime: pass.endTime,
    allRevisions: options.revisionHistory === true,
    sst: { ...resolved.sst, primaries },
    batchBytes: resolved.batchBytes,
    partBytes: resolved.partBytes,
    partsInFlight: resolved.partsInFlight,
  };
}

/** Sums of what was exported, as progress tells them. */
export function exportTotals(files: readonly PlacedExport[]): { readonly bytes: number; readonly entries: number } {
  return {
    bytes: files.reduce((sum, file) => sum + file.dataBytes, 0),
    entries: files.reduce((sum, file) => sum + file.rows + file.indexEntries, 0),
  };
}
