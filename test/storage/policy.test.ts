import { afterEach, describe, expect, it, vi } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { SpanvaultError } from '#src/fault/index.js';
import { native } from '#src/native/index.js';
import { storageClock } from '#src/storage/clock.js';
import {
  type CallLayer,
  type ExternalStorage,
  measureStorage,
  newStorageLimits,
  openStorage,
  registerDriver,
  type StorageSettings,
  setStorageClock,
  usagePrometheus,
  withLayers,
} from '#src/storage/index.js';
import { traceLayer } from '#src/storage/trace.js';
import { jumpClock } from '../support/clocks.js';

/** What the next calls of `flaky://` do; an empty list lets them pass. */
const fates: ((signal: AbortSignal | undefined) => Promise<void> | void)[] = [];
const seen: string[] = [];

const flaky: CallLayer = async (call, next) => {
  seen.push(`${call.operation} ${call.name}`);
  await fates.shift()?.(call.signal);
  return next(call.signal);
};

registerDriver('flaky', {
  parameters: [],
  open: (uri) => withLayers(openStorage({ uri: `memory://${uri.host}${uri.path}`, settings: {} }), [flaky]),
});

let bucket = 0;
const open = (settings: StorageSettings = {}): ExternalStorage =>
  openStorage({ uri: `flaky://policy-${process.pid}-${bucket++}`, settings });
const fault =
  (retry: 'never' | 'backoff', details = {}) =>
  () => {
    throw new SpanvaultError(retry === 'never' ? 'SV_STORAGE_IO' : 'SV_STORAGE_UNAVAILABLE', 'it failed', {
      retry,
      details,
    });
  };
const transient = fault('backoff', { kind: 'transient', reason: '500 InternalError' });
const throttled = fault('backoff', { kind: 'throttled', reason: '503 SlowDown' });

afterEach(() => {
  expect(fates).toEqual([]);
  seen.length = 0;
  setStorageClock(undefined);
});

const wrapped: readonly [string, StorageSettings][] = [
  ['retries', {}],
  ['limits that are wide', { limits: newStorageLimits(1e12, 1e9) }],
];
for (const [name, settings] of wrapped) {
  storageConformance(
    `memory with ${name}`,
    async () => {
      const config = { uri: `memory://policy-${process.pid}-${bucket++}/a`, settings };
      return {
        storage: openStorage(config),
        reopen: () => openStorage(config),
        putForeign: async (object, bytes) => {
          native.memoryPut(new URL(config.uri).host, `a/${object}`, bytes, false);
        },
        dispose: async () => undefined,
      };
    },
    { describe, it },
  );
}

/** The same objects behind something that stands between; what it wraps is plain memory. */
function wrappedConformance(name: string, wrap: (uri: string) => ExternalStorage): void {
  storageConformance(
    name,
    async () => {
      const uri = `memory://policy-${process.pid}-${bucket++}/a`;
      return {
        storage: wrap(uri),
        reopen: () => wrap(uri),
        putForeign: async (object, bytes) => {
          native.memoryPut(new URL(uri).host, `a/${object}`, bytes, false);
        },
        dispose: async () => undefined,
      };
    },
    { describe, it },
  );
}

wrappedConformance('memory with a trace', (uri) =>
  withLayers(openStorage({ uri, settings: {} }), [traceLayer('memory://traced', storageClock(), () => undefined)]),
);

wrappedConformance('memory behind an external connection', (uri) =>
  openStorage({ uri: 'external://named/a', settings: { connections: { named: uri.replace(/\/a$/, '') } } }),
);

