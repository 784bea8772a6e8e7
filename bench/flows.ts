import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type BackupResult, backup } from '#src/backup/index.js';
import { indexSpans } from '#src/catalog/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { type RestoreResult, restore } from '#src/restore/index.js';
import { openStorage } from '#src/storage/index.js';
import { bucketOf, emptyCluster, filledCluster, TARGETS, type TableSize } from './clusters.js';
import { EncodeThreads } from './encode_all_cores.js';
import { PART_BYTES } from './encode_batches.js';
import { type Figure, figure, megabytesPerSecond } from './measure.js';
import type { Sizes } from './sizes.js';

/** A whole backup or restore; speeds in MB of keys and values per second of wall time, all workers. */
export interface FlowRow {
  readonly flow: 'backup' | 'restore';
  readonly table: TableSize;
  readonly bytes: number;
  readonly workers: number;
  readonly speed: Figure;
  /** Backup: the same rows encoded by as many threads that do nothing else. */
  readonly encodeOnly: Figure | undefined;
  /** Median of backup speed by the encode-only speed measured next to it. */
  readonly fraction: Figure | undefined;
  /** Backup: files of the same sizes put to the same storage, as many at a time as there are workers. */
  readonly putOnly: Figure | undefined;
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

function rowOf(
  flow: FlowRow['flow'],
  table: TableSize,
  workers: number,
  rounds: readonly (Round & { readonly bytes: number })[],
  ceilings: { readonly encodeOnly: readonly number[]; readonly putOnly: readonly number[] } | undefined,
): FlowRow {
  return {
    flow,
    table,
    bytes: rounds[0]!.bytes,
    workers,
    speed: figure(rounds.map(({ speed }) => speed)),
    encodeOnly: ceilings && figure(ceilings.encodeOnly),
    fraction: ceilings && figure(rounds.map(({ speed }, i) => speed / ceilings.encodeOnly[i]!)),
    putOnly: ceilings && figure(ceilings.putOnly),
    perProcessorSecond: figure(rounds.map(({ perProcessorSecond }) => perProcessorSecond)),
    waits: meanWaits(rounds),
  };
}

/** Encode-only threads over the rows of the table that the backup exports, with the backup's own settings. */
async function encodeThreads(cluster: EmbeddedCluster, workers: number, bytes: number): Promise<EncodeThreads> {
  const [span] = indexSpans([cluster.table('kv', 'kv')]);
  const { directory, mapBytes } = cluster.core.store;
  return EncodeThreads.start(workers, {
    store: { directory, mapBytes },
    span: span!,
    sst: {
      compression: 'snappy',
      level: 1,
      blockBytes: 32 * 1024,
      restartInterval: 16,
      targetFileBytes: Number.MAX_SAFE_INTEGER,
      rowBoundary: 'sql',
      clearValueChecksums: false,
    },
    heldBytes: Math.min(32e6, bytes / workers),
    totalBytes: bytes / workers,
  });
}

/** Puts files as large as those of a backup, durably, by `workers` writers; MB of the backup's keys and values per second. */
async function putOnly(result: BackupResult, directory: string, workers: number): Promise<number> {
  const { storage: settings } = bucketOf(directory);
  const storage = openStorage({ uri: 'nodelocal://1/put', settings });
  const part = randomBytes(PART_BYTES);
  const fileBytes = Math.ceil(result.fileBytes / Math.max(1, result.files));
  let next = 0;
  const begin = performance.now();
  const lane = async (): Promise<void> => {
    while (next < result.files) {
      const object = await storage.create(`${next++}.sst`);
      for (let left = fileBytes; left > 0; left -= PART_BYTES) await object.write(part.subarray(0, left));
      await object.finish(fileBytes);
    }
  };
  await Promise.all(Array.from({ length: workers }, lane));
  const seconds = (performance.now() - begin) / 1000;
  await storage.close();
  rmSync(join(settings.externalIODir, '1', 'put'), { recursive: true, force: true });
  return megabytesPerSecond(result.bytes, seconds);
}

async function benchBackup(
  cluster: EmbeddedCluster,
  directory: string,
  table: TableSize,
  rounds: number,
): Promise<FlowRow> {
  const workers = availableParallelism();
  const { uris, storage } = bucketOf(directory);
  const done: (Round & { readonly bytes: number })[] = [];
  const ceilings = { encodeOnly: [] as number[], putOnly: [] as number[] };
  const threads = await encodeThreads(cluster, workers, table.rows * table.valueBytes);
  try {
    for (let round = 0; round < rounds; round++) {
      ceilings.encodeOnly.push(await threads.run());
      rmSync(join(storage.externalIODir, '1', 'bench'), { recursive: true, force: true });
      const round = await timed(() =>
        backup({ source: cluster.source(), into: uris, targets: TARGETS, storage, workers }),
      );
      done.push(round);
      ceilings.putOnly.push(await putOnly(round.result, directory, workers));
    }
  } finally {
    await threads.close();
  }
  return rowOf('backup', table, workers, done, ceilings);
}

async function benchRestore(from: string, directory: string, table: TableSize, rounds: number): Promise<FlowRow> {
  const workers = availableParallelism();
  const { uris, storage } = bucketOf(from);
  const done: (Round & { readonly bytes: number })[] = [];
  for (let round = 0; round < rounds; round++) {
    const cluster = await emptyCluster(directory);
    try {
      const sink = cluster.sink();
      done.push(await timed(() => restore({ sink, from: 'LATEST', in: uris, targets: TARGETS, storage, workers })));
    } finally {
      await cluster.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return rowOf('restore', table, workers, done, undefined);
}

/** Backups and restores of every table size, through the library, over local directories. */
export async function benchFlows(sizes: Sizes, scratch: string, onRow: (row: FlowRow) => void): Promise<FlowRow[]> {
  const rows: FlowRow[] = [];
  const note = (row: FlowRow): void => {
    rows.push(row);
    onRow(row);
  };
  for (const table of sizes.tables) {
    const directory = join(scratch, 'source');
    const cluster = await filledCluster(directory, table);
    try {
      note(await benchBackup(cluster, directory, table, sizes.flowRounds));
    } finally {
      await cluster.close();
    }
    note(await benchRestore(directory, join(scratch, 'restored'), table, sizes.flowRounds));
    rmSync(directory, { recursive: true, force: true });
  }
  return rows;
}
