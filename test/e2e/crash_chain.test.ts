import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BackupOptions, backup } from '#src/backup/index.js';
import { type EmbeddedCluster, openCluster } from '#src/cluster/index.js';
import { isSpanvaultError, type SpanvaultError } from '#src/fault/index.js';
import { restore } from '#src/restore/index.js';
import { showBackup } from '#src/verify/index.js';
import { callsSeen, objectsOf, watch } from './faulty_storage.js';
import { closeAll, fingerprintLines, REGIONS, spreadCluster, storageOf, tablesOf } from './test_cluster.js';

/*
 * Crash tables of incremental backups: storage that fails at every call, an abort at every call, kill -9. The chain stays what it
 * was, no lock keeps the next run away, and the next incremental holds everything since the last whole layer.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const INTO = ['faulty://i/east?COCKROACH_LOCALITY=default', 'faulty://i/west?COCKROACH_LOCALITY=region%3Dus-west1'];
const FROM = ['faulty://i/west', 'faulty://i/east'];

afterAll(closeAll);

/** Directories are named by hundredths of a second: two layers must not want the same. */
const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 11));

async function printsOf(cluster: EmbeddedCluster, database: string): Promise<string[]> {
  return fingerprintLines(cluster, tablesOf(cluster).get(`${database}.public.kv`)!);
}

/** Deletes a row: what an incremental has to carry as a tombstone. */
async function touch(cluster: EmbeddedCluster, key: number): Promise<void> {
  expect(cluster.rows.remove(tablesOf(cluster).get('kv.public.kv')!, [BigInt(key)])).toBe(1);
}

describe('storage and aborts', () => {
  let cluster: EmbeddedCluster;
  let next = 0;
  beforeAll(async () => {
    cluster = await spreadCluster(REGIONS, 20, 90);
    watch();
    await backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0 });
  });
  beforeEach(async () => {
    await touch(cluster, next++);
    await tick();
  });

  async function append(options: Partial<BackupOptions> = {}): Promise<SpanvaultError | undefined> {
    await tick();
    return backup({
      source: cluster.source(),
      into: INTO,
      targets: KV,
      appendTo: 'LATEST',
      workers: 0,
      ...options,
    }).then(
      () => undefined,
      (error: unknown) => {
        if (isSpanvaultError(error)) return error;
        throw error;
      },
    );
  }

  /** Adds a layer, restores the chain, and compares with the source. */
  async function chainIsGood(): Promise<void> {
    watch();
    expect(await append()).toBeUndefined();
    await restore({ sink: cluster.sink(), from: 'LATEST', in: FROM, targets: KV, newDbName: 'copy', workers: 0 });
    expect(await printsOf(cluster, 'copy')).toEqual(await printsOf(cluster, 'kv'));
    await cluster.dropDatabase('copy', 'cascade');
  }

  it.each(['fail before', 'fail after'] as const)(
    'a call that is made to %s leaves every object as it was',
    async (fate) => {
      watch();
      expect(await append()).toBeUndefined();
      const calls = callsSeen();
      await touch(cluster, next++);
      const before = objectsOf('i');
      let failed = 0;
      for (let n = 1; ; n++) {
        watch((call) => (call === n ? fate : 'pass'));
        const failure = await append();
        const seen = callsSeen();
        watch();
        if (failure === undefined) {
          // Only what is called after the manifest, the release of the lock, may fail unnoticed.
          expect(seen - n, `call ${n} of ${seen} failed and the backup did not`).toBeLessThan(2);
          break;
        }
        expect(failure.code, `call ${n}: ${failure.message}`).toBe('SV_STORAGE_IO');
        expect(objectsOf('i'), `after call ${n}: ${failure.message}`).toEqual(before);
        failed++;
      }
      // A layer more takes no fewer calls than the last one did; two of them release the lock.
      expect(failed).toBeGreaterThanOrEqual(calls - 2);
      await touch(cluster, next++);
      await chainIsGood();
    },
  );

  it('an abort at any call leaves the chain as it was, or the layer whole', async () => {
    const before = objectsOf('i');
    let aborted = 0;
    for (let n = 1; ; n += 2) {
      const controller = new AbortController();
      watch((call) => {
        if (call === n) controller.abort();
        return 'pass';
      });
      const failure = await append({ signal: controller.signal });
      watch();
      if (failure === undefined) break;
      expect(failure.code).toBe('SV_ABORTED');
      expect(objectsOf('i'), `after call ${n}`).toEqual(before);
      aborted++;
    }
    expect(aborted).toBeGreaterThan(15);
    await touch(cluster, next++);
    await chainIsGood();
  });

  it('of writers that follow the same layer at once exactly one succeeds; the others say who was first', async () => {
    watch();
    await touch(cluster, next++);
    const locks = (): string[] => objectsOf('i').filter((name) => name.includes('BACKUP-LOCK-AFTER'));
    const before = locks();
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => append()));
    expect(outcomes.filter((failure) => failure === undefined)).toHaveLength(1);
    for (const failure of outcomes) {
      if (failure === undefined) continue;
      expect(failure.code).toBe('SV_EXISTS');
      expect(failure.message).toMatch(
        /already contains a `BACKUP-LOCK` file written by job \d+ \(process \d+ on .+\)$|was added to the chain in .* meanwhile/,
      );
    }
    expect(locks()).toEqual(before);
    await touch(cluster, next++);
    await chainIsGood();
  });

  it('an incremental and a full at once: each stands, and the incremental stays with its own full', async () => {
    watch();
    await touch(cluster, next++);
    const [full, layer] = await Promise.all([
      backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0 }),
      backup({ source: cluster.source(), into: INTO, targets: KV, appendTo: 'LATEST', workers: 0 }),
    ]);
    expect(layer.subdir).not.toBe(full.subdir);
    expect((await showBackup({ from: full.subdir, in: FROM, checkFiles: true })).layers).toHaveLength(1);
    await touch(cluster, next++);
    await chainIsGood();
  });
});

