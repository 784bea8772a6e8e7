import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  abandonBackup,
  claimBackup,
  fullSubdir,
  listFulls,
  missingFiles,
  openBackup,
  parseBackupUris,
  publishBackup,
  readLatest,
  storeOf,
  targetStore,
} from '#src/collection/index.js';
import { SpanvaultError } from '#src/fault/index.js';
import { fromHex } from '#src/keys/index.js';
import { EMPTY_FILE, EMPTY_MANIFEST, type Manifest, readStatistics } from '#src/manifest/index.js';
import { type ExternalStorage, openStorage, registerDriver } from '#src/storage/index.js';

/** A driver over memory:// that notes its calls, which of them had ended when a write began, and fails at the one asked for. */
const calls: string[] = [];
const ended: { readonly call: string; readonly endedBefore: readonly string[] }[] = [];
let failAt = Number.POSITIVE_INFINITY;
registerDriver('failing', {
  parameters: [],
  open({ host, path }, settings): ExternalStorage {
    const inner = openStorage({ uri: `memory://${host}${path}`, settings });
    const noted = async (call: string, work: () => Promise<void>): Promise<void> => {
      const endedBefore = ended.map((one) => one.call);
      // Calls that do not wait for each other overlap.
      await new Promise((resolve) => setImmediate(resolve));
      await work();
      ended.push({ call, endedBefore });
    };
    const step = (call: string) => {
      if (calls.push(call) === failAt) throw new SpanvaultError('SV_STORAGE_IO', `no ${call}`);
    };
    return {
      display: `failing://${host}${path}`,
      async read(name, options) {
        step(`read ${name}`);
        return await inner.read(name, options);
      },
      async size(name) {
        step(`size ${name}`);
        return await inner.size(name);
      },
      async write(name, bytes, options) {
        step(`write ${name}`);
        await noted(`write ${name}`, () => inner.write(name, bytes, options));
      },
      async create(name, options) {
        step(`create ${name}`);
        const writer = await inner.create(name, options);
        return {
          write: (part) => writer.write(part),
          async finish(expectedBytes) {
            step(`finish ${name}`);
            await noted(`finish ${name}`, () => writer.finish(expectedBytes));
          },
          abort: () => writer.abort(),
        };
      },
      async *list(prefix, options) {
        step(`list ${prefix}`);
        yield* inner.list(prefix, options);
      },
      async delete(name) {
        step(`delete ${name}`);
        await inner.delete(name);
      },
      close: () => inner.close(),
    };
  },
});

let serial = 0;
const END = { wall: 1677164965_625_777_000n, logical: 3 };
const SUBDIR = '/2023/02/23-150925.62';

/** Default and two localities in one fresh bucket; `az=b` gets no file. */
function fresh(scheme = 'memory') {
  const bucket = `${scheme}://write-test-${process.pid}-${serial++}`;
  return [
    `${bucket}/east?COCKROACH_LOCALITY=default`,
    `${bucket}/west?COCKROACH_LOCALITY=region%3Dus-west`,
    `${bucket}/b?COCKROACH_LOCALITY=az%3Db`,
  ];
}

const claim = (uris: readonly string[], jobId = '42') =>
  claimBackup({ uris: parseBackupUris(uris, {}), settings: {}, directory: fullSubdir(END), jobId });

async function namesIn(uri: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of openStorage({ uri, settings: {} }).list('')) found.push(name);
  return found;
}

const MANIFEST: Manifest = {
  ...EMPTY_MANIFEST,
  endTime: END,
  spans: [{ key: fromHex('bb89'), endKey: fromHex('bb8b') }],
  files: [
    { ...EMPTY_FILE, span: { key: fromHex('bb89'), endKey: fromHex('bb8a') }, path: 'data/1.sst' },
    {
      ...EMPTY_FILE,
      span: { key: fromHex('bb8a'), endKey: fromHex('bb8b') },
      path: 'data/2.sst',
      localityKv: 'region=us-west',
    },
  ],
  // Descriptor{table{id: 52, version: 2}}
  descriptors: [fromHex('0a04 1834 2802')],
  clusterId: new Uint8Array(16).fill(1),
  id: new Uint8Array(16).fill(2),
  clusterVersion: { major: 23, minor: 1, patch: 0, internal: 0 },
};

async function backUp(uris: readonly string[]): Promise<void> {
  const target = await claim(uris);
  try {
    for (const file of MANIFEST.files) {
      await openStorage(targetStore(target, file.localityKv)).write(file.path, Buffer.from('an SST'));
    }
    await publishBackup(target, MANIFEST, { statistics: [] });
  } catch (error) {
    failAt = Number.POSITIVE_INFINITY;
    await abandonBackup(target);
    throw error;
  }
}

