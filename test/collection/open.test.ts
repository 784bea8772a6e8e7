import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  listFulls,
  type MissingFile,
  missingFiles,
  missingFilesError,
  type OpenedBackup,
  openBackup,
  storeOf,
} from '#src/collection/index.js';
import { isEmptyTimestamp, printDecimal } from '#src/keys/index.js';
import { native } from '#src/native/index.js';
import { openStorage } from '#src/storage/index.js';

const FIXTURES = fileURLToPath(new URL('../../../shared/fixtures/cockroach-backups/', import.meta.url));
const there = existsSync(FIXTURES);
if (!there) console.warn('skipped: opening real CockroachDB backups; ../shared/fixtures does not exist');

const SUBDIR = '/2026/11/23-213535.02';
let serial = 0;

/** Copies folders of a fixture into a fresh bucket, as `from` → directory in the bucket; returns the bucket's URI. */
function load(folders: Readonly<Record<string, string>>): string {
  const bucket = `open-test-${process.pid}-${serial++}`;
  for (const [from, to] of Object.entries(folders)) {
    const root = join(FIXTURES, from);
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      const path = join(root, name);
      if (statSync(path).isFile()) native.memoryPut(bucket, to + name, readFileSync(path), false);
    }
  }
  return `memory://${bucket}`;
}

const open = (uris: readonly string[], subdir: string | undefined = 'LATEST') =>
  openBackup({ uris, subdir, settings: {} });

/** Every data file of the chain is where the opened backup says. */
async function expectWhole(backup: OpenedBackup): Promise<void> {
  expect(await missingFiles(backup)).toEqual([]);
  expect(backup.layers.length).toBeGreaterThan(0);
}

