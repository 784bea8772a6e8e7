import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BackupOptions, backup } from '#src/backup/index.js';
import type { EmbeddedCluster, RangeScanner, RangeSink, RangeWriter, WorkerHalf } from '#src/cluster/index.js';
import { isSpanvaultError, SpanvaultError } from '#src/fault/index.js';
import { restore } from '#src/restore/index.js';
import { listBackups } from '#src/verify/index.js';
import { sinkLike, sourceLike } from './delegates.js';
import { callsSeen, type Fate, objectsOf, watch } from './faulty_storage.js';
import {
  closeAll,
  fingerprintLines,
  fingerprintsOf,
  keyspaceOf,
  REGIONS,
  spreadCluster,
  tablesOf,
} from './test_cluster.js';

/*
 * Crash tables: the storage contract, the source and the sink failing at every call of a small backup and of a small
 * restore. A failed backup leaves no trace, a failed restore no key, and the next run succeeds.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const INTO = ['faulty://c/east?COCKROACH_LOCALITY=default', 'faulty://c/west?COCKROACH_LOCALITY=region%3Dus-west1'];
const FROM = ['faulty://c/west', 'faulty://c/east'];

let cluster: EmbeddedCluster;
let wanted: string[];

beforeAll(async () => {
  cluster = await spreadCluster(REGIONS, 30, 90);
  watch();
  await backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0 });
  wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
});
afterAll(closeAll);

/** A backup; the error of one that failed. */
async function tryBackup(options: Partial<BackupOptions> = {}): Promise<SpanvaultError | undefined> {
  // Directories are named by hundredths of a second: two backups must not want the same.
  await new Promise((resolve) => setTimeout(resolve, 11));
  return backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0, ...options }).then(
    () => undefined,
    (error: unknown) => {
      if (isSpanvaultError(error)) return error;
      throw error;
    },
  );
}

async function tryRestore(sink: RangeSink = cluster.sink()): Promise<SpanvaultError | undefined> {
  return restore({ sink, from: 'LATEST', in: FROM, targets: KV, newDbName: 'copy', workers: 0 }).then(
    () => undefined,
    (error: unknown) => {
      if (isSpanvaultError(error)) return error;
      throw error;
    },
  );
}

/** The newest backup restores to the right rows; what was restored is dropped again. */
async function newestIsGood(): Promise<void> {
  watch();
  expect(await tryRestore()).toBeUndefined();
  expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
  await cluster.dropDatabase('copy', 'cascade');
}

describe('crash table: storage failing at every call of a backup', () => {
  it('a call that fails without effect leaves every object as it was', async () => {
    const before = objectsOf('c');
    let failed = 0;
    for (let n = 1; ; n++) {
      watch((call) => (call === n ? 'fail before' : 'pass'));
      const failure = await tryBackup();
      if (callsSeen() < n) {
        expect(failure).toBeUndefined();
        break;
      }
      expect(failure, `call ${n} failed and the backup did not`).toBeDefined();
      expect(failure!.code).toBe('SV_STORAGE_IO');
      expect(objectsOf('c'), `after call ${n}: ${failure!.message}`).toEqual(before);
      failed++;
    }
    expect(failed).toBeGreaterThan(30);
    console.log(`a backup failed at each of its ${failed} storage calls and left no object`);
    await newestIsGood();
  });

  it('a call that fails after it took effect leaves no manifest, and LATEST as it was', async () => {
    const before = objectsOf('c');
    for (let n = 1; ; n++) {
      watch((call) => (call === n ? 'fail after' : 'pass'));
      const failure = await tryBackup();
      if (callsSeen() < n) break;
      expect(failure, `call ${n} failed and the backup did not`).toBeDefined();
      expect(objectsOf('c'), `after call ${n}: ${failure!.message}`).toEqual(before);
    }
    await newestIsGood();
  });

  it('storage that goes away at a call and comes back: what LATEST names is whole, and the next backup works', async () => {
    const total = await callsOfBackup();
    for (let n = 1; n <= total; n += 3) {
      const listed = await listBackups(['memory://c/east']);
      watch((call) => (call >= n ? 'fail before' : 'pass'));
      const failure = await tryBackup();
      expect(failure, `from call ${n}`).toMatchObject({ code: 'SV_STORAGE_IO' });
      watch();
      // Nothing could be erased; a manifest may be there only if the backup that it names is whole.
      const fresh = (await listBackups(['memory://c/east'])).filter((subdir) => !listed.includes(subdir));
      for (const subdir of fresh) {
        const sink = cluster.sink();
        await restore({ sink, from: subdir, in: FROM, targets: KV, newDbName: 'copy', workers: 0 });
        expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
        await cluster.dropDatabase('copy', 'cascade');
      }
    }
    await newestIsGood();
    expect(await tryBackup()).toBeUndefined();
    await newestIsGood();
  });

  async function callsOfBackup(): Promise<number> {
    watch();
    expect(await tryBackup()).toBeUndefined();
    return callsSeen();
  }

  it('a source that fails at every scan and every fill', async () => {
    watch();
    const before = objectsOf('c');
    const scanner = cluster.source().scanner as WorkerHalf;
    const { openScanner } = (await import(scanner.module)) as { openScanner: (data: unknown) => RangeScanner };
    let failed = 0;
    for (let n = 1; ; n++) {
      let calls = 0;
      const step = (): void => {
        if (++calls === n) throw new SpanvaultError('SV_SOURCE', `call ${n} of the source was made to fail`);
      };
      const inner = openScanner(scanner.data);
      const source = sourceLike(cluster.source(), {
        scanner: {
          open(request) {
            step();
            const scan = inner.open(request);
            return {
              next(bytes, offsets) {
                step();
                return scan.next(bytes, offsets);
              },
              close: () => scan.close(),
            };
          },
          close: () => undefined,
        },
      });
      const failure = await tryBackup({ source });
      await inner.close();
      if (calls < n) break;
      expect(failure).toMatchObject({ code: 'SV_SOURCE' });
      expect(objectsOf('c')).toEqual(before);
      failed++;
    }
    expect(failed).toBeGreaterThan(10);
  });
});

