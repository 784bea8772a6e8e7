import { afterEach, describe, expect, test } from 'vitest';
import { BANK_TABLE, decodeZone, parseNamePattern, type TableSpec, type ZoneRow } from '#src/catalog/index.js';
import { movrUuid } from '#src/cluster/embedded/workload/movr_data.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import type { Datum } from '#src/rows/index.js';
import { collect, temporaryCluster } from './temporary_cluster.js';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

async function open(): Promise<EmbeddedCluster> {
  const { cluster, dispose } = await temporaryCluster();
  disposals.push(dispose);
  return cluster;
}

const PEOPLE: TableSpec = {
  name: 'people',
  columns: [
    { name: 'id', type: 'INT8' },
    { name: 'mail', type: 'STRING' },
    { name: 'city', type: 'STRING' },
    { name: 'note', type: 'BYTES' },
  ],
  primaryKey: ['id'],
  indexes: [
    { name: 'people_mail_key', columns: ['mail'], unique: true },
    { name: 'people_city_idx', columns: ['city'], storing: ['note'] },
  ],
  families: [
    { name: 'primary', columns: ['id', 'mail', 'city'] },
    { name: 'fam_note', columns: ['note'] },
  ],
};

describe('rows', () => {
  test('are inserted, read, changed and deleted with every index kept', async () => {
    const cluster = await open();
    await cluster.createDatabase('d');
    const [table] = await cluster.createTables('d', [PEOPLE]);
    const rows = [
      [1n, 'a@x', 'rome', new Uint8Array([1])],
      [2n, 'b@x', 'oslo', null],
      [3n, null, 'rome', null],
      [4n, null, null, new Uint8Array([4])],
    ];
    expect(cluster.rows.insert(table!, rows)).toBe(4);
    const read = () => collect(cluster.rows.select(table!));
    expect(await read()).toEqual(rows);
    expect(await collect(cluster.rows.select(table!, { key: [2n] }))).toEqual([rows[1]]);
    expect(await collect(cluster.rows.select(table!, { limit: 2 }))).toEqual(rows.slice(0, 2));
    const early = cluster.now();
    expect(
      cluster.rows.update(
        table!,
        [2n],
        new Map<string, Datum>([
          ['city', 'rome'],
          ['note', new Uint8Array([9])],
        ]),
      ),
    ).toBe(1);
    expect(cluster.rows.update(table!, [99n], new Map([['city', 'x']]))).toBe(0);
    expect(cluster.rows.update(table!, [3n], new Map([['id', 30n]]))).toBe(1);
    expect(cluster.rows.remove(table!, [1n])).toBe(1);
    expect(cluster.rows.remove(table!, [1n])).toBe(0);
    const after = [
      [2n, 'b@x', 'rome', new Uint8Array([9])],
      [4n, null, null, new Uint8Array([4])],
      [30n, null, 'rome', null],
    ];
    expect(await read()).toEqual(after);
    expect(await collect(cluster.rows.select(table!, { asOf: early }))).toEqual(rows);
    // A second table with the rows that are left has equal fingerprints of every index: none has a stale entry.
    const [fresh] = await cluster.createTables('d', [{ ...PEOPLE, name: 'fresh' }]);
    cluster.rows.insert(fresh!, await read());
    expect(await cluster.rows.fingerprints(fresh!)).toEqual(await cluster.rows.fingerprints(table!));
    expect(await cluster.rows.fingerprints(table!)).toHaveLength(3);
  });

  test('that violate a constraint change nothing', async () => {
    const cluster = await open();
    await cluster.createDatabase('d');
    const [table] = await cluster.createTables('d', [PEOPLE]);
    cluster.rows.insert(table!, [[1n, 'a@x', null, null]]);
    const primary = 'duplicate key value violates unique constraint "primary"';
    expect(() =>
      cluster.rows.insert(table!, [
        [2n, 'c@x', null, null],
        [1n, 'd@x', null, null],
      ]),
    ).toThrow(primary);
    expect(() =>
      cluster.rows.insert(table!, [
        [5n, null, null, null],
        [5n, null, null, null],
      ]),
    ).toThrow(primary);
    expect(() => cluster.rows.insert(table!, [[2n, 'a@x', null, null]])).toThrow(
      'duplicate key value violates unique constraint "people_mail_key"',
    );
    expect(() => cluster.rows.insert(table!, [[null, 'b@x', null, null]])).toThrow(
      'null value in column "id" violates not-null constraint',
    );
    expect(() => cluster.rows.update(table!, [1n], new Map([['nope', 1n]]))).toThrow('column "nope" does not exist');
    cluster.rows.insert(table!, [[2n, 'b@x', null, null]]);
    expect(() => cluster.rows.update(table!, [2n], new Map([['mail', 'a@x']]))).toThrow('people_mail_key');
    expect(await collect(cluster.rows.select(table!))).toHaveLength(2);
    cluster.rows.remove(table!, [1n]);
    expect(cluster.rows.update(table!, [2n], new Map([['mail', 'a@x']]))).toBe(1);
  });

  test('of system.zones replace those that are there and place ranges anew', async () => {
    const cluster = await open();
    const zones = cluster.table('system.zones');
    const before = (await collect(cluster.rows.select(zones))).map(
      ([id, config]): ZoneRow => ({ id: Number(id), config: config as Uint8Array }),
    );
    expect(before.map(({ id }) => id)).toEqual([0, 1, 16, 17, 22]);
    expect(decodeZone(before[0]!.config).numReplicas).toBe(3);
    await cluster.configureZone(
      { kind: 'range', name: 'default' },
      { kind: 'set', settings: [{ name: 'num_replicas', value: 1 }] },
    );
    const ofDefault = () => cluster.ranges().at(-1)!.replicas.length;
    expect(ofDefault()).toBe(1);
    cluster.rows.insert(zones, [[0n, before[0]!.config]]);
    expect(ofDefault()).toBe(3);
  });
});

