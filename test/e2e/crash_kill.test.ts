import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, openCluster } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { listBackups, showBackup } from '#src/verify/index.js';
import {
  bucketDirectory,
  closeAll,
  filesBelow,
  fingerprintLines,
  fingerprintsOf,
  keyspaceOf,
  REGIONS,
  spreadCluster,
  storageOf,
  tablesOf,
} from './test_cluster.js';

/*
 * Crash tables: kill -9 in the middle of a backup and of a restore. The cluster opens again with what it had, the collection is
 * readable, and the next run works.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const INTO = ['nodelocal://1/b?COCKROACH_LOCALITY=default', 'nodelocal://2/b?COCKROACH_LOCALITY=region%3Dus-west1'];
const FROM = ['nodelocal://1/b', 'nodelocal://2/b'];

let directory: string;
let wanted: string[];
let storage: ReturnType<typeof storageOf>;

beforeAll(async () => {
  const cluster = await spreadCluster(REGIONS, 12, 60);
  directory = cluster.directory;
  storage = storageOf(cluster);
  await backup({ source: cluster.source(), into: INTO, targets: KV, storage, workers: 0 });
  wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
  await cluster.close();
});
afterAll(closeAll);

/** Opens the cluster as the next process does. */
async function reopened<T>(work: (cluster: EmbeddedCluster) => Promise<T>): Promise<T> {
  const cluster = await openCluster(directory);
  try {
    return await work(cluster);
  } finally {
    await cluster.close();
  }
}

/** Runs a child that kills itself; true when it did, false when it ended before the moment came. */
function killed(
  operation: 'backup' | 'restore',
  at: number | string,
): { readonly killed: boolean; readonly calls: number } {
  const child = spawnSync(
    process.execPath,
    [new URL('./killed_child.mjs', import.meta.url).pathname, JSON.stringify({ directory, operation, at })],
    { encoding: 'utf8' },
  );
  if (child.signal === 'SIGKILL') return { killed: true, calls: 0 };
  expect(child.status, child.stderr).toBe(0);
  return { killed: false, calls: (JSON.parse(child.stdout) as { calls: number }).calls };
}

async function dropCopy(cluster: EmbeddedCluster): Promise<void> {
  expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
  await cluster.dropDatabase('copy', 'cascade');
}

/** What LATEST and every listed subdirectory name is whole. */
async function collectionIsReadable(): Promise<void> {
  const shown = await showBackup({ from: 'LATEST', in: FROM, storage, checkFiles: true });
  expect(shown.layers.length).toBe(1);
  for (const from of await listBackups(FROM, storage)) await showBackup({ from, in: FROM, storage, checkFiles: true });
}

describe('crash table: kill -9', () => {
  it('in the middle of a backup: every file that is there is whole, LATEST names a whole backup, the next one works', async () => {
    const { calls } = killed('backup', 0);
    expect(calls).toBeGreaterThan(20);
    const state = await reopened(async (cluster) => keyspaceOf(cluster));
    // The last six calls publish: each is tried; before them, a few.
    const last = Array.from({ length: 6 }, (_, index) => calls - 5 + index);
    for (const at of [2, 4, 7, Math.floor(calls / 2), ...last]) {
      expect(killed('backup', at).killed, `call ${at} of ${calls}`).toBe(true);
      await reopened(async (cluster) => {
        expect(keyspaceOf(cluster)).toEqual(state);
        await collectionIsReadable();
        // No torn write is visible under the name of an object.
        const names = [1, 2].flatMap((node) => filesBelow(bucketDirectory(cluster, node, 'b')));
        expect(names.filter((name) => /\/data\/(?!\d+\.sst$)/.test(name)).every((name) => /(^|\/)\./.test(name))).toBe(
          true,
        );
      });
    }
    await reopened(async (cluster) => {
      await backup({ source: cluster.source(), into: INTO, targets: KV, storage, workers: 0 });
      await collectionIsReadable();
    });
  });

  it.each(['begun', 'written', 'flushed', 'staged', 'published', 1, 5, 10])(
    'in the middle of a restore, at %s: the cluster opens with what it had, and the next restore works',
    async (at) => {
      const before = await reopened(async (cluster) => ({
        keyspace: keyspaceOf(cluster),
        prints: await fingerprintsOf(cluster),
      }));
      expect(killed('restore', at).killed).toBe(true);
      await reopened(async (cluster) => {
        if (at === 'published') {
          await dropCopy(cluster);
          return;
        }
        expect(cluster.catalog().database('copy')).toBeUndefined();
        expect(keyspaceOf(cluster)).toEqual(before.keyspace);
        expect(await fingerprintsOf(cluster)).toEqual(before.prints);
        if (typeof at === 'string') expect(cluster.recovered).toEqual(['RESTORE']);
        const sink = cluster.sink();
        await restore({ sink, from: 'LATEST', in: FROM, targets: KV, newDbName: 'copy', storage, workers: 0 });
        await dropCopy(cluster);
      });
    },
  );
});
