import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type BackupResult, backup } from '#src/backup/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { closePools } from '#src/executor/index.js';
import { type RestoreResult, restore } from '#src/restore/index.js';
import { bucketOf, emptyCluster, filledCluster, TARGETS, type TableSize } from './clusters.js';
import { type EncodeThreads, encodeThreads } from './encode_all_cores.js';
import { type Figure, figure, megabytesPerSecond } from './measure.js';
import { type Place, type PlaceName, placesFor } from './places.js';
import type { Sizes } from './sizes.js';

/** A whole backup or restore; speeds in MB of keys and values per second of wall time, all workers. */
export interface FlowRow {
  readonly flow: 'backup' | 'restore';
  readonly place: PlaceName;
  readonly table: TableSize;
  readonly bytes: number;
  readonly workers: number;
  /** In threads that wait for the next run of the process. */
  readonly speed: Figure;
  /** In threads that the run starts itself, as a process that does nothing else. */
  readonly firstRun: Figure;
  /** Backup: the same rows encoded by as many threads that do nothing else. */
  readonly encodeOnly: Figure | undefined;
  /** Median of backup speed by the encode-only speed measured next to it. */
  readonly fraction: Figure | undefined;
  /** Backup: the same rows scanned by as many threads that do nothing else. */
  readonly scanOnly: Figure | undefined;
  /** Backup: files of the same sizes put to the same storage by as many threads, which do nothing else. */
  readonly putOnly: Figure | undefined;
  /**
   * Backup: what its stages alone would allow. Scan and encode take the processors in turn; a RAM disk takes them too, a disk
   * works beside them.
   */
  readonly stagesOnly: Figure | undefined;
  /** MB of keys and values per processor second of the process: what the machine's other work cannot take away. */
  readonly perProcessorSecond: Figure;
  /** Mean seconds per round that workers together spent in each stage; the largest is the bottleneck. */
  readonly waits: Readonly<Record<string, number>>;
}

interface Round {
  readonly speed: number;
  readonly perProcessorSecond: number;
  readonly waits: Readonly<Record<string, number>>;
}

/** Seconds by stage, by the names that a report uses. */
function stages(waits: BackupResult['waits'] | RestoreResult['waits']): Record<string, number> {
  return Object.fromEntries(
    Object.entries(waits)
      .filter(([, seconds]) => typeof seconds === 'number')
      .map(([name, seconds]) => [
        name.replace(/Seconds$/, '').replace(/([A-Z])/g, (c) => ` ${c.toLowerCase()}`),
        seconds,
      ]),
  );
}

async function timed<R extends BackupResult | RestoreResult>(
  run: () => Promise<R>,
): Promise<Round & { readonly bytes: number; readonly result: R }> {
  const before = process.cpuUsage();
  const result = await run();
  const { bytes, seconds, waits } = result;
  const { user, system } = process.cpuUsage(before);
  return {
    result,
    bytes,
    speed: megabytesPerSecond(bytes, seconds),
    perProcessorSecond: megabytesPerSecond(bytes, (user + system) / 1e6),
    waits: stages(waits),
  };
}

function meanWaits(rounds: readonly Round[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { waits } of rounds)
    for (const [stage, seconds] of Object.entries(waits)) sums[stage] = (sums[stage] ?? 0) + seconds / rounds.length;
  return sums;
}

/** What the parts of a backup reach alone, round by round. */
type Ceilings = Readonly<Record<'encodeOnly' | 'scanOnly' | 'putOnly', number[]>>;

function stagesOnly({ encodeOnly, scanOnly, putOnly }: Ceilings, place: PlaceName): Figure {
  return figure(
    putOnly.map((put, round) => {
      const processors = 1 / encodeOnly[round]! + 1 / scanOnly[round]!;
      return 1 / (place === 'RAM disk' ? processors + 1 / put : Math.max(processors, 1 / put));
    }),
  );
}

interface Rounds {
  readonly first: (Round & { readonly bytes: number })[];
  readonly warm: (Round & { readonly bytes: number })[];
}

