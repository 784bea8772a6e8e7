import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import type { EmbeddedCluster, WorkerHalf } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { sinkLike, sourceLike } from './delegates.js';
import {
  BARE,
  BUCKETS,
  closeAll,
  filesBelow,
  fingerprintLines,
  keyspaceOf,
  REGIONS,
  spreadCluster,
  storageOf,
  tablesOf,
} from './test_cluster.js';

/*
 * Crash tables: a worker thread dying at every task, once and for good. At most two retries later the run has succeeded, or it
 * ends with SV_WORKER_DIED and leaves nothing behind.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const EVERY = Array.from({ length: 10_000 }, (_, index) => index + 1);

let cluster: EmbeddedCluster;
let wanted: string[];
beforeAll(async () => {
  // Few cuts make few tasks and files: every use of the source is a row of the table.
  cluster = await spreadCluster(REGIONS, 20, 60);
  await backup({ source: cluster.source(), into: BUCKETS, targets: KV, storage: storageOf(cluster) });
  wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
});
afterAll(closeAll);

interface Dying {
  readonly half: WorkerHalf;
  /** Uses of the source or sink so far. */
  uses(): number;
}

function dying(half: unknown, deaths: readonly number[]): Dying {
  const { module, data } = half as WorkerHalf;
  const counter = new Int32Array(new SharedArrayBuffer(4));
  return {
    half: {
      module: new URL('./dying_half.mjs', import.meta.url).href,
      data: { module, data, counter, deaths },
    },
    uses: () => Atomics.load(counter, 0),
  };
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

async function backupThatDies(deaths: readonly number[]): Promise<{ readonly code: unknown; readonly uses: number }> {
  const source = cluster.source();
  const { half, uses } = dying(source.scanner, deaths);
  const code = await backup({
    source: sourceLike(source, { scanner: half }),
    into: BUCKETS,
    targets: KV,
    storage: storageOf(cluster),
    workers: 2,
  }).then(() => 'ok', codeOf);
  return { code, uses: uses() };
}

async function restoreThatDies(deaths: readonly number[]): Promise<{ readonly code: unknown; readonly uses: number }> {
  const sink = cluster.sink();
  const { half, uses } = dying(sink.writer, deaths);
  const code = await restore({
    sink: sinkLike(sink, { writer: half }),
    from: 'LATEST',
    in: BARE,
    targets: KV,
    newDbName: 'copy',
    storage: storageOf(cluster),
    workers: 2,
    unitBytes: 500,
  }).then(() => 'ok', codeOf);
  return { code, uses: uses() };
}

async function newestIsGood(): Promise<void> {
  const sink = cluster.sink();
  const storage = storageOf(cluster);
  await restore({ sink, from: 'LATEST', in: BARE, targets: KV, newDbName: 'copy', storage, workers: 0 });
  await copyIsGood();
}

async function copyIsGood(): Promise<void> {
  expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
  await cluster.dropDatabase('copy', 'cascade');
}

describe('crash table: a worker dying at every task', () => {
  it('of a backup, once: the task is run again and nothing is lost or doubled', async () => {
    const { code, uses } = await backupThatDies([]);
    expect(code).toBe('ok');
    expect(uses).toBeGreaterThan(5);
    for (let n = 1; n <= uses; n += Math.max(1, Math.floor(uses / 8))) {
      expect((await backupThatDies([n])).code, `death at use ${n}`).toBe('ok');
      await newestIsGood();
    }
  });

  it('of a backup, each time: SV_WORKER_DIED, and every file as before', async () => {
    const before = filesBelow(cluster.externalIODir);
    expect((await backupThatDies(EVERY)).code).toBe('SV_WORKER_DIED');
    expect((await backupThatDies(EVERY.slice(3))).code).toBe('SV_WORKER_DIED');
    expect(filesBelow(cluster.externalIODir)).toEqual(before);
    await newestIsGood();
  });

  it('of a restore, once: the unit is run again and the rows are right', async () => {
    const { code, uses } = await restoreThatDies([]);
    expect(code).toBe('ok');
    await copyIsGood();
    expect(uses).toBeGreaterThan(5);
    for (let n = 1; n <= uses; n += Math.max(1, Math.floor(uses / 8))) {
      expect((await restoreThatDies([n])).code, `death at use ${n}`).toBe('ok');
      await copyIsGood();
    }
  });

  it('of a restore, each time: SV_WORKER_DIED, no table and no key', async () => {
    for (const deaths of [EVERY, EVERY.slice(4)]) {
      const before = keyspaceOf(cluster);
      expect((await restoreThatDies(deaths)).code).toBe('SV_WORKER_DIED');
      expect(keyspaceOf(cluster)).toEqual(before);
      expect(cluster.catalog().database('copy')).toBeUndefined();
    }
    await newestIsGood();
  });
});