/** Every third call fails before it is made. */
let calls = 0;
const thirdFails: CallLayer = async (call, next) => {
  if (++calls % 3 === 0) transient();
  return next(call.signal);
};
registerDriver('third', {
  parameters: [],
  open: (uri) => withLayers(openStorage({ uri: `memory://${uri.host}${uri.path}`, settings: {} }), [thirdFails]),
});
wrappedConformance('memory with retries, limits and a driver whose every third call fails', (uri) =>
  openStorage({
    uri: uri.replace('memory:', 'third:'),
    settings: { retry: { baseMs: 0.01 }, limits: newStorageLimits(1e12, 1e9) },
  }),
);

describe('the one retry policy', () => {
  it('repeats what may pass, with doubling waits and full jitter', async () => {
    const clock = jumpClock();
    setStorageClock(clock);
    const storage = open();
    fates.push(transient, transient, transient, transient);
    await storage.write('object', Buffer.from('x'));
    expect(clock.slept).toEqual([50, 100, 200, 400]);
    expect(seen).toEqual(Array(5).fill('write object'));
  });

  it('waits longer when it is throttled, and at least what the store asks for', async () => {
    const clock = jumpClock();
    setStorageClock(clock);
    const storage = open();
    await storage.write('object', Buffer.from('x'));
    fates.push(throttled, throttled, fault('backoff', { kind: 'throttled', retryAfterSeconds: 7 }));
    await storage.size('object');
    expect(clock.slept).toEqual([400, 800, 7000]);
  });

  it('draws each wait from zero to its bound', async () => {
    for (const [drawn, first] of [
      [0, 0],
      [0.999, 99.9],
    ] as const) {
      const clock = jumpClock(() => drawn);
      setStorageClock(clock);
      fates.push(transient);
      await open().delete('nothing');
      expect(clock.slept[0]).toBeCloseTo(first);
    }
  });

  it('never repeats what will not pass', async () => {
    setStorageClock(jumpClock());
    fates.push(fault('never'));
    await expect(open().read('object')).rejects.toMatchObject({ code: 'SV_STORAGE_IO' });
    expect(seen).toEqual(['read object']);
    await expect(open().read('object')).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
  });

  it('gives up after its attempts and says how often it tried', async () => {
    setStorageClock(jumpClock());
    fates.push(transient, transient, transient);
    await expect(open({ retry: { attempts: 3 } }).read('object')).rejects.toMatchObject({
      code: 'SV_STORAGE_UNAVAILABLE',
      message: 'it failed, after 3 attempts in 0.1 s',
      retry: 'never',
      details: { attempts: 3, kind: 'transient' },
    });
  });

  it('gives up at the deadline of the operation', async () => {
    const clock = jumpClock();
    setStorageClock(clock);
    fates.push(...Array(3).fill(transient));
    await expect(open({ retry: { baseMs: 1000, operationTimeoutMs: 3000 } }).read('object')).rejects.toThrow(
      'after 3 attempts',
    );
    expect(clock.slept).toEqual([500, 1000]);
  });

  it('gives a single call up at its own deadline, and lets large parts take longer', async () => {
    const clock = jumpClock();
    setStorageClock(clock);
    const hang = (ms: number) => (signal: AbortSignal | undefined) => {
      clock.pass(ms);
      if (signal?.aborted === true) throw new SpanvaultError('SV_ABORTED', 'the operation was aborted');
    };
    fates.push(hang(61_000));
    await open().write('object', Buffer.from('x'));
    expect(seen).toEqual(['write object', 'write object']);
    const writer = await open().create('large');
    fates.push(hang(61_000));
    await writer.write(new Uint8Array(8 * 1024 * 1024));
    await writer.finish(8 * 1024 * 1024);
    expect(seen.slice(2)).toEqual(['create large', 'part large', 'finish large']);
    fates.push(...Array(2).fill(hang(61_000)));
    await expect(open({ retry: { attempts: 2 } }).size('object')).rejects.toThrow(
      'no answer within 60.0 s, after 2 attempts',
    );
  });

  it('stops at once when its caller aborts, also while it waits', async () => {
    const controller = new AbortController();
    const storage = open({ retry: { baseMs: 60_000 } });
    fates.push(() => {
      setTimeout(() => controller.abort(), 10);
      transient();
    });
    await expect(storage.read('object', { signal: controller.signal })).rejects.toMatchObject({ code: 'SV_ABORTED' });
  });

  it('goes on with a listing behind the last name', async () => {
    setStorageClock(jumpClock());
    const storage = open();
    const names = Array.from({ length: 2500 }, (_, index) => `n${String(index).padStart(4, '0')}`);
    await Promise.all(names.map((name) => storage.write(name, new Uint8Array(0))));
    const found: string[] = [];
    for await (const { name } of storage.list('')) {
      if (found.push(name) === 1000) fates.push(transient);
    }
    expect(found).toEqual(names);
  });

  it('refuses settings that allow no call', () => {
    expect(() => open({ retry: { attempts: 0 } })).toThrow('0 attempts');
    expect(() => open({ retry: { baseMs: -1 } })).toThrow('baseMs of -1');
    expect(() => newStorageLimits(-1, 0)).toThrow('not a rate');
  });
});

