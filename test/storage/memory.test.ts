import { describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { native } from '#src/native/index.js';
import { newStorageMetrics, openStorage, withMetrics } from '#src/storage/index.js';

let bucket = 0;
const fresh = () => ({ uri: `memory://storage-test-${process.pid}-${bucket++}/a/b c`, settings: {} });
const put = (uri: string) => async (name: string, bytes: Uint8Array) => {
  native.memoryPut(new URL(uri).host, `a/b c/${name}`, bytes, false);
};

storageConformance(
  'memory',
  async () => {
    const config = fresh();
    return {
      storage: openStorage(config),
      reopen: () => openStorage(config),
      putForeign: put(config.uri),
      dispose: async () => undefined,
    };
  },
  { describe, it },
);

storageConformance(
  'memory with metrics',
  async () => {
    const config = fresh();
    return {
      storage: withMetrics(openStorage(config), newStorageMetrics()),
      reopen: () => openStorage(config),
      putForeign: put(config.uri),
      dispose: async () => undefined,
    };
  },
  { describe, it },
);

describe('memory', () => {
  it('keeps buckets and directories apart', async () => {
    const config = fresh();
    await openStorage(config).write('object', Buffer.from('x'));
    await expect(openStorage({ ...config, uri: `${config.uri}x` }).read('object')).rejects.toMatchObject({
      code: 'SV_STORAGE_NOT_FOUND',
    });
    await expect(openStorage(fresh()).read('object')).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
    expect(() => openStorage({ uri: 'memory:///a', settings: {} })).toThrow('names no bucket');
  });

  it('counts calls, failures, bytes and seconds per operation', async () => {
    const metrics = newStorageMetrics();
    const storage = withMetrics(openStorage(fresh()), metrics);
    await storage.write('a', Buffer.alloc(10));
    const writer = await storage.create('b');
    await writer.write(Buffer.alloc(7));
    await writer.write(Buffer.alloc(8));
    await writer.finish(15);
    await storage.read('b', { offset: 3, length: 4 });
    await expect(storage.read('nothing')).rejects.toThrow();
    for await (const _ of storage.list(''));
    await storage.size('a');
    await storage.delete('a');
    expect(
      Object.fromEntries(
        Object.entries(metrics).map(([name, { calls, failures, bytes }]) => [name, [calls, failures, bytes]]),
      ),
    ).toEqual({
      read: [2, 1, 4],
      size: [1, 0, 0],
      write: [1, 0, 10],
      create: [1, 0, 0],
      part: [2, 0, 15],
      finish: [1, 0, 0],
      list: [1, 0, 0],
      delete: [1, 0, 0],
    });
    expect(metrics.read.seconds).toBeGreaterThan(0);
  });
});