describe('publishing a backup', () => {
  it('writes every file where it belongs, and opens again from bare URIs in any order', async () => {
    const uris = fresh();
    await backUp(uris);
    const [east, west, b] = uris.map((uri) => uri.replace(/\?.*/, '')) as [string, string, string];
    expect(await namesIn(east)).toEqual([
      ...[
        'BACKUP-LOCK-42',
        'BACKUP-STATISTICS',
        'BACKUP_MANIFEST',
        'BACKUP_MANIFEST-CHECKSUM',
        'BACKUP_METADATA',
        'BACKUP_METADATA-CHECKSUM',
        'data/1.sst',
        'descriptorslist.sst',
        'filelist.sst',
      ].map((name) => `${SUBDIR.slice(1)}/${name}`),
      'LATEST',
      expect.stringMatching(/^metadata\/latest\/LATEST-13[0-9a-f]+fffe$/) as string,
    ]);
    expect(await namesIn(west)).toEqual([
      `${SUBDIR.slice(1)}/BACKUP_PART_1_region=us-west`,
      `${SUBDIR.slice(1)}/data/2.sst`,
    ]);
    expect(await namesIn(b)).toEqual([`${SUBDIR.slice(1)}/BACKUP_PART_2_az=b`]);

    const root = openStorage({ uri: east, settings: {} });
    expect(Buffer.from((await root.read('LATEST')).bytes).toString()).toBe(SUBDIR);
    expect(await readLatest(root)).toBe(SUBDIR);
    expect(await listFulls(root)).toEqual([SUBDIR]);
    const backup = await openBackup({ uris: [b, west, east], subdir: 'LATEST', settings: {} });
    const [layer] = backup.layers;
    expect(await layer!.load()).toMatchObject({
      ...MANIFEST,
      localityKvs: ['region=us-west', 'az=b'],
      partitionDescriptorFilenames: ['BACKUP_PART_1_region=us-west', 'BACKUP_PART_2_az=b'],
    });
    expect(storeOf(layer!, { localityKv: 'region=us-west' }).uri).toBe(west + SUBDIR);
    expect(await missingFiles(backup)).toEqual([]);
    expect(await readStatistics(openStorage(layer!.defaultStore))).toEqual([]);
    for (const missing of [
      [west, east],
      [east, b],
    ]) {
      await expect(openBackup({ uris: missing, subdir: SUBDIR, settings: {} })).rejects.toThrow(
        /^expected manifest BACKUP_PART_[12]_.* not found in backup locations$/,
      );
    }
  });

  it('goes in the order of durability', async () => {
    calls.length = 0;
    ended.length = 0;
    await backUp(fresh('failing'));
    const named = (call: string): string => call.replace(/LATEST-.*/, 'LATEST-<hex>');
    const writes = calls.filter((call) => /^(write|finish)/.test(call)).map(named);
    const ranks = [
      ['write BACKUP-LOCK-42'],
      ['write data/1.sst'],
      ['write data/2.sst'],
      [
        'finish descriptorslist.sst',
        'finish filelist.sst',
        'write BACKUP-STATISTICS',
        'write BACKUP_PART_1_region=us-west',
        'write BACKUP_PART_2_az=b',
      ],
      ['write BACKUP_MANIFEST-CHECKSUM', 'write BACKUP_METADATA-CHECKSUM'],
      ['write BACKUP_METADATA'],
      ['write BACKUP_MANIFEST'],
      ['write LATEST', 'write metadata/latest/LATEST-<hex>'],
    ];
    expect([...writes].sort()).toEqual(ranks.flat().sort());
    const rankOf = (call: string): number => ranks.findIndex((rank) => rank.includes(named(call)));
    // When a call begins, every call of an earlier rank has ended.
    for (const { call, endedBefore } of ended)
      for (const earlier of ranks.slice(0, rankOf(call)).flat())
        expect(endedBefore.map(named), call).toContain(earlier);
    expect(ended.map(({ call }) => named(call)).sort()).toEqual(ranks.flat().sort());
  });

  it('leaves nothing behind whichever call fails, and the backup before it stays the latest', async () => {
    calls.length = 0;
    await backUp(fresh('failing'));
    const total = calls.length;
    expect(total).toBeGreaterThan(15);
    for (let n = 1; n <= total; n++) {
      const uris = fresh('failing');
      const east = uris[0]!.replace(/\?.*/, '').replace('failing', 'memory');
      const root = openStorage({ uri: east, settings: {} });
      await root.write('LATEST', Buffer.from('/2020/01/01-000000.00'));
      calls.length = 0;
      failAt = n;
      await expect(backUp(uris), `call ${n}: ${calls[n - 1]}`).rejects.toThrow(/^no /);
      failAt = Number.POSITIVE_INFINITY;
      expect(await namesIn(east.replace('/east', '')), `after call ${n}: ${calls[n - 1]}`).toEqual(['east/LATEST']);
      expect(await readLatest(root)).toBe('/2020/01/01-000000.00');
    }
  });

  it('reads as unfinished after a kill at any write, until the manifest is there', async () => {
    calls.length = 0;
    await backUp(fresh('failing'));
    const writes = calls.length;
    let whole = 0;
    for (let n = 1; n <= writes; n++) {
      const uris = fresh('failing');
      calls.length = 0;
      failAt = n;
      const target = await claim(uris).catch(() => undefined);
      if (target !== undefined) {
        // Every call from the n-th on fails, as after a kill: cleaning up does not happen.
        const { push } = calls;
        calls.push = (call) => (push.call(calls, call) >= n ? n : 0);
        try {
          for (const file of MANIFEST.files)
            await openStorage(targetStore(target, file.localityKv)).write(file.path, Buffer.from('an SST'));
          await publishBackup(target, MANIFEST, { statistics: [] });
        } catch {
          // The kill.
        } finally {
          calls.push = push;
        }
      }
      failAt = Number.POSITIVE_INFINITY;
      const sources = uris.map((uri) => uri.replace('failing', 'memory'));
      for (const subdir of ['LATEST', SUBDIR]) {
        try {
          const backup = await openBackup({ uris: sources, subdir, settings: {} });
          expect(await missingFiles(backup)).toEqual([]);
          expect((await backup.layers[0]!.load()).files).toHaveLength(2);
          whole++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
        }
      }
    }
    expect(whole).toBeGreaterThan(2);
  });
});

