import { afterEach, describe, expect, it } from 'vitest';
import { chooseLayers, openBackup } from '#src/collection/index.js';
import { newStorageMetrics, openStorage, printUri, registerDriver, withMetrics } from '#src/storage/index.js';
import {
  emptyBucket,
  endOf,
  locationsOf,
  type SyntheticChain,
  writeSyntheticChain,
} from '../support/synthetic_chain.js';

/** `counted://bucket/path`: memory storage whose calls are counted, and whose listings' names are kept. */
let metrics = newStorageMetrics();
let listed: string[] = [];
registerDriver('counted', {
  parameters: [],
  open(uri, settings) {
    const inner = openStorage({ uri: printUri({ ...uri, scheme: 'memory' }), settings });
    const spied: typeof inner = {
      ...inner,
      display: inner.display,
      read: inner.read.bind(inner),
      size: inner.size.bind(inner),
      write: inner.write.bind(inner),
      create: inner.create.bind(inner),
      delete: inner.delete.bind(inner),
      close: inner.close.bind(inner),
      async *list(prefix, options) {
        for await (const object of inner.list(prefix, options)) {
          listed.push(object.name);
          yield object;
        }
      },
    };
    return withMetrics(spied, metrics);
  },
});

const LOCALITIES = ['region=us-west', 'region=eu'];
let bucket = '';
afterEach(() => emptyBucket(bucket));

let serial = 0;
async function write(chain: Omit<SyntheticChain, 'bucket'>): Promise<readonly string[]> {
  bucket = `long-${process.pid}-${serial++}`;
  await writeSyntheticChain({ bucket, ...chain });
  return locationsOf({ bucket, ...chain }, 'counted');
}

/** Opens, chooses the whole chain, and tells what it took. */
async function open(uris: readonly string[], layers: number) {
  metrics = newStorageMetrics();
  listed = [];
  const begin = performance.now();
  const opened = await openBackup({ uris, subdir: 'LATEST', settings: {} });
  const { chain, time } = chooseLayers(opened.layers, undefined);
  const millis = performance.now() - begin;
  expect([chain.length, time]).toEqual([layers, endOf(layers - 1)]);
  const { read, size, list } = metrics;
  return { opened, millis, calls: { read: read.calls, size: size.calls, list: list.calls }, bytes: read.bytes };
}

describe('a chain of 400 layers in three locations', () => {
  it('opens with two listings, none of data, and four reads per layer', async () => {
    const { calls } = await open(await write({ layers: 400, filesPerLayer: 6, localities: LOCALITIES }), 400);
    // LATEST by one of them; the other has a page per 1,000 names, which are six per layer.
    expect(calls.list).toBe(1 + 3);
    expect(listed.filter((name) => name.endsWith('.sst') && name.includes('data/'))).toEqual([]);
    // LATEST once; per layer BACKUP_METADATA, its checksum and two parts, found at once but for the first time.
    expect(calls.read).toBeGreaterThanOrEqual(400 * 4 + 1);
    expect(calls.read).toBeLessThanOrEqual(400 * 4 + 1 + 2 * 16);
    expect(calls.size).toBe(1);
  }, 60_000);

  it('opens with as many requests, and bytes, for a thousand times the files', async () => {
    const few = await open(await write({ layers: 20, filesPerLayer: 3, localities: LOCALITIES }), 20);
    emptyBucket(bucket);
    const many = await open(await write({ layers: 20, filesPerLayer: 3_000, localities: LOCALITIES }), 20);
    expect(many.calls).toEqual(few.calls);
    // Of a part, 64 KiB at most are read; of the manifest nothing that lists files.
    expect(many.bytes).toBeLessThanOrEqual(few.bytes + 20 * 2 * 64 * 1024);
    expect((await many.opened.layers[7]!.load()).files.length).toBe(3_000);
  }, 60_000);

  it('opens fat manifests, all there is up to 22.2, without decoding 100,000 files', async () => {
    const uris = await write({ layers: 40, filesPerLayer: 2_500, version: 22 });
    const { opened, millis, calls } = await open(uris, 40);
    expect(calls.list).toBe(2);
    const begin = performance.now();
    for (const layer of opened.layers) expect((await layer.load()).files.length).toBe(2_500);
    // Relative to the machine: decoding every file costs several times what opening does.
    expect(millis).toBeLessThan(performance.now() - begin);
  }, 60_000);
});

