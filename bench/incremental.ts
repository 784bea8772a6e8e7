import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type BackupResult, backup } from '#src/backup/index.js';
import { tableSchema } from '#src/catalog/index.js';
import { packPairs } from '#src/cluster/embedded/packed_batch.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { RowEncoder } from '#src/rows/index.js';
import { bucketOf, filledCluster, TARGETS, type TableSize } from './clusters.js';
import { type Figure, figure } from './measure.js';
import type { Sizes } from './sizes.js';

/** A full backup and the incremental ones after changes of 1 % of its rows. */
export interface IncrementalRow {
  readonly table: TableSize;
  readonly bytes: number;
  readonly changedRows: number;
  readonly full: Cost;
  readonly incremental: Cost;
  /** The same through no index, as for a source that has none: every version is looked at. */
  readonly withoutIndex: Cost;
  /** Of the full's: time, and bytes of keys, values and index entries that the store looked at. */
  readonly timeFraction: number;
  readonly bytesFraction: number;
  /** Seconds of a garbage collection of what the rounds overwrote, and the longest time that the event loop waited for it. */
  readonly garbage: { readonly seconds: number; readonly versions: number; readonly longestStepMs: number };
}

interface Cost {
  readonly seconds: Figure;
  readonly bytesVisited: number;
  readonly fileBytes: number;
}

const CHANGED = 0.01;
/** Rows of one transaction. */
const COMMIT_ROWS = 500;

/** Gives 1 % of the rows, at random places, another value. */
function changeSome(cluster: EmbeddedCluster, { rows, valueBytes }: TableSize, round: number): number {
  const table = cluster.table('kv', 'kv');
  const encoder = new RowEncoder(tableSchema(cluster.catalog(), table));
  const count = Math.max(1, Math.floor(rows * CHANGED));
  // A step that has no divisor in common with the number of rows visits each row once.
  const step = coprimeStep(rows);
  for (let from = 0; from < count; from += COMMIT_ROWS) {
    const pairs = Array.from({ length: Math.min(COMMIT_ROWS, count - from) }, (_, index) => {
      const k = ((round * count + from + index) * step) % rows;
      return [...encoder.encode([BigInt(k), Buffer.alloc(valueBytes, round + 1)])];
    }).flat();
    cluster.core.write(packPairs(pairs, cluster.now()));
  }
  return count;
}

function coprimeStep(rows: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = 7919;
  while (divisor(rows, step) !== 1) step++;
  return step;
}

function cost(results: readonly BackupResult[]): Cost {
  const { reads, fileBytes } = results.at(-1)!;
  return { seconds: figure(results.map(({ seconds }) => seconds)), bytesVisited: reads.bytesVisited ?? 0, fileBytes };
}

async function collectAll(cluster: EmbeddedCluster): Promise<IncrementalRow['garbage']> {
  const setting = { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 1 }] } as const;
  await cluster.configureZone({ kind: 'database', name: 'kv' }, setting);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  let longestStepMs = 0;
  let last = performance.now();
  const watch = setInterval(() => {
    longestStepMs = Math.max(longestStepMs, performance.now() - last);
    last = performance.now();
  });
  const begin = performance.now();
  const { versions } = await cluster.collectGarbage();
  clearInterval(watch);
  return { seconds: (performance.now() - begin) / 1000, versions, longestStepMs };
}

async function benchTable(directory: string, table: TableSize, rounds: number): Promise<IncrementalRow> {
  const cluster = await filledCluster(directory, table);
  try {
    const { uris, storage } = bucketOf(directory);
    const take = (appendTo?: string): Promise<BackupResult> =>
      backup({
        source: cluster.source(),
        into: uris,
        targets: TARGETS,
        storage,
        workers: availableParallelism(),
        ...(appendTo === undefined ? {} : { appendTo }),
      });
    const fulls: BackupResult[] = [];
    for (let round = 0; round < rounds; round++) {
      rmSync(join(storage.externalIODir, '1', 'bench'), { recursive: true, force: true });
      fulls.push(await take());
    }
    const incrementals: BackupResult[] = [];
    let changedRows = 0;
    for (let round = 0; round < rounds; round++) {
      changedRows = changeSome(cluster, table, round);
      incrementals.push(await take('LATEST'));
    }
    const scanned: BackupResult[] = [];
    for (let round = 0; round < rounds; round++) {
      changeSome(cluster, table, rounds + round);
      while (cluster.core.store.forgetChanges(cluster.now(), 100_000));
      scanned.push(await take('LATEST'));
    }
    const [full, incremental, withoutIndex] = [cost(fulls), cost(incrementals), cost(scanned)];
    return {
      table,
      bytes: fulls[0]!.bytes,
      changedRows,
      full,
      incremental,
      withoutIndex,
      timeFraction: incremental.seconds.median / full.seconds.median,
      bytesFraction: incremental.bytesVisited / full.bytesVisited,
      garbage: await collectAll(cluster),
    };
  } finally {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Chains of a full backup and incremental ones. */
export async function benchIncremental(
  sizes: Sizes,
  scratch: string,
  onRow: (row: IncrementalRow) => void,
): Promise<IncrementalRow[]> {
  const rows: IncrementalRow[] = [];
  for (const table of sizes.incrementalTables) {
    const row = await benchTable(join(scratch, 'incremental'), table, Math.min(3, sizes.flowRounds));
    rows.push(row);
    onRow(row);
  }
  return rows;
}