describe('limits', () => {
  it('spread bytes and calls over time, for all storages that share them', async () => {
    const clock = jumpClock();
    setStorageClock(clock);
    const limits = newStorageLimits(1_000_000, 10);
    const [one, two] = [open({ limits }), open({ limits })];
    const begin = clock.now();
    for (let index = 0; index < 10; index++)
      await (index % 2 === 0 ? one : two).write(`o${index}`, new Uint8Array(500_000));
    // 5 MB at 1 MB/s, of which a burst of 0.2 s is free and the last write is charged to whoever comes next.
    expect(clock.now() - begin).toBeGreaterThanOrEqual(4_200);
    expect(clock.now() - begin).toBeLessThan(5_000);
    // Twenty calls at ten a second, less the burst.
    const before = clock.now();
    for (let index = 0; index < 20; index++) await one.size('o0');
    expect(clock.now() - before).toBeGreaterThanOrEqual(1_700);
  });

  it('are kept by worker threads together', async () => {
    const limits = newStorageLimits(0, 100);
    const { Worker } = await import('node:worker_threads');
    const body = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.module).then(async ({ openStorage }) => {
        const storage = openStorage({ uri: 'memory://limited-threads', settings: { limits: workerData.limits } });
        for (let index = 0; index < 30; index++) await storage.delete('nothing');
        parentPort.postMessage('done');
      });`;
    const module = new URL('../../dist/storage/index.js', import.meta.url).href;
    const begin = performance.now();
    const workers = [0, 1].map(() => new Worker(body, { eval: true, workerData: { module, limits } }));
    await Promise.all(
      workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))),
    );
    await Promise.all(workers.map((worker) => worker.terminate()));
    // 60 calls at 100 a second, less the burst.
    expect(performance.now() - begin).toBeGreaterThan(350);
  });
});

describe('usage', () => {
  it('is counted per bucket and operation, with retries, and printed for Prometheus', async () => {
    setStorageClock(jumpClock());
    const usages = await measureStorage(async (ledger) => {
      const storage = open();
      fates.push(transient);
      await storage.write('object', Buffer.alloc(10));
      await storage.read('object', { offset: 4 });
      return ledger.usages().filter((usage) => usage.bucket.startsWith('flaky:'));
    });
    expect(usages).toHaveLength(1);
    expect(usages[0]!.operations.write).toMatchObject({ calls: 1, failures: 0, retries: 1, bytes: 10 });
    expect(usages[0]!.operations.read).toMatchObject({ calls: 1, bytes: 6 });
    const text = await usagePrometheus(usages);
    const name = usages[0]!.bucket;
    expect(text).toContain(`spanvault_storage_bytes_total{bucket="${name}",operation="write"} 10`);
    expect(text).toContain(`spanvault_storage_retries_total{bucket="${name}",operation="write"} 1`);
    expect(text).not.toContain('operation="delete"');
  });

  it('of several reads in one go is that of as many reads, and what may pass is read again', async () => {
    setStorageClock(jumpClock());
    const inner = openStorage({ uri: `memory://several-${process.pid}`, settings: {} });
    await inner.write('a', Buffer.alloc(10));
    await inner.write('b', Buffer.alloc(20));
    let asked = 0;
    registerDriver('several', {
      parameters: [],
      open: () => ({
        ...inner,
        display: 'several://x',
        read: (name, options) => inner.read(name, options),
        readAll: async (pieces) => {
          asked++;
          return Promise.all(
            pieces.map(async ({ name }) =>
              name === 'b'
                ? new SpanvaultError('SV_STORAGE_UNAVAILABLE', 'it failed', { retry: 'backoff' })
                : await inner.read(name).catch((error: SpanvaultError) => error),
            ),
          );
        },
      }),
    });
    const [usage] = await measureStorage(async (ledger) => {
      const storage = openStorage({ uri: 'several://x', settings: {} });
      const results = await storage.readAll!(['a', 'b', 'none'].map((name) => ({ name })));
      expect(results).toMatchObject([{ totalBytes: 10 }, { totalBytes: 20 }, { code: 'SV_STORAGE_NOT_FOUND' }]);
      return ledger.usages().filter(({ bucket }) => bucket === 'several://x');
    });
    expect(asked).toBe(1);
    expect(usage!.operations.read).toMatchObject({ calls: 4, failures: 2, bytes: 30 });
  });

  it('of files that native code reads itself is counted, and where calls are limited or traced it reads none', async () => {
    const open = (settings: StorageSettings) =>
      openStorage({ uri: 'nodelocal://1/c', settings: { externalIODir: '/nowhere', ...settings } });
    const [usage] = await measureStorage(async (ledger) => {
      const object = open({}).local!('dir/file');
      expect(object).toMatchObject({ root: '/nowhere/1', path: '/nowhere/1/c/dir/file' });
      expect(object.fault({ kind: 'system', errno: 2 })).toMatchObject({
        code: 'SV_STORAGE_NOT_FOUND',
        message: 'reading nodelocal://1/c/dir/file failed: it does not exist',
      });
      object.count({ calls: 2, bytes: 30, seconds: 0.5 });
      return ledger.usages();
    });
    expect(usage!.operations.read).toMatchObject({ calls: 2, bytes: 30, seconds: 0.5 });
    expect(open({ limits: newStorageLimits(1e12, 1e9) }).local).toBeUndefined();
    expect(open({ trace: true }).local).toBeUndefined();
    expect(openStorage({ uri: 'memory://x', settings: {} }).local).toBeUndefined();
  });

  it('of a nested measure is told apart', async () => {
    await measureStorage(async (outer) => {
      const inner = await measureStorage(async (ledger) => {
        await openStorage({ uri: 'memory://nested', settings: {} }).delete('x');
        return ledger.usages();
      });
      expect(outer.usages()).toEqual([]);
      outer.add(inner);
      outer.add(inner);
      expect(outer.of('memory://nested').operations.delete.calls).toBe(2);
    });
  });
});

describe('trace', () => {
  it('prints every call and its repetitions to stderr', async () => {
    const { spawnSync } = await import('node:child_process');
    const script = `
      import { openStorage } from '#src/storage/index.js';
      const storage = openStorage({ uri: 'memory://traced/dir', settings: { trace: true } });
      await storage.write('object', Buffer.from('four'));
      await storage.read('nothing').catch(() => undefined);`;
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stderr.replace(/[\d.]+ ms/g, 'N ms')).toBe(
      'storage: write memory://traced/dir/object ok 4 bytes N ms\nstorage: read memory://traced/dir/nothing SV_STORAGE_NOT_FOUND N ms\n',
    );
    vi.restoreAllMocks();
  });
});
