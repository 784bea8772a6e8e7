import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCluster } from '#src/cluster/index.js';
import { storageConformance } from '#src/conformance/index.js';
import { native } from '#src/native/index.js';
import { openStorage, type StorageSettings } from '#src/storage/index.js';
import { temporaryCluster } from '../cluster/temporary_cluster.js';

let cluster: Awaited<ReturnType<typeof temporaryCluster>>;
let settings: StorageSettings;
beforeAll(async () => {
  cluster = await temporaryCluster();
  settings = cluster.cluster.storage();
});
afterAll(() => cluster.dispose());

let count = 0;
const fresh = (host = ''): { uri: string; settings: StorageSettings } => ({
  uri: `userfile://${host}/test ${count++}/ä%25`,
  settings,
});

/** Names of the metadata records that hold files. */
function records(): string[] {
  const store = native.openStore(settings.userfile!.directory, settings.userfile!.mapBytes);
  const keys = native.storeMetaList(store, 'userfile/').map(({ key }) => key);
  native.closeStore(store);
  return keys;
}

storageConformance(
  'userfile',
  async () => {
    const config = fresh();
    return {
      storage: openStorage(config),
      reopen: () => openStorage(config),
      dispose: async () => {
        const storage = openStorage(config);
        for await (const { name } of storage.list('')) await storage.delete(name);
      },
    };
  },
  { describe, it },
);

describe('userfile', () => {
  it('left no piece of what the suite wrote, replaced, aborted and deleted', () => {
    expect(records()).toEqual([]);
  });

  it('takes the tables of root for an empty host, and refuses what names no tables', () => {
    const storage = openStorage({ uri: 'userfile:///x', settings });
    expect(storage.display).toBe('userfile://defaultdb.public.userfiles_root/x');
    expect(openStorage({ uri: 'userfile://db.public.mine/x', settings }).display).toBe('userfile://db.public.mine/x');
    expect(() => openStorage({ uri: 'userfile://mine/x', settings })).toThrow(
      expect.objectContaining({
        code: 'SV_URI',
        message: 'host "mine" of a userfile URI is not of the form database.schema.table_prefix',
      }),
    );
    expect(() => openStorage({ uri: 'userfile:///x', settings: {} })).toThrow(
      expect.objectContaining({ code: 'SV_USAGE' }),
    );
  });

  it('reads across pieces what parts of any size wrote', async () => {
    const storage = openStorage(fresh());
    const whole = Buffer.alloc(5_000_000, 'piece by piece ');
    const writer = await storage.create('object');
    for (let at = 0, size = 1; at < whole.length; at += size, size = size * 3 + 1)
      await writer.write(whole.subarray(at, at + size));
    await writer.finish(whole.length);
    expect(Buffer.compare((await storage.read('object')).bytes, whole)).toBe(0);
    for (const [offset, length] of [
      [1_048_575, 2],
      [1_048_576, 1_048_576],
      [999_999, 3_000_000],
      [-1_000_000, 500_000],
    ] as const) {
      const start = offset < 0 ? whole.length + offset : offset;
      const { bytes } = await storage.read('object', { offset, length });
      expect(Buffer.compare(bytes, whole.subarray(start, start + length)), `${length} at ${offset}`).toBe(0);
    }
    await storage.delete('object');
    expect(records()).toEqual([]);
  });

  it('lets one of many threads win a conditional write, and all of them write', async () => {
    const config = fresh();
    const module = new URL('../../dist/storage/index.js', import.meta.url).href;
    const source = `
        import { parentPort, workerData } from 'node:worker_threads';
        const { openStorage } = await import(workerData.module);
        const storage = openStorage(workerData.config);
        const own = new Uint8Array(3_000_000).fill(workerData.index);
        await storage.write('own-' + workerData.index, own);
        await storage.write('shared', own);
        const won = await storage.write('lock', own, { ifAbsent: true }).then(() => true, (error) => error.code);
        parentPort.postMessage(won);`;
    const outcomes = await Promise.all(
      [1, 2, 3, 4].map(
        (index) =>
          new Promise((resolve, reject) => {
            const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
              workerData: { module, config, index },
            });
            worker.once('message', resolve).once('error', reject);
          }),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === true)).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'SV_STORAGE_EXISTS')).toHaveLength(3);
    const storage = openStorage(config);
    const names: string[] = [];
    for await (const { name } of storage.list('')) names.push(name);
    expect(names).toEqual(['lock', 'own-1', 'own-2', 'own-3', 'own-4', 'shared']);
    const { bytes } = await storage.read('shared');
    expect(new Set(bytes).size).toBe(1);
    for (const name of names) await storage.delete(name);
    expect(records()).toEqual([]);
  }, 60_000);

  it('forgets what a killed process was uploading when the cluster is opened again', async () => {
    const own = await temporaryCluster();
    const storage = openStorage({ uri: 'userfile:///u', settings: own.cluster.storage() });
    await storage.write('kept', new Uint8Array(2_000_000).fill(1));
    const writer = await storage.create('lost');
    await writer.write(new Uint8Array(9_000_000));
    await own.cluster.close();
    const again = await openCluster(own.directory, { mapBytes: 2 ** 32 });
    const later = openStorage({ uri: 'userfile:///u', settings: again.storage() });
    expect((await later.read('kept')).totalBytes).toBe(2_000_000);
    await later.delete('kept');
    const { directory, mapBytes } = again.storage().userfile!;
    const store = native.openStore(directory, mapBytes);
    expect(native.storeMetaList(store, 'userfile/')).toEqual([]);
    native.closeStore(store);
    await again.close();
    await own.dispose();
  });

  it('is not written through a cluster that is open read-only', async () => {
    const storage = openStorage({
      uri: 'userfile:///u',
      settings: { userfile: { ...settings.userfile!, readOnly: true } },
    });
    await expect(storage.write('x', new Uint8Array(1))).rejects.toMatchObject({ code: 'SV_STORAGE_DENIED' });
    await expect(storage.delete('x')).rejects.toMatchObject({ code: 'SV_STORAGE_DENIED' });
  });
});
