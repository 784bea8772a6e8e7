import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sweepLayers } from '#src/collection/index.js';
import { native } from '#src/native/index.js';
import { openStorage } from '#src/storage/index.js';
import { runWith } from '../cli/fakes.js';

let count = 0;

/** Two locations that hold the given objects of one byte. */
function collection(east: readonly string[], west: readonly string[]) {
  const buckets = [0, 1].map((index) => `abandoned-${process.pid}-${count++}-${index}`);
  for (const [index, names] of [east, west].entries())
    for (const name of names) native.memoryPut(buckets[index]!, `c/${name}`, new Uint8Array(1), false);
  const left = (): string[][] =>
    buckets.map((bucket) => native.memoryList(bucket, 'c/', '', 1000).map((name) => name.slice(2)));
  return { uris: buckets.map((bucket) => `memory://${bucket}/c`), left };
}

const WHOLE = '2023/02/23-150925.62';
const KILLED = '2023/02/24-150925.62';
const INCREMENTAL = `incrementals/${WHOLE}/20230225/153000.00-20230223-150925.62`;
const EAST = [
  'LATEST',
  `${WHOLE}/BACKUP-LOCK-1`,
  `${WHOLE}/BACKUP_MANIFEST`,
  `${WHOLE}/data/1.sst`,
  `${KILLED}/BACKUP-LOCK-2`,
  `${KILLED}/data/2.sst`,
  `incrementals/${WHOLE}/BACKUP-LOCK-AFTER-1677164965625777000.0`,
  `${INCREMENTAL}/BACKUP-LOCK-3`,
  `${INCREMENTAL}/data/3.sst`,
  'strange/BACKUP-LOCK-4',
];
const WEST = [`${WHOLE}/data/4.sst`, `${KILLED}/BACKUP_PART_1_region=west`, `${KILLED}/data/5.sst`];
const ofKilled = (name: string): boolean => name.startsWith(KILLED) || name.startsWith(INCREMENTAL);

test('what killed backups left is found everywhere, and removed only when told', async () => {
  const { uris, left } = collection(EAST, WEST);
  const options = { uris, settings: {}, olderThanSeconds: 3600 };
  const found = await sweepLayers({ ...options, remove: false });
  expect(found.map(({ directory, objects, bytes, removed }) => [directory, objects, bytes, removed])).toEqual([
    [KILLED, 2, 2, false],
    [KILLED, 2, 2, false],
    [INCREMENTAL, 2, 2, false],
  ]);
  expect(found[0]!.since.toISOString()).toBe('2023-02-24T15:09:25.000Z');
  expect(left()).toEqual([EAST, WEST].map((names) => [...names].sort()));
  expect(await sweepLayers({ ...options, remove: true })).toHaveLength(3);
  expect(left()).toEqual([EAST, WEST].map((names) => names.filter((name) => !ofKilled(name)).sort()));
  expect(await sweepLayers({ ...options, remove: true })).toEqual([]);
});

test('a location without manifests gives no layer away, nor does one that is young', async () => {
  const { uris, left } = collection(EAST, WEST);
  const before = left();
  expect(await sweepLayers({ uris: [uris[1]!], settings: {}, remove: true, olderThanSeconds: 0 })).toEqual([]);
  const century = 100 * 365 * 86_400;
  expect(await sweepLayers({ uris, settings: {}, remove: true, olderThanSeconds: century })).toEqual([]);
  expect(left()).toEqual(before);
});

test('a layer is as old as its youngest object, whatever end its name tells, where the store tells', async () => {
  const root = mkdtempSync(join(tmpdir(), 'spanvault-sweep-'));
  const settings = { externalIODir: root };
  const uris = ['nodelocal://1/c', 'nodelocal://2/c'];
  for (const [index, names] of [EAST, WEST].entries()) {
    const storage = openStorage({ uri: uris[index]!, settings });
    for (const name of names) await storage.write(name, new Uint8Array(1));
  }
  const swept = async (hours: number): Promise<string[]> => {
    const found = await sweepLayers({ uris, settings, remove: false, olderThanSeconds: hours * 3600 });
    return [...new Set(found.map(({ directory }) => directory))];
  };
  // Backups of a year long past, which run now.
  expect(await swept(1)).toEqual([]);
  const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * 3_600_000);
  for (const [index, names] of [EAST, WEST].entries())
    for (const name of names.filter(ofKilled))
      utimesSync(join(root, `${index + 1}/c/${name}`), hoursAgo(5), hoursAgo(5));
  expect(await swept(6)).toEqual([]);
  expect(await swept(4)).toEqual([KILLED, INCREMENTAL]);
  // One object of one location is enough to tell that its writer lives.
  utimesSync(join(root, `2/c/${KILLED}/data/5.sst`), hoursAgo(0), hoursAgo(0));
  expect(await swept(4)).toEqual([INCREMENTAL]);
  rmSync(root, { recursive: true });
});

test('a directory below which any manifest lies is left alone', async () => {
  const below = `${KILLED}/20230225/153000.00/BACKUP_MANIFEST`;
  const { uris } = collection(EAST, [...WEST, below]);
  const found = await sweepLayers({ uris, settings: {}, remove: true, olderThanSeconds: 0 });
  expect(found.map(({ directory }) => directory)).toEqual([INCREMENTAL]);
});

test('the command changes nothing unless told', async () => {
  const { uris, left } = collection(EAST, WEST);
  const before = left();
  const host = {
    withStorage: <T>(_: string | undefined, _dir: string | undefined, use: (settings: object) => Promise<T>) => use({}),
  };
  const dry = await runWith(host, ['sweep', ...uris]);
  expect([dry.code, dry.stderr]).toEqual([0, '']);
  expect(dry.stdout).toContain(KILLED);
  expect(dry.stdout).toContain('kept');
  expect(left()).toEqual(before);
  const wet = await runWith(host, ['sweep', '--remove', '--json', ...uris]);
  expect(
    wet.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ event, removed }) => removed ?? event),
  ).toEqual([true, true, true, 'usage']);
  expect(left().flat().filter(ofKilled)).toEqual([]);
});

test('the command finds unfinished files of nodelocal too', async () => {
  const root = mkdtempSync(join(tmpdir(), 'spanvault-sweep-'));
  const storage = openStorage({ uri: 'nodelocal://1/c', settings: { externalIODir: root } });
  await storage.write('kept', new Uint8Array(1));
  const writer = await storage.create('lost');
  await writer.write(new Uint8Array(10));
  const host = {
    withStorage: <T>(_: string | undefined, externalIODir: string | undefined, use: (settings: object) => Promise<T>) =>
      use({ externalIODir }),
  };
  const args = ['sweep', '--external-io-dir', root, '--older-than-hours', '0', 'nodelocal://1/c'];
  const dry = await runWith(host, args);
  expect(dry.stdout).toMatch(/unfinished file.*kept/);
  expect(readdirSync(join(root, '1/c'))).toHaveLength(2);
  const wet = await runWith(host, [...args, '--remove']);
  expect(wet.stdout).toMatch(/unfinished file.*removed/);
  expect(readdirSync(join(root, '1/c'))).toEqual(['kept']);
  await writer.abort();
  rmSync(root, { recursive: true });
});
