import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingFiles, openBackup } from '#src/collection/index.js';
import { startFiles } from '../storage/servers/files.js';

const FIXTURES = fileURLToPath(new URL('../../../shared/fixtures/cockroach-backups/', import.meta.url));
const there = existsSync(FIXTURES);
if (!there) console.warn('skipped: reading real CockroachDB backups over HTTP; ../shared/fixtures does not exist');

const SUBDIR = '/2026/11/23-213535.02';

describe.skipIf(!there)('a real locality-aware chain behind a file server', () => {
  let root: string;
  let server: Awaited<ReturnType<typeof startFiles>>;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'spanvault-http-'));
    await cp(join(FIXTURES, 'v21.1-chain', 'default'), join(root, 'east'), { recursive: true });
    await cp(join(FIXTURES, 'v21.1-chain', 'region=us-west'), join(root, 'west'), { recursive: true });
    server = await startFiles(root);
  });
  afterEach(async () => {
    await server.stop();
    await rm(root, { recursive: true });
  });

  it('opens its full by LATEST or by name, the locations in any order, and says that it looked for no incrementals', async () => {
    const uris = [`${server.url}/west`, `${server.url}/east`];
    for (const subdir of ['LATEST', SUBDIR]) {
      const backup = await openBackup({ uris, subdir, settings: {} });
      expect(backup.subdir).toBe(SUBDIR);
      expect(backup.layers).toHaveLength(1);
      expect([...backup.layers[0]!.stores]).toEqual([
        ['region=us-west', { uri: `${server.url}/west${SUBDIR}`, settings: {} }],
      ]);
      expect(backup.notices).toEqual([
        `${server.url}/east does not list its objects: incremental layers were not looked for`,
      ]);
      expect(await missingFiles(backup)).toEqual([]);
    }
  });

  it('opens a chain whose layers are named', async () => {
    const layers = ['/20261123/213535.74', '/20261123/213536.55'];
    const backup = await openBackup({
      uris: [`${server.url}/west${SUBDIR}`, `${server.url}/east${SUBDIR}`],
      subdir: undefined,
      incrementals: layers.map((layer) => ['west', 'east'].map((name) => `${server.url}/${name}${SUBDIR}${layer}`)),
      settings: {},
    });
    expect(backup.layers).toHaveLength(3);
    expect(backup.notices).toEqual([]);
    expect(await missingFiles(backup)).toEqual([]);
  });

  it('says what is missing in the words of stores that list', async () => {
    const opening = (subdir: string, path: string) =>
      openBackup({ uris: [`${server.url}/${path}`], subdir, settings: {} });
    await expect(opening('LATEST', 'nowhere')).rejects.toMatchObject({
      code: 'SV_STORAGE_NOT_FOUND',
      message: 'path does not contain a completed latest backup',
    });
    await expect(opening('/2001/01/01-000000.00', 'east')).rejects.toThrow('could not find BACKUP manifest file');
    await expect(opening(SUBDIR, 'east')).rejects.toMatchObject({ code: 'SV_MISSING_PART' });
  });
});