describe('the catalog', () => {
  test('can be read as it was, dropped tables and their rows included', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'bank', { rows: 10 });
    const table = cluster.table('bank.bank');
    const then = cluster.now();
    await cluster.dropTables([table]);
    expect(() => cluster.table('bank.bank')).toThrow('relation "bank.bank" does not exist');
    await cluster.dropDatabase('bank', 'restrict');
    expect(cluster.catalog().database('bank')).toBeUndefined();
    expect(
      await collect(cluster.rows.select(cluster.table('bank.bank', 'defaultdb', then), { asOf: then })),
    ).toHaveLength(10);
    await cluster.createDatabase('bank');
    const [again] = await cluster.createTables('bank', [BANK_TABLE]);
    expect(again!.id).toBeGreaterThan(table.id);
    expect(cluster.catalog(then).tableById(table.id)?.name).toBe('bank');
  });

  test('lets go of dropped rows after gc.ttlseconds, unless a time is protected', async () => {
    const cluster = await open();
    await cluster.configureZone(
      { kind: 'range', name: 'default' },
      { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 1 }] },
    );
    await cluster.createDatabase('d');
    const tables = await cluster.createTables(
      'd',
      ['a', 'b', 'c'].map((name) => ({ ...BANK_TABLE, name })),
    );
    cluster.rows.insert(tables[0]!, [[1n, 0n, 'x']]);
    const then = cluster.now();
    const release = await cluster.source().protect(then);
    await cluster.dropTables([tables[0]!]);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const rows = () => collect(cluster.rows.select(tables[0]!, { asOf: then }));
    await cluster.dropTables([tables[1]!]);
    expect(await rows()).toHaveLength(1);
    await release();
    await cluster.dropTables([tables[2]!]);
    await expect(rows()).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(
        /^batch timestamp \d+\.\d{9},\d+ must be after replica GC threshold \d+\.\d{9},\d+$/,
      ),
    });
  });

  test('refuses names that are taken and drops that others depend on', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'movr', { rows: 50 });
    await expect(cluster.createDatabase('movr')).rejects.toMatchObject({
      code: 'SV_EXISTS',
      message: 'database "movr" already exists',
    });
    await expect(cluster.createTables('movr', [{ ...BANK_TABLE, name: 'users' }])).rejects.toMatchObject({
      message: 'relation "users" already exists',
    });
    await expect(workloadInit(cluster, 'movr')).rejects.toMatchObject({ code: 'SV_EXISTS' });
    await expect(cluster.dropTables([cluster.table('movr.users')])).rejects.toMatchObject({
      message: expect.stringContaining('"users" is referenced by foreign key from table'),
    });
    await expect(cluster.dropTables([cluster.table('system.users')])).rejects.toMatchObject({ code: 'SV_CONSTRAINT' });
    await expect(cluster.dropDatabase('movr', 'restrict')).rejects.toMatchObject({
      message: 'database "movr" is not empty and RESTRICT was specified',
    });
    const before = cluster.table('movr.rides');
    await cluster.dropTables([cluster.table('movr.users')], 'cascade');
    const after = cluster.table('movr.rides');
    expect(after.message.outboundFks.map(({ name }) => name)).toEqual(['fk_vehicle_city_ref_vehicles']);
    expect(after.version).toBe(before.version + 1);
    expect(cluster.table('movr.vehicles').message.inboundFks).toHaveLength(1);
    await cluster.dropDatabase('movr', null);
    expect(
      cluster
        .catalog()
        .tables()
        .some(({ parentId }) => parentId === before.parentId),
    ).toBe(false);
    expect(parseNamePattern('movr.rides').parts).toEqual(['movr', 'rides']);
  });
});