describe('a chain in a collection of many', () => {
  const FULL = '2023/11/14-221320.00';
  const strangers = async (count: number, place: string): Promise<void> => {
    const storage = openStorage({ uri: `memory://${bucket}/east`, settings: {} });
    for (let serial = 0; serial < count; serial++)
      await storage.write(`${place}/${10_000 + serial}`, new Uint8Array(1));
  };

  it.each([
    ['below incrementals/', undefined],
    ['below the full', `/${FULL}`],
  ])(
    '%s opens whole by one listing and one for LATEST, and by one more when newer fulls or other chains are many',
    async (_, below) => {
      const uris = await write({ layers: 30, filesPerLayer: 3, localities: LOCALITIES, ...(below && { below }) });
      await strangers(1500, 'incrementals/2024/01/01-000000.00/20240101');
      const directories = async () => {
        const { opened, calls } = await open(uris, 30);
        return { directories: opened.layers.map(({ directory }) => directory), lists: calls.list };
      };
      const alone = await directories();
      expect(alone.directories[1]).toMatch(below === undefined ? /^\/incrementals\/2023/ : /^\/2023/);
      expect(alone.lists).toBe(2);
      // Older fulls lie before what is listed, and the other chains' incrementals between the two places.
      await strangers(1500, '2022/01/01-000000.00');
      expect(await directories()).toEqual({ ...alone, lists: 2 });
      await strangers(1500, 'incrementals/2022/01/01-000000.00/20220101');
      expect(await directories()).toEqual({ ...alone, lists: 3 });
    },
  );

  it('is found below both places where its full has a name that a user gave, which sorts behind incrementals/', async () => {
    const uris = await write({ layers: 4, filesPerLayer: 3, localities: [] });
    const [uri] = uris;
    const storage = openStorage({ uri: uri!, settings: {} });
    for await (const { name } of storage.list('')) {
      const to = name.replace(FULL, 'my/backup/name');
      if (to !== name) await storage.write(to, (await storage.read(name)).bytes);
      if (to !== name || name.startsWith('metadata/latest/')) await storage.delete(name);
    }
    await storage.write('LATEST', new Uint8Array(Buffer.from('my/backup/name')));
    const { opened } = await open(uris, 4);
    expect(opened.layers.map(({ directory }) => directory.replace(/\/[0-9]{8}\/.*/, ''))).toEqual([
      '/my/backup/name',
      ...Array(3).fill('/incrementals/my/backup/name'),
    ]);
  });
});

describe('a part whose list is longer than what is read of it at first', () => {
  it('is still checked to belong to its manifest before its layer is used', async () => {
    const uris = await write({ layers: 2, filesPerLayer: 20_000, localities: ['region=us-west'] });
    const part = `l0/incrementals/2023/11/14-221320.00/20231114/221420.00-20231114-221320.00/BACKUP_PART_1_region=us-west`;
    const storage = openStorage({ uri: `memory://${bucket}`, settings: {} });
    expect(await storage.size(part)).toBeGreaterThan(64 * 1024);
    const { opened } = await open(uris, 2);
    expect((await opened.layers[1]!.load()).files.length).toBe(20_000);
    const full = await storage.read('l0/2023/11/14-221320.00/BACKUP_PART_1_region=us-west');
    await storage.write(part, full.bytes);
    const wrong = await open(uris, 2);
    await expect(wrong.opened.layers[1]!.load()).rejects.toMatchObject({
      code: 'SV_MISSING_PART',
      message:
        'expected backup part to have backup ID 01010101-0101-0101-0101-010101010001, found 01010101-0101-0101-0101-010101010000',
    });
  }, 60_000);
});