describe('kill -9', () => {
  it('in the middle of an incremental: the dead writer’s lock keeps nobody away', async () => {
    const cluster = await spreadCluster(REGIONS, 12, 60);
    const { directory } = cluster;
    const storage = storageOf(cluster);
    const into = ['nodelocal://1/k?COCKROACH_LOCALITY=default', 'nodelocal://2/k?COCKROACH_LOCALITY=region%3Dus-west1'];
    await backup({ source: cluster.source(), into, targets: KV, storage, workers: 0 });
    await touch(cluster, 3);
    await cluster.close();
    const run = (at: number): { readonly signal: string | null; readonly calls: number } => {
      const child = spawnSync(
        process.execPath,
        [
          new URL('./killed_child.mjs', import.meta.url).pathname,
          JSON.stringify({ directory, operation: 'append', at, bucket: 'k' }),
        ],
        { encoding: 'utf8' },
      );
      if (child.signal === null) expect(child.status, child.stderr).toBe(0);
      return {
        signal: child.signal,
        calls: child.signal === null ? (JSON.parse(child.stdout) as { calls: number }).calls : 0,
      };
    };
    for (const at of [8, 12, 16, 20, 24]) expect(run(at).signal, `call ${at}`).toBe('SIGKILL');
    expect(run(0).calls).toBeGreaterThan(24);
    const reopened = await openCluster(directory);
    try {
      const from = ['nodelocal://2/k', 'nodelocal://1/k'];
      expect((await showBackup({ from: 'LATEST', in: from, storage, checkFiles: true })).layers).toHaveLength(2);
      await restore({
        sink: reopened.sink(),
        from: 'LATEST',
        in: from,
        targets: KV,
        newDbName: 'copy',
        storage,
        workers: 0,
      });
      expect(await printsOf(reopened, 'copy')).toEqual(await printsOf(reopened, 'kv'));
    } finally {
      await reopened.close();
    }
  });
});
