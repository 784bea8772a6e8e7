import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { native } from '#src/native/index.js';
import { coverSpans } from '#src/restore/index.js';
import { ENDS, FULL, freshCluster, there } from './chain_fixture.js';
import { callsSeen, watch } from './faulty_storage.js';
import { closeSql, lines, sql, sqlRoot } from './sql_cluster.js';

/*
 * Failure classes that CockroachDB's advisories and release notes record (crdb-features.md, section 10), as far as they are
 * about reading: each by its id.
 */

afterAll(closeSql);

const FIXTURE = resolve(import.meta.dirname, '../../../shared/fixtures/cockroach-backups/v21.1-chain');
let serial = 0;

/** The fixture's chain in a bucket of memory, its locations as `east` and `west`. */
function memoryChain(): string {
  const bucket = `reading-${process.pid}-${serial++}`;
  for (const [from, to] of [
    ['default', 'east'],
    ['region=us-west', 'west'],
  ] as const) {
    for (const name of readdirSync(join(FIXTURE, from), { recursive: true, encoding: 'utf8' })) {
      const path = join(FIXTURE, from, name);
      if (statSync(path).isFile()) native.memoryPut(bucket, `${to}/${name}`, readFileSync(path), false);
    }
  }
  return bucket;
}

const listOf = (scheme: string, bucket: string): string =>
  `('${scheme}://${bucket}/west', '${scheme}://${bucket}/east')`;
const ROWS = ['SELECT * FROM ch.acct', 'SELECT * FROM ch.late'];

async function restoredRows(from: string): Promise<readonly (readonly string[])[]> {
  const session = await freshCluster(sqlRoot());
  await sql(session, `RESTORE DATABASE ch FROM ${from}`);
  return [await lines(session, ROWS[0]!), await lines(session, ROWS[1]!)];
}

describe.skipIf(!there)('failure classes of reading', () => {
  test('R #106235: empty `…/` objects and strangers in every folder change nothing', async () => {
    const bucket = memoryChain();
    const clean = await restoredRows(`LATEST IN ${listOf('memory', bucket)}`);
    expect(clean.map((rows) => rows.length)).toEqual([2851, 490]);
    const folders = new Set<string>();
    for (const name of native.memoryList(bucket, '', '', 10_000)) {
      const parts = name.split('/');
      for (let depth = 1; depth < parts.length; depth++) folders.add(`${parts.slice(0, depth).join('/')}/`);
    }
    for (const location of ['east', 'west']) {
      for (const more of [
        'metadata/',
        'metadata/latest/',
        'metadata/index/',
        'incrementals/',
        `incrementals/${FULL}/`,
        'progress/',
      ])
        folders.add(`${location}/${more}`);
    }
    const strangers = [
      '',
      '.DS_Store',
      '0',
      'README.txt',
      'data/',
      '~$x',
      'zz/zz.txt',
      '20261123/',
      'BACKUP_MANIFEST~',
      'LATEST.old',
    ];
    for (const folder of folders)
      for (const stranger of strangers) native.memoryPut(bucket, folder + stranger, new Uint8Array(0), true);
    expect(await restoredRows(`LATEST IN ${listOf('memory', bucket)}`)).toEqual(clean);
    const session = await freshCluster(sqlRoot());
    expect(await lines(session, `SHOW BACKUPS IN 'memory://${bucket}/east'`)).toEqual([`/${FULL}`]);
    const shown = await sql(session, `SHOW BACKUP FROM LATEST IN ${listOf('memory', bucket)} WITH check_files`);
    expect([shown.rows.length, shown.notices]).toEqual([8, []]);
  });

  test('R #164301: whatever lies in the index of backups, layers are found by their manifests', async () => {
    const bucket = memoryChain();
    const clean = await restoredRows(`LATEST IN ${listOf('memory', bucket)}`);
    const show = async (): Promise<unknown> => {
      const session = await freshCluster(sqlRoot());
      const shown = await sql(session, `SHOW BACKUP FROM LATEST IN ${listOf('memory', bucket)} WITH check_files`);
      return [shown.rows, shown.notices, await lines(session, `SHOW BACKUPS IN 'memory://${bucket}/east'`)];
    };
    const shown = await show();
    // The index of another version: entries of layers that are not there, cut ones, and none of those that are.
    const garbage = new Uint8Array([0xff, 0x00, 0x08, 0x96, 0x01]);
    for (const location of ['east', 'west']) {
      for (const name of [
        'metadata/index/ffffffff_20991231-000000.00/ffffffff_0_20991231-000000.00_metadata.pb',
        `metadata/index/${FULL.replaceAll('/', '-')}/x_metadata.pb`,
        'index/2026-11-23-213535.02/0_1_metadata.pb',
      ])
        native.memoryPut(bucket, `${location}/${name}`, name.startsWith('index/') ? new Uint8Array(0) : garbage, true);
    }
    expect(await restoredRows(`LATEST IN ${listOf('memory', bucket)}`)).toEqual(clean);
    expect(await show()).toEqual(shown);
  });

  test('R #151148: a storage error at the start of a restore fails it, and leaves neither tables nor an older state', async () => {
    const bucket = memoryChain();
    const session = await freshCluster(sqlRoot());
    const opening = `SHOW BACKUP FROM LATEST IN ${listOf('faulty', bucket)}`;
    watch();
    await sql(session, opening);
    const calls = callsSeen();
    expect(calls).toBeGreaterThan(10);
    for (let call = 1; call <= calls; call++) {
      watch((number) => (number === call ? 'fail before' : 'pass'));
      await expect(
        sql(session, `RESTORE DATABASE ch FROM LATEST IN ${listOf('faulty', bucket)}`),
        `call ${call}`,
      ).rejects.toMatchObject({ code: 'SV_STORAGE_IO' });
      expect((await lines(session, 'SHOW DATABASES')).filter((line) => line.startsWith('ch,'))).toEqual([]);
    }
    watch();
  });

  test('R #103761: SHOW BACKUP shows locality-aware chains whole, at each subdirectory and from each bucket first', async () => {
    const bucket = memoryChain();
    const session = await freshCluster(sqlRoot());
    const [east, west] = [`'memory://${bucket}/east'`, `'memory://${bucket}/west'`];
    for (const from of ['LATEST', `'${FULL}'`, `'/${FULL}/'`]) {
      for (const list of [`(${east}, ${west})`, `(${west}, ${east})`]) {
        const ends = await sql(session, `SHOW BACKUP FROM ${from} IN ${list}`);
        expect(new Set(ends.rows.map((row) => row[6])).size).toBe(ENDS.length);
      }
    }
  });
});