describe('workloads', () => {
  test('are the same on every machine and land in their regions', async () => {
    const cluster = await open();
    const facts = await workloadInit(cluster, 'movr');
    expect(Object.fromEntries(facts.tables.map(({ name, rows }) => [name, rows]))).toEqual({
      users: 50,
      vehicles: 15,
      rides: 500,
      vehicle_location_histories: 1000,
      promo_codes: 1000,
      user_promo_codes: 0,
    });
    const prints = async (database: string) =>
      Promise.all(facts.tables.map(({ name }) => cluster.rows.fingerprints(cluster.table([database, name]))));
    await workloadInit(cluster, 'movr', { database: 'again' });
    expect(await prints('again')).toEqual(await prints('movr'));
    await workloadInit(cluster, 'movr', { database: 'other', seed: 2 });
    expect(await prints('other')).not.toEqual(await prints('movr'));
    for (const { wantedLocality, replicas } of cluster.ranges()) {
      const region = wantedLocality?.[0]?.value;
      if (region !== undefined) expect(replicas).toEqual([{ 'us-west1': 1, 'us-east1': 2, 'europe-west1': 3 }[region]]);
    }
    const ids = new Set(
      (await collect(cluster.rows.select(cluster.table('movr.rides')))).map(([id]) => JSON.stringify(id)),
    );
    expect(ids.size).toBe(500);
  });

  test('bank and kv have the rows asked for', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'bank', { rows: 300 });
    await workloadInit(cluster, 'kv', { rows: 1000, valueBytes: 16 });
    const bank = await collect(cluster.rows.select(cluster.table('bank.bank')));
    expect(bank).toHaveLength(300);
    expect(bank[7]!.slice(0, 2)).toEqual([7n, 0n]);
    expect(String(bank[7]![2])).toMatch(/^initial-[a-zA-Z]{92}$/);
    const kv = await collect(cluster.rows.select(cluster.table('kv.kv')));
    expect(kv).toHaveLength(1000);
    expect(kv.every(([k, v], index) => k === BigInt(index) && v instanceof Uint8Array && v.length === 16)).toBe(true);
  });

  test('that are aborted leave nothing', async () => {
    const cluster = await open();
    const controller = new AbortController();
    const run = workloadInit(cluster, 'kv', {
      rows: 1_000_000,
      signal: controller.signal,
      onRows: () => controller.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'SV_ABORTED' });
    expect(cluster.catalog().database('kv')).toBeDefined();
    expect(() => cluster.table('kv.kv')).toThrow('does not exist');
    const stats = await cluster.core.store.stats({ key: Uint8Array.of(0xbe), endKey: Uint8Array.of(0xff) }, 1e9, 1e9);
    expect(stats.entries).toBe(0);
  });
});

test('movr has the UUIDs that CockroachDB’s workload makes', () => {
  const text = (index: number, count: number) => Buffer.from(movrUuid(index, count).bytes).toString('hex');
  expect(text(14, 20)).toBe('b333333333334000800000000000000e');
  expect(text(10, 15)).toBe('aaaaaaaaaaaa4800800000000000000a');
  expect(text(134, 200)).toBe('ab851eb851eb48008000000000000086');
  expect(text(3, 20)).toBe('26666666666646008000000000000003');
  expect(text(0, 20)).toBe('00000000000040008000000000000000');
});
