import { Catalog, renumberedPrimaries, type Table } from '../catalog/index.js';
import type { RangeSink, RestoreScope, RestoreStage, RestoreTicket, SinkReport } from '../cluster/contract.js';
import { chooseLayers, openBackup } from '../collection/index.js';
import { TaskPool } from '../executor/index.js';
import { SpanvaultError, throwIfAborted, toWire } from '../fault/index.js';
import { type Timestamp, toHex } from '../keys/index.js';
import type { ManifestHead } from '../manifest/index.js';
import { addUsage, inLanes, measureOperation, parseUri, resolveUri } from '../storage/index.js';
import { readCatalogAt } from './catalog_at.js';
import { withoutExcluded } from './excluded.js';
import type { IngestTaskArgs, IngestTaskResult } from './ingest_task.js';
import { offlineNotices, tenantNotices, uncountedNotices } from './left_behind.js';
import type { RestoreOptions, RestoreProgress, RestoreResult, RestoreWaits } from './options.js';
import { endsAreInclusive, type LoadedLayer, planStage, sortLayer, unitTask } from './units.js';

/**
 * Restores a backup into a sink. Parts, times, names, coverage and the sink's own rules are checked before anything is
 * written; a failure later is rolled back, so that no table and no key of it stays.
 * @throws SpanvaultError usage, coverage, corruption, storage, sourceSink, worker, aborted
 */
export function restore(options: RestoreOptions): Promise<RestoreResult> {
  return measureOperation(async (ledger) => ({ ...(await runRestore(options)), usage: ledger.usages() }));
}