describe.skipIf(!there)('a real locality-aware chain', () => {
  const chain = () => {
    const uri = load({ 'v21.1-chain/default': 'east/', 'v21.1-chain/region=us-west': 'west/' });
    return { east: `${uri}/east`, west: `${uri}/west` };
  };

  it('opens with its locations in any order, bare, marked or with trailing slashes', async () => {
    const { east, west } = chain();
    for (const uris of [
      [east, west],
      [west, east],
      [`${east}/`, `${west}//`],
      [`${west}?COCKROACH_LOCALITY=region%3Dus-west`, `${east}?COCKROACH_LOCALITY=default`],
      [`memory://nothing-here-${process.pid}`, west, east],
    ]) {
      for (const subdir of ['LATEST', SUBDIR, SUBDIR.slice(1), `${SUBDIR}/`]) {
        const backup = await open(uris, subdir);
        expect(backup.root.uri).toBe(east);
        expect(backup.layers.map(({ directory }) => directory)).toEqual([
          SUBDIR,
          `${SUBDIR}/20261123/213535.74`,
          `${SUBDIR}/20261123/213536.55`,
        ]);
        expect(backup.layers.map(({ stores }) => [...stores])).toEqual(
          backup.layers.map(({ directory }) => [['region=us-west', { uri: west + directory, settings: {} }]]),
        );
        await expectWhole(backup);
      }
    }
  });

  it('is continuous from layer to layer', async () => {
    const { east, west } = chain();
    const { layers } = await open([east, west]);
    expect(isEmptyTimestamp(layers[0]!.head.startTime)).toBe(true);
    for (const [index, { head }] of layers.entries()) {
      if (index > 0) expect(printDecimal(head.startTime)).toBe(printDecimal(layers[index - 1]!.head.endTime));
    }
    const kvs: (readonly [string, boolean])[] = [];
    for (const layer of layers) {
      for (const file of (await layer.load()).files)
        kvs.push([file.localityKv, storeOf(layer, file).uri.includes('/west/')]);
    }
    expect(kvs.length).toBeGreaterThan(layers.length);
    expect(kvs.every(([kv, inWest]) => (kv === 'region=us-west') === inWest)).toBe(true);
  });

  it('names the part that is in none of the locations', async () => {
    const { east } = chain();
    await expect(open([east])).rejects.toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west not found in backup locations',
    });
  });

  it('finds no backup where only a part is', async () => {
    const { west } = chain();
    await expect(open([west])).rejects.toMatchObject({
      code: 'SV_STORAGE_NOT_FOUND',
      message: 'path does not contain a completed latest backup',
    });
    await expect(open([west], SUBDIR)).rejects.toThrow(
      'could not find BACKUP manifest file in any of the known locations: BACKUP_METADATA, BACKUP_MANIFEST, BACKUP',
    );
  });

  it('says how a wrong subdirectory should look, and that a right one is not there', async () => {
    const { east, west } = chain();
    await expect(open([east, west], 'yesterday')).rejects.toThrow(
      'provided subdir "yesterday" does not match expected format YYYY/MM/DD-HHMMSS.SS',
    );
    await expect(open([east, west], '/2020/01/01-000000.00')).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
  });

  it('opens when the parts were consolidated into one location', async () => {
    const uri = load({ 'v21.1-chain/default': 'all/', 'v21.1-chain/region=us-west': 'all/' });
    const backup = await open([`${uri}/all`]);
    expect([...backup.layers[2]!.stores.values()].map((store) => store.uri)).toEqual([
      backup.layers[2]!.defaultStore.uri,
    ]);
    await expectWhole(backup);
  });

  it('opens when a part was moved, and among copy tools’ directory objects', async () => {
    const uri = load({ 'v21.1-chain/default': 'moved/here/', 'v21.1-chain/region=us-west': 'and/there/' });
    const bucket = new URL(uri).host;
    for (const name of [
      'moved/',
      'moved/here/',
      `moved/here${SUBDIR}/`,
      'moved/here/metadata/latest/',
      'and/there/',
      `and/there${SUBDIR}/`,
    ]) {
      native.memoryPut(bucket, name, new Uint8Array(0), false);
    }
    await expectWhole(await open([`${uri}/moved/here`, `${uri}/and/there`]));
  });

  it('is not led astray by a stale LATEST in another location', async () => {
    const { east, west } = chain();
    native.memoryPut(new URL(west).host, 'west/LATEST', Buffer.from('/2020/01/01-000000.00'), false);
    expect((await open([west, east])).root.uri).toBe(east);
    native.memoryPut(new URL(east).host, 'east/metadata/latest/', new Uint8Array(0), false);
    native.memoryPut(new URL(east).host, 'east/metadata/latest/LATEST-13', Buffer.from(`${SUBDIR.slice(1)}/`), false);
    expect((await open([west, east])).subdir).toBe(SUBDIR);
    await expect(open([west])).rejects.toThrow('could not find BACKUP manifest file');
  });

  it('refuses a part of another backup', async () => {
    const uri = load({ 'v21.1-chain/default': 'east/', 'v21.1-chain/region=us-west': 'west/' });
    const bucket = new URL(uri).host;
    const part = 'BACKUP_PART_1_region=us-west';
    const other = native.memoryGet(bucket, `west${SUBDIR}/20261123/213535.74/${part}`, 0, -1)!;
    native.memoryPut(bucket, `west${SUBDIR}/${part}`, other, false);
    const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
    await expect(open([`${uri}/east`, `${uri}/west`])).rejects.toThrow(
      new RegExp(`^expected backup part to have backup ID ${uuid}, found ${uuid}$`),
    );
  });

  it('opens incrementals below incrementals/, and refuses them in both places', async () => {
    const { east, west } = chain();
    const bucket = new URL(east).host;
    const move = (root: string, keep: boolean) => {
      for (const name of native.memoryList(bucket, `${root}${SUBDIR}/20261123/`, '', 1000)) {
        const to = `${root}/incrementals${name.slice(root.length)}`;
        native.memoryPut(bucket, to, native.memoryGet(bucket, name, 0, -1)!, false);
        if (!keep) native.memoryDelete(bucket, name);
      }
    };
    move('east', true);
    await expect(open([east, west])).rejects.toThrow(
      'Incremental layers found in both old and new default locations. Please choose a location manually with the `incremental_location` parameter.',
    );
    move('east', false);
    move('west', false);
    const backup = await open([east, west]);
    expect(backup.layers.map(({ directory }) => directory)).toEqual([
      SUBDIR,
      `/incrementals${SUBDIR}/20261123/213535.74`,
      `/incrementals${SUBDIR}/20261123/213536.55`,
    ]);
    await expectWhole(backup);
  });

  it('lists missing data files of all locations', async () => {
    const { east, west } = chain();
    const backup = await open([east, west]);
    const gone: MissingFile[] = [];
    for (const [index, layer] of backup.layers.slice(0, 2).entries()) {
      const file = (await layer.load()).files.find(({ localityKv }) => (localityKv === '') === (index === 0))!;
      const { uri } = storeOf(layer, file);
      native.memoryDelete(new URL(uri).host, `${new URL(uri).pathname.slice(1)}/${file.path}`);
      gone.push({ layer: index, localityKv: file.localityKv, location: `${uri}/${file.path}` });
    }
    const missing = await missingFiles(backup);
    expect(missing).toEqual(gone);
    const [first, second] = gone.map(({ location }) => location);
    expect(missingFilesError(missing)).toMatchObject({
      code: 'SV_COVERAGE',
      message: `The following files are missing from the backup:\n\t${first}\n\t${second}`,
    });
  });

  it('names a damaged manifest, partition descriptor and LATEST', async () => {
    for (const name of [`east${SUBDIR}/BACKUP_MANIFEST`, `west${SUBDIR}/BACKUP_PART_1_region=us-west`]) {
      const { east, west } = chain();
      const bucket = new URL(east).host;
      const bytes = native.memoryGet(bucket, name, 0, -1)!;
      for (const damaged of [
        bytes.subarray(0, bytes.length / 2),
        bytes.map((byte, index) => (index === 30 ? byte ^ 1 : byte)),
      ]) {
        native.memoryPut(bucket, name, damaged, false);
        await expect(open([east, west])).rejects.toMatchObject({ code: 'SV_CORRUPT_MANIFEST' });
      }
    }
    for (const content of ['', '/2026/../../x', '/2026\0']) {
      const { east, west } = chain();
      native.memoryPut(new URL(east).host, 'east/LATEST', Buffer.from(content), false);
      await expect(open([east, west])).rejects.toMatchObject({
        code: 'SV_CORRUPT_MANIFEST',
        message: 'malformed LATEST file',
      });
    }
  });

  it('says that an encrypted chain is encrypted', async () => {
    const uri = load({ 'v21.1-chain-encrypted/default': 'east/', 'v21.1-chain-encrypted/region=us-west': 'west/' });
    await expect(open([`${uri}/east`, `${uri}/west`])).rejects.toThrow(
      'file appears encrypted -- try specifying one of "encryption_passphrase" or "kms"',
    );
  });
});