describe('A101963: the revisions of a key in two files', () => {
  test('a unit that begins at the key reads the file that ends in it, where ends are inclusive', () => {
    const key = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
    const span = { key: key('a'), endKey: key('z') };
    const time = (wall: number) => ({ wall: BigInt(wall), logical: 0 });
    const file = (from: string, to: string) => ({
      path: `${from}${to}`,
      localityKv: '',
      span: { key: key(from), endKey: key(to) },
      dataBytes: 100,
    });
    const filesOf = (endInclusive: boolean) =>
      coverSpans({
        spans: [span],
        layers: [
          {
            startTime: time(0),
            endTime: time(9),
            spans: [span],
            introducedSpans: [],
            endInclusive,
            files: [file('a', 'm'), file('m', 'z')],
          },
        ],
        cutKeys: [],
        targetBytes: 1,
        maxFiles: 200,
      }).map(({ files }) => files.map((one) => one.file));
    expect(filesOf(true)).toEqual([[0], [0, 1]]);
    expect(filesOf(false)).toEqual([[0], [1]]);
  });
});

describe('A190483: restore units are cut at row boundaries only', () => {
  const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
  const time = (wall: number) => ({ wall: BigInt(wall), logical: 0 });
  const table = { key: bytes(0xbd, 0x89), endKey: bytes(0xbd, 0x8a) };
  const file = (key: Uint8Array, endKey: Uint8Array) => ({
    path: 'x',
    localityKv: '',
    span: { key, endKey },
    dataBytes: 100,
  });

  test('also where a file begins between two column families of a row', () => {
    // Row 5, families 0 and 1: /Table/53/1/5/0 and /Table/53/1/5/1/1; the second file begins at the latter.
    const midRow = bytes(0xbd, 0x89, 0x8d, 0x89, 0x89);
    const units = coverSpans({
      spans: [table],
      layers: [
        {
          startTime: time(0),
          endTime: time(9),
          spans: [table],
          introducedSpans: [],
          endInclusive: false,
          files: [file(table.key, midRow), file(midRow, table.endKey)],
        },
      ],
      cutKeys: [],
      targetBytes: 1,
      maxFiles: 200,
    });
    const row = bytes(0xbd, 0x89, 0x8d);
    expect(units.map(({ span }) => span)).toEqual([
      { key: table.key, endKey: row },
      { key: row, endKey: table.endKey },
    ]);
    // The whole row is in the second unit, from both files.
    expect(units.map(({ files }) => files.map((one) => one.file))).toEqual([[0], [0, 1]]);
  });
});