async function runRestore(options: RestoreOptions): Promise<Omit<RestoreResult, 'usage'>> {
  const begin = performance.now();
  const { signal, sink } = options;
  refuseUserfile(options);
  options.onProgress?.({ phase: 'planning', bytes: 0, totalBytes: 0, entries: 0 });
  const opened = await openBackup({
    uris: options.in,
    subdir: options.from,
    settings: options.storage ?? {},
    // To the end of the chain every layer counts; to a time before it, those behind do not.
    withFiles: options.asOf === undefined,
    ...(options.incrementalLocation === undefined ? {} : { incrementalLocation: options.incrementalLocation }),
    ...(options.incrementals === undefined ? {} : { incrementals: options.incrementals }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { chain, time } = chooseLayers(opened.layers, options.asOf, opened.notices);
  const layers: readonly LoadedLayer[] = await inLanes(chain, async (layer) => ({
    opened: layer,
    files: await layer.loadFiles(signal),
  }));
  const newest = layers.at(-1)!.opened.head;
  if (options.targets.kind === 'cluster' && newest.descriptorCoverage !== 'cluster') {
    throw new SpanvaultError('SV_USAGE', 'full cluster RESTORE can only be used on full cluster BACKUP files');
  }
  throwIfAborted(signal);
  const catalog = await readCatalogAt(chain, time, options.asOf !== undefined, signal);
  const descriptors = catalog.atTime;
  const leftBehind = [
    ...tenantNotices(newest, descriptors.length),
    ...offlineNotices(descriptors, options.targets),
    ...uncountedNotices(layers[0]!.opened.head, layers[0]!.files),
  ];
  const ticket = await sink.begin(scopeOf(options, newest, descriptors, time));
  try {
    const tables = Catalog.decode(descriptors).tables();
    const end = { ...newest, descriptors: catalog.newest };
    const work = await ingestStages(options, layers, ticket, {
      stages: withoutExcluded(ticket.stages, tables, end, time),
      time,
      primaries: primariesOf(tables, ticket),
    });
    throwIfAborted(signal);
    options.onProgress?.({ phase: 'publishing', bytes: work.bytes, totalBytes: work.bytes, entries: work.entries });
    const report: SinkReport = await sink.publish(ticket);
    return {
      ...work,
      restoredTime: time,
      databases: ticket.databases,
      tables: ticket.tables,
      warnings: [...new Set([...opened.notices, ...leftBehind, ...ticket.warnings, ...report.warnings])],
      sink: report,
      seconds: (performance.now() - begin) / 1000,
    };
  } catch (error) {
    await undo(sink, ticket, error);
    throw error;
  }
}

/** Rolls back; where that fails too, what stays is told with the failure that made it. */
async function undo(sink: RangeSink, ticket: RestoreTicket, failure: unknown): Promise<void> {
  try {
    await sink.rollback(ticket);
  } catch (problem) {
    const { code, message, retry, details } = toWire(failure);
    throw new SpanvaultError(code, message, {
      cause: failure,
      retry,
      details: { ...details, ticket: ticket.id },
      hint: `rolling back failed too: ${problem instanceof Error ? problem.message : String(problem)}; what was written is not visible, and the sink still has to erase it`,
    });
  }
}

/**
 * In CockroachDB the tables behind userfile are objects of the cluster that a cluster restore would replace, so it is refused
 * (crdb-features.md 3.3); here the files would survive, and the rule is kept.
 */
function refuseUserfile({ targets, in: uris, incrementalLocation = [], storage = {} }: RestoreOptions): void {
  if (targets.kind !== 'cluster') return;
  const found = [...uris, ...incrementalLocation]
    .map((uri) => parseUri(resolveUri(uri, storage)))
    .find(({ scheme }) => scheme === 'userfile');
  if (found === undefined) return;
  const prefix = found.host.split('.').at(-1) || 'userfiles_root';
  throw new SpanvaultError(
    'SV_NOT_EMPTY',
    `full cluster restore can only be run on a cluster with no tables or databases but found 2 descriptors: [${prefix}_upload_files ${prefix}_upload_payload]`,
    { hint: 'from userfile:// databases and tables can be restored' },
  );
}

function scopeOf(
  options: RestoreOptions,
  { descriptorCoverage }: ManifestHead,
  descriptors: readonly Uint8Array[],
  endTime: Timestamp,
): RestoreScope {
  const {
    intoDb,
    newDbName,
    skipMissingForeignKeys,
    skipMissingSequences,
    skipMissingSequenceOwners,
    skipMissingViews,
    skipLocalitiesCheck,
    schemaOnly,
  } = options;
  return {
    coverage: descriptorCoverage,
    targets: options.targets,
    descriptors,
    endTime,
    options: {
      ...(intoDb === undefined ? {} : { intoDb }),
      ...(newDbName === undefined ? {} : { newDbName }),
      ...(skipMissingForeignKeys === undefined ? {} : { skipMissingForeignKeys }),
      ...(skipMissingSequences === undefined ? {} : { skipMissingSequences }),
      ...(skipMissingSequenceOwners === undefined ? {} : { skipMissingSequenceOwners }),
      ...(skipMissingViews === undefined ? {} : { skipMissingViews }),
      ...(skipLocalitiesCheck === undefined ? {} : { skipLocalitiesCheck }),
      ...(schemaOnly === undefined ? {} : { schemaOnly }),
    },
  };
}

type Work = Pick<RestoreResult, 'rows' | 'indexEntries' | 'bytes' | 'entries' | 'bytesRead' | 'units' | 'waits'>;

async function ingestStages(
  options: RestoreOptions,
  layers: readonly LoadedLayer[],
  ticket: RestoreTicket,
  reads: {
    readonly stages: readonly RestoreStage[];
    readonly time: Timestamp;
    readonly primaries: readonly Uint8Array[];
  },
): Promise<Work> {
  const { time, primaries } = reads;
  const inclusive = endsAreInclusive(layers);
  const sorted = layers.map((layer) => sortLayer(layer, inclusive));
  const skipData = options.schemaOnly === true && options.verifyData !== true;
  const stages = reads.stages.map((stage) => ({
    stage,
    units: skipData ? [] : planStage(stage, sorted, ticket, options),
  }));
  const totalBytes = stages.reduce(
    (sum, { units }) => sum + units.reduce((bytes, unit) => bytes + unit.dataBytes, 0),
    0,
  );
  const sums = { rows: 0, indexEntries: 0, bytes: 0, entries: 0, bytesRead: 0, units: 0 };
  const waits = { readSeconds: 0, mergeSeconds: 0, writeSeconds: 0 };
  let phase: RestoreProgress['phase'] = 'planning';
  // One pool for all stages: its threads have loaded their modules once.
  const pool = openPool(options, (tick) => options.onProgress?.({ phase, ...tick, totalBytes }));
  try {
    for (const { stage, units } of stages) {
      phase = `restoring ${stage.name}`;
      const tasks = units.map((unit) => unitTask(unit, sorted, ticket, time, options, primaries));
      await pool.run<IngestTaskArgs, IngestTaskResult>(tasks, (result) => {
        addUp(sums, waits, result);
        addUsage(result.usage);
      });
      if (options.schemaOnly !== true) await options.sink.stageDone(ticket, stage.name);
    }
  } finally {
    await pool.close();
  }
  return { ...sums, waits };
}

function addUp(
  sums: { -readonly [K in Exclude<keyof Work, 'waits'>]: number },
  waits: { -readonly [K in keyof RestoreWaits]: number },
  result: IngestTaskResult,
): void {
  sums.rows += result.facts.rows;
  sums.indexEntries += result.facts.indexEntries;
  sums.entries += result.facts.entriesEmitted;
  sums.bytes += result.facts.bytesEmitted;
  sums.bytesRead += result.bytesRead;
  sums.units += 1;
  for (const stage of Object.keys(waits) as (keyof RestoreWaits)[]) waits[stage] += result[stage];
}

function openPool(
  options: RestoreOptions,
  onTick: (sums: { readonly bytes: number; readonly entries: number }) => void,
): TaskPool {
  const inline = !('module' in options.sink.writer);
  return new TaskPool({
    ...(inline ? { workers: 0 } : options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onTick,
  });
}

/** Where the rows of primary indexes whose id is not 1 come to lie. */
function primariesOf(tables: readonly Table[], ticket: RestoreTicket): Uint8Array[] {
  const moved = new Map(ticket.rewrites.map(({ from, to }) => [toHex(from), to]));
  return renumberedPrimaries(tables).map((prefix) => moved.get(toHex(prefix)) ?? prefix);
}