describe.skipIf(!there)('other real backups', () => {
  it.each([
    'v1.0.7',
    'v2.0.7',
    'v19.1.4',
    'v19.2-midaddindex-after',
    'v20.1-midmultitable-after',
    'v20.1.7-cluster',
    'v20.2-midmany-before',
  ])('%s opens as a plain directory, also by LATEST', async (name) => {
    const uri = load({ [name]: 'plain/' });
    for (const subdir of [undefined, 'LATEST']) {
      const backup = await openBackup({ uris: [`${uri}/plain/`], subdir, settings: {} });
      expect([backup.subdir, backup.layers.map(({ directory }) => directory)]).toEqual([undefined, ['']]);
      await expectWhole(backup);
    }
  });

  it.each(['v21.1-types', 'v21.1-bank', 'v21.1-cluster', 'v21.1-revisions'])(
    '%s opens by LATEST, by subdirectory and by its own path',
    async (name) => {
      const uri = load({ [name]: 'c/' });
      const [subdir] = await listFulls(openStorage({ uri: `${uri}/c`, settings: {} }));
      for (const backup of [
        await open([`${uri}/c`]),
        await open([`${uri}/c`], subdir),
        await openBackup({ uris: [`${uri}/c${subdir}`], subdir: undefined, settings: {} }),
      ]) {
        expect(backup.layers[0]!.defaultStore.uri).toBe(`${uri}/c${subdir}`);
        await expectWhole(backup);
      }
    },
  );

  it('reads fixtures in place through nodelocal', async () => {
    // The fixtures lie in <root>/cockroach-backups, and a node's directory must be a number: a link is made for it.
    const { mkdtemp, rm, symlink } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const root = await mkdtemp(join(tmpdir(), 'spanvault-open-'));
    await symlink(FIXTURES, join(root, '1'));
    const uris = ['nodelocal://1/v21.1-chain/region=us-west', 'nodelocal://1/v21.1-chain/default'];
    await expectWhole(await openBackup({ uris, subdir: 'LATEST', settings: { externalIODir: root } }));
    await rm(root, { recursive: true });
  });
});

describe('finding', () => {
  it('lists fulls with any kind of manifest, and nothing else', async () => {
    const storage = openStorage({ uri: `memory://find-test-${process.pid}-${serial++}/c`, settings: {} });
    for (const name of [
      '2023/02/23-150925.62/BACKUP_MANIFEST',
      '2023/02/23-150925.62/BACKUP_METADATA',
      '2023/02/23-150925.62/data/1.sst',
      '2023/02/24-150925.62/BACKUP_METADATA',
      '2022/02/24-150925.62/BACKUP',
      '2023/02/25-150925.62/BACKUP-LOCK-1',
      '2023/02/25-150925.62/BACKUP_MANIFEST-CHECKSUM',
      '2023/02/23-150925.62/20230223/160000.00/BACKUP_MANIFEST',
      'incrementals/2023/02/23-150925.62/20230223/160000.00-20230223-150925.62/BACKUP_MANIFEST',
      'metadata/latest/LATEST-1',
      'BACKUP_MANIFEST',
    ]) {
      await storage.write(name, Buffer.from('x'));
    }
    expect(await listFulls(storage)).toEqual([
      '/2022/02/24-150925.62',
      '/2023/02/23-150925.62',
      '/2023/02/24-150925.62',
    ]);
  });

  it('refuses paths that name different fulls', async () => {
    await expect(
      openBackup({
        uris: ['memory://a/2023/02/23-150925.62', 'memory://b/2023/02/24-150925.62/'],
        subdir: undefined,
        settings: {},
      }),
    ).rejects.toThrow(
      'provided backup locations appear to reference different full backups: /2023/02/23-150925.62 and /2023/02/24-150925.62',
    );
  });
});