describe('claiming a directory', () => {
  it('refuses one that is used, with CockroachDB words', async () => {
    const uris = fresh();
    const directory = `${uris[0]!.replace(/\?.*/, '')}${SUBDIR}`;
    await claim(uris, '1');
    await expect(claim(uris, '2')).rejects.toMatchObject({
      code: 'SV_EXISTS',
      message: `${directory} already contains a \`BACKUP-LOCK\` file written by job 1`,
    });
    const storage = openStorage({ uri: directory, settings: {} });
    await storage.delete('BACKUP-LOCK-1');
    for (const [name, message] of [
      ['BACKUP_MANIFEST', `${directory} already contains a BACKUP_MANIFEST file`],
      ['BACKUP_METADATA', `${directory} already contains a BACKUP_METADATA file`],
      [
        'BACKUP-CHECKPOINT',
        `${directory} already contains a BACKUP-CHECKPOINT file (is another operation already in progress?)`,
      ],
      [
        'progress/BACKUP-CHECKPOINT-13',
        `${directory} already contains a BACKUP-CHECKPOINT file (is another operation already in progress?)`,
      ],
    ]) {
      await storage.write(name!, Buffer.from('x'));
      await expect(claim(uris)).rejects.toMatchObject({ code: 'SV_EXISTS', message });
      await storage.delete(name!);
    }
    expect(await namesIn(directory)).toEqual([]);
    await claim(uris);
  });

  it('lets at most one of racing runs have it', async () => {
    for (let round = 0; round < 20; round++) {
      const uris = fresh();
      const results = await Promise.allSettled(['1', '2', '3'].map((jobId) => claim(uris, jobId)));
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    }
  });

  it('works on directories of nodes, and cleans them away', async () => {
    const externalIODir = await mkdtemp(join(tmpdir(), 'spanvault-write-'));
    const settings = { externalIODir };
    const uris = [
      'nodelocal://1/my backups?COCKROACH_LOCALITY=default',
      'nodelocal://2/my backups?COCKROACH_LOCALITY=region%3Dus-west',
    ];
    const target = await claimBackup({
      uris: parseBackupUris(uris, {}),
      settings,
      directory: fullSubdir(END),
      jobId: '7',
    });
    // A directory in the place of a partition descriptor makes its write fail.
    await mkdir(join(externalIODir, '2', 'my backups', SUBDIR, 'BACKUP_PART_1_region=us-west', 'x'), {
      recursive: true,
    });
    await expect(publishBackup(target, MANIFEST)).rejects.toMatchObject({ class: 'storage' });
    expect(
      (await readdir(join(externalIODir, '1', 'my backups', SUBDIR))).filter((name) => name.includes('MANIFEST')),
    ).toEqual([]);
    expect(await abandonBackup(target)).toBe(0);
    expect(await readdir(join(externalIODir, '1'))).toEqual([]);
    await rm(externalIODir, { recursive: true });
  });
});