describe('crash table: a restore that fails at every call', () => {
  let before: ReturnType<typeof keyspaceOf>;
  let prints: Record<string, string[]>;
  beforeAll(async () => {
    before = keyspaceOf(cluster);
    prints = await fingerprintsOf(cluster);
  });

  async function leftNothing(what: string): Promise<void> {
    expect(keyspaceOf(cluster), what).toEqual(before);
    expect(cluster.catalog().database('copy'), what).toBeUndefined();
  }

  async function dropCopy(): Promise<void> {
    expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
    await cluster.dropDatabase('copy', 'cascade');
    before = keyspaceOf(cluster);
  }

  it('storage: every call', async () => {
    let failed = 0;
    for (let n = 1; ; n++) {
      const fates: Fate = (call) => (call === n ? 'fail before' : 'pass');
      watch(fates);
      const failure = await tryRestore();
      if (callsSeen() < n) break;
      expect(failure, `call ${n} failed and the restore did not`).toMatchObject({ code: 'SV_STORAGE_IO' });
      await leftNothing(`after call ${n}`);
      failed++;
    }
    watch();
    expect(failed).toBeGreaterThan(15);
    expect(await fingerprintsOf(cluster)).toMatchObject(prints);
    await dropCopy();
  });

  it('the sink: every write, every flush, and each of its steps', async () => {
    const writer = cluster.sink().writer as WorkerHalf;
    const { openWriter } = (await import(writer.module)) as { openWriter: (data: unknown) => RangeWriter };
    let failed = 0;
    for (let n = 1; ; n++) {
      let calls = 0;
      const step = (name: string): void => {
        if (++calls === n) throw new SpanvaultError('SV_SINK', `call ${n} of the sink, ${name}, was made to fail`);
      };
      const inner = openWriter(writer.data);
      const sink = cluster.sink();
      const failure = await tryRestore(
        sinkLike(sink, {
          writer: {
            write(batch) {
              step('write');
              return inner.write(batch);
            },
            async flush() {
              await inner.flush();
              step('flush');
            },
            close: () => undefined,
          },
          async begin(scope) {
            step('begin');
            return sink.begin(scope);
          },
          async stageDone(ticket, stage) {
            step('stageDone, before');
            await sink.stageDone(ticket, stage);
            step('stageDone, after');
          },
          async publish(ticket) {
            step('publish');
            return sink.publish(ticket);
          },
        }),
      );
      await inner.close();
      if (calls < n) break;
      expect(failure).toMatchObject({ code: 'SV_SINK' });
      await leftNothing(failure!.message);
      failed++;
    }
    expect(failed).toBeGreaterThan(5);
    await dropCopy();
  });
});