function rowOf(
  flow: FlowRow['flow'],
  place: PlaceName,
  table: TableSize,
  { first, warm }: Rounds,
  ceilings: Ceilings | undefined,
): FlowRow {
  return {
    flow,
    place,
    table,
    bytes: warm[0]!.bytes,
    workers: availableParallelism(),
    speed: figure(warm.map(({ speed }) => speed)),
    firstRun: figure(first.map(({ speed }) => speed)),
    encodeOnly: ceilings && figure(ceilings.encodeOnly),
    fraction: ceilings && figure(warm.map(({ speed }, i) => speed / ceilings.encodeOnly[i]!)),
    scanOnly: ceilings && figure(ceilings.scanOnly),
    putOnly: ceilings && figure(ceilings.putOnly),
    stagesOnly: ceilings && stagesOnly(ceilings, place),
    perProcessorSecond: figure(warm.map(({ perProcessorSecond }) => perProcessorSecond)),
    waits: meanWaits(warm),
  };
}

/** Puts files as large as those of a backup, durably, from the threads; MB of the backup's keys and values per second. */
async function putOnly(threads: EncodeThreads, result: BackupResult, directory: string): Promise<number> {
  const { storage: settings } = bucketOf(directory);
  const fileBytes = Math.ceil(result.fileBytes / Math.max(1, result.files));
  const seconds = await threads.put({ uri: 'nodelocal://1/put', settings }, result.files, fileBytes);
  rmSync(join(settings.externalIODir, '1', 'put'), { recursive: true, force: true });
  return megabytesPerSecond(result.bytes, seconds);
}

async function benchBackup(
  cluster: EmbeddedCluster,
  directory: string,
  place: PlaceName,
  table: TableSize,
  rounds: number,
): Promise<FlowRow> {
  const workers = availableParallelism();
  const { uris, storage } = bucketOf(directory);
  const once = (): ReturnType<typeof timed<BackupResult>> => {
    rmSync(join(storage.externalIODir, '1', 'bench'), { recursive: true, force: true });
    return timed(() => backup({ source: cluster.source(), into: uris, targets: TARGETS, storage, workers }));
  };
  const done: Rounds = { first: [], warm: [] };
  const ceilings: Ceilings = { encodeOnly: [], scanOnly: [], putOnly: [] };
  const threads = await encodeThreads(cluster, workers, table.rows * table.valueBytes);
  try {
    for (let round = 0; round < rounds; round++) {
      ceilings.encodeOnly.push(await threads.run('encode'));
      ceilings.scanOnly.push(await threads.run('scan'));
      await closePools();
      done.first.push(await once());
      const warm = await once();
      done.warm.push(warm);
      ceilings.putOnly.push(await putOnly(threads, warm.result, directory));
    }
  } finally {
    await threads.close();
  }
  return rowOf('backup', place, table, done, ceilings);
}

async function benchRestore(from: string, place: Place, table: TableSize, rounds: number): Promise<FlowRow> {
  const workers = availableParallelism();
  const { uris, storage } = bucketOf(from);
  const directory = join(place.directory, 'restored');
  const once = async (): Promise<Round & { readonly bytes: number }> => {
    const cluster = await emptyCluster(directory);
    try {
      const sink = cluster.sink();
      return await timed(() => restore({ sink, from: 'LATEST', in: uris, targets: TARGETS, storage, workers }));
    } finally {
      await cluster.close();
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const done: Rounds = { first: [], warm: [] };
  for (let round = 0; round < rounds; round++) {
    await closePools();
    done.first.push(await once());
    done.warm.push(await once());
  }
  return rowOf('restore', place.name, table, done, undefined);
}

/** Store, backup and second store together need about this many times the data. */
const PLACE_FACTOR = 3.5;

/** Backups and restores of every table size, through the library, over local directories on the disk and in memory. */
export async function benchFlows(sizes: Sizes, scratch: string, onRow: (row: FlowRow) => void): Promise<FlowRow[]> {
  const rows: FlowRow[] = [];
  const note = (row: FlowRow): void => {
    rows.push(row);
    onRow(row);
  };
  const largest = Math.max(...sizes.tables.map(({ rows: count, valueBytes }) => count * (valueBytes + 64)));
  for (const table of sizes.tables) {
    for (const place of placesFor(PLACE_FACTOR * largest, scratch)) {
      const directory = join(place.directory, 'source');
      const cluster = await filledCluster(directory, table);
      try {
        note(await benchBackup(cluster, directory, place.name, table, sizes.flowRounds));
      } finally {
        await cluster.close();
      }
      note(await benchRestore(directory, place, table, sizes.flowRounds));
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return rows;
}
