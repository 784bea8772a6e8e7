import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { listBackups } from '#src/verify/index.js';
import { objectsOf, watch } from './faulty_storage.js';
import { closeAll, fingerprintLines, keyspaceOf, REGIONS, spreadCluster, tablesOf } from './test_cluster.js';

/*
 * Crash tables: an AbortSignal fired at every storage call and at every progress event. The run ends with SV_ABORTED and leaves
 * nothing, or it was past the point of no return and is whole.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const INTO = ['faulty://a/east?COCKROACH_LOCALITY=default', 'faulty://a/west?COCKROACH_LOCALITY=region%3Dus-west1'];
const FROM = ['faulty://a/west', 'faulty://a/east'];

let cluster: EmbeddedCluster;
let wanted: string[];
beforeAll(async () => {
  cluster = await spreadCluster(REGIONS, 20, 60);
  watch();
  await backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0 });
  wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
});
afterAll(closeAll);

/** Where the signal fires. */
type Moment = { readonly call: number } | { readonly event: number } | 'before';

interface Ended {
  readonly code: unknown;
  /** False when the run ended before the moment came. */
  readonly fired: boolean;
}

const MESSAGE = { name: 'aborted by the test' };

async function run(
  moment: Moment,
  work: (signal: AbortSignal, onProgress: () => void) => Promise<unknown>,
): Promise<Ended> {
  const controller = new AbortController();
  let events = 0;
  const atCall = moment !== 'before' && 'call' in moment ? moment.call : 0;
  const atEvent = moment !== 'before' && 'event' in moment ? moment.event : 0;
  watch((call) => {
    if (call === atCall) controller.abort(MESSAGE);
    return 'pass';
  });
  if (moment === 'before') controller.abort(MESSAGE);
  const code: unknown = await work(controller.signal, () => {
    if (++events === atEvent) controller.abort(MESSAGE);
  }).then(
    () => 'ok',
    (error: { readonly code?: unknown }) => error.code ?? error,
  );
  const fired = controller.signal.aborted;
  watch();
  return { code, fired };
}

async function abortedBackup(moment: Moment): Promise<Ended> {
  await new Promise((resolve) => setTimeout(resolve, 11));
  return run(moment, (signal, onProgress) =>
    backup({ source: cluster.source(), into: INTO, targets: KV, workers: 0, signal, onProgress }),
  );
}

async function abortedRestore(moment: Moment): Promise<Ended> {
  const sink = cluster.sink();
  return run(moment, (signal, onProgress) =>
    restore({ sink, from: 'LATEST', in: FROM, targets: KV, newDbName: 'copy', workers: 0, signal, onProgress }),
  );
}

async function copyIsGood(): Promise<void> {
  expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
  await cluster.dropDatabase('copy', 'cascade');
}

function moments(kind: 'call' | 'event'): Moment[] {
  return Array.from({ length: 200 }, (_, index) => (kind === 'call' ? { call: index + 1 } : { event: index + 1 }));
}

describe('crash table: abort at every await', () => {
  it.each(['call', 'event'] as const)('of a backup, at every %s', async (kind) => {
    let aborted = 0;
    for (const moment of moments(kind)) {
      const before = objectsOf('a');
      const listed = await listBackups(['memory://a/east']);
      const { code, fired } = await abortedBackup(moment);
      if (!fired) break;
      if (code === 'ok') {
        // Past the point of no return: a whole backup more.
        expect((await listBackups(['memory://a/east'])).length).toBe(listed.length + 1);
        continue;
      }
      expect(code, JSON.stringify(moment)).toBe('SV_ABORTED');
      expect(objectsOf('a'), JSON.stringify(moment)).toEqual(before);
      aborted++;
    }
    expect(aborted).toBeGreaterThan(kind === 'call' ? 15 : 1);
    expect((await abortedRestore({ call: -1 })).code).toBe('ok');
    await copyIsGood();
  });

  it.each(['call', 'event'] as const)('of a restore, at every %s', async (kind) => {
    let aborted = 0;
    for (const moment of moments(kind)) {
      const before = keyspaceOf(cluster);
      const { code, fired } = await abortedRestore(moment);
      if (!fired || code === 'ok') {
        await copyIsGood();
        if (!fired) break;
        continue;
      }
      expect(code, JSON.stringify(moment)).toBe('SV_ABORTED');
      expect(keyspaceOf(cluster), JSON.stringify(moment)).toEqual(before);
      expect(cluster.catalog().database('copy')).toBeUndefined();
      aborted++;
    }
    expect(aborted).toBeGreaterThan(kind === 'call' ? 10 : 1);
  });

  it('of runs in worker threads, at any time', async () => {
    const into = INTO.map((uri) => uri.replace('faulty://a', 'memory://t'));
    const uris = FROM.map((uri) => uri.replace('faulty://a', 'memory://t'));
    await backup({ source: cluster.source(), into, targets: KV, workers: 2 });
    const outcome = async (work: (signal: AbortSignal) => Promise<unknown>, delay: number): Promise<unknown> => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(MESSAGE), delay);
      return work(controller.signal)
        .then(
          () => 'ok',
          (error: { readonly code?: unknown }) => error.code ?? error,
        )
        .finally(() => clearTimeout(timer));
    };
    for (const delay of [0, 10, 40, 80, 120, 160, 200]) {
      const objects = objectsOf('t');
      const source = cluster.source();
      const taken = await outcome((signal) => backup({ source, into, targets: KV, workers: 2, signal }), delay);
      expect(['ok', 'SV_ABORTED']).toContain(taken);
      if (taken !== 'ok') expect(objectsOf('t'), `after ${delay} ms`).toEqual(objects);

      const keys = keyspaceOf(cluster);
      const sink = cluster.sink();
      const restored = await outcome(
        (signal) =>
          restore({ sink, from: 'LATEST', in: uris, targets: KV, newDbName: 'copy', workers: 2, unitBytes: 1, signal }),
        delay,
      );
      expect(['ok', 'SV_ABORTED']).toContain(restored);
      if (restored === 'ok') await copyIsGood();
      else expect(keyspaceOf(cluster), `after ${delay} ms`).toEqual(keys);
    }
  });

  it('before the first step', async () => {
    const before = objectsOf('a');
    expect((await abortedBackup('before')).code).toBe('SV_ABORTED');
    expect((await abortedRestore('before')).code).toBe('SV_ABORTED');
    expect(objectsOf('a')).toEqual(before);
  });
});
