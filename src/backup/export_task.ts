import type { RangeScanner, WorkerHalf } from '../cluster/contract.js';
import type { TaskContext } from '../executor/index.js';
import { SpanvaultError } from '../fault/index.js';
import { measureStorage, openStorage } from '../storage/index.js';
import type { ExportTaskArgs, ExportTaskResult } from './export_work.js';
import { Exporter } from './exporter.js';

/** Scans, encodes and uploads the spans of one task: memory is one batch, one part and those in flight, and the writer's block. */
export function exportTask(args: ExportTaskArgs, context: TaskContext): Promise<ExportTaskResult> {
  return measureStorage(async (ledger) => ({ ...(await exportSpans(args, context)), usage: ledger.usages() }));
}

async function exportSpans(args: ExportTaskArgs, context: TaskContext): Promise<Omit<ExportTaskResult, 'usage'>> {
  const storage = openStorage(args.storage);
  const scanner = await openScanner(args.scanner);
  const exporter = new Exporter(args, storage, context);
  try {
    for (const span of args.spans) await exporter.exportSpan(scanner, span);
    await exporter.finishFile(undefined);
    return exporter.result();
  } catch (error) {
    await exporter.abort();
    throw error;
  } finally {
    exporter.giveBack();
    if ('module' in args.scanner) await scanner.close();
    await storage.close();
  }
}

async function openScanner(half: WorkerHalf | RangeScanner): Promise<RangeScanner> {
  if (!('module' in half)) return half;
  const loaded = (await import(half.module)) as {
    openScanner?: (data: unknown) => RangeScanner | Promise<RangeScanner>;
  };
  if (loaded.openScanner === undefined) {
    throw new SpanvaultError('SV_SOURCE', `module ${half.module} of the range source has no export openScanner`);
  }
  return loaded.openScanner(half.data);
}
