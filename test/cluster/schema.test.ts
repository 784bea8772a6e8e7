import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { indexPrefix, prefixSpan, SYSTEM_TABLE_IDS, type Table, type TableSpec } from '#src/catalog/index.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import { compareTimestamps, type Timestamp } from '#src/keys/index.js';
import { flawsOfCatalog } from '../catalog/validate.js';
import { collect, temporaryCluster } from './temporary_cluster.js';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

async function open(localities?: readonly string[]): Promise<EmbeddedCluster> {
  const { cluster, dispose } = await temporaryCluster(localities);
  disposals.push(dispose);
  return cluster;
}

const SPEC: TableSpec = {
  name: 't',
  columns: [
    { name: 'a', type: 'INT8' },
    { name: 'b', type: 'STRING' },
    { name: 'c', type: 'INT8' },
  ],
  primaryKey: ['a'],
  families: [
    { name: 'f', columns: ['a', 'b'] },
    { name: 'g', columns: ['c'] },
  ],
};

async function tableOf(cluster: EmbeddedCluster, rows = 3): Promise<Table> {
  await cluster.createDatabase('d');
  const [table] = await cluster.createTables('d', [SPEC]);
  const values = Array.from({ length: rows }, (_, a) => [BigInt(a), `row ${a % 7}`, BigInt(rows - a)]);
  cluster.rows.insert(table!, values);
  return table!;
}

/** Entries of an index, whatever their time. */
async function entries(cluster: EmbeddedCluster, table: Table, indexId: number): Promise<number> {
  return (await cluster.core.store.stats(prefixSpan(indexPrefix(table.id, indexId)), 1e9, 1e9)).entries;
}

async function rowsAt(cluster: EmbeddedCluster, asOf: Timestamp): Promise<unknown[]> {
  return collect(cluster.rows.select(cluster.table('d.t', 'd', asOf), { asOf }));
}

async function setTtl(cluster: EmbeddedCluster, seconds: number): Promise<void> {
  const setting = { name: 'gc.ttlseconds', value: seconds };
  await cluster.configureZone({ kind: 'range', name: 'default' }, { kind: 'set', settings: [setting] });
}

describe('every change', () => {
  test('is one version of a descriptor at its own time, and the past stays as it was', async () => {
    const cluster = await open();
    let table = await tableOf(cluster);
    const { schema } = cluster;
    const steps: (() => Promise<unknown>)[] = [
      () => schema.createIndex(table, () => ({ name: 'i', columns: ['b'], storing: ['c'], createdExplicitly: true })),
      () => schema.addColumns(table, [{ spec: { name: 'd', type: 'INT8', default: '7:::INT8' }, family: null }]),
      () => schema.addColumns(table, [{ spec: { name: 'e', type: 'INT8' }, family: null }]),
      () => schema.renameColumn(table, 'b', 'bb'),
      () => schema.renameIndex(table, 'i', 'j'),
      () => schema.dropIndex(table, 'j', null),
      () => schema.createIndex(table, () => ({ name: 'i', columns: ['c'], createdExplicitly: true })),
      () => schema.truncate([table], null),
    ];
    const history: { readonly at: Timestamp; readonly raw: Uint8Array; readonly rows: readonly unknown[] }[] = [];
    for (const step of steps) {
      const before = cluster.now();
      history.push({ at: before, raw: table.raw, rows: await rowsAt(cluster, before) });
      await step();
      const after = cluster.table('d.t');
      expect(after.version).toBe(table.version + 1);
      expect(compareTimestamps(after.modificationTime, before)).toBeGreaterThan(0);
      // The very version of system.descriptor has the time that the descriptor says.
      const { wall, logical } = after.modificationTime;
      const instantBefore = logical > 0 ? { wall, logical: logical - 1 } : { wall: wall - 1n, logical: 0 };
      expect(cluster.catalog(after.modificationTime).tableById(table.id)?.version).toBe(after.version);
      expect(cluster.catalog(instantBefore).tableById(table.id)?.version).toBe(table.version);
      expect(flawsOfCatalog(cluster.catalog())).toEqual([]);
      table = after;
    }
    expect(table.message.nextIndexId).toBe(7);
    expect(table.message.primaryIndex?.id).toBe(5);
    expect(await rowsAt(cluster, cluster.now())).toEqual([]);
    for (const { at, raw, rows } of history) {
      const then = cluster.catalog(at).tableById(table.id)!;
      expect(Buffer.compare(then.raw, raw)).toBe(0);
      expect(await rowsAt(cluster, at)).toEqual(rows);
      expect((await cluster.rows.fingerprints(then, at)).every(({ fingerprint }) => fingerprint !== null)).toBe(true);
    }
  });

  test('of a name frees the old one, at its time', async () => {
    const cluster = await open();
    const table = await tableOf(cluster);
    const before = cluster.now();
    await cluster.schema.moveTable(table, { name: 'u' });
    const [fresh] = await cluster.createTables('d', [SPEC]);
    expect(fresh!.id).toBeGreaterThan(table.id);
    await cluster.schema.renameDatabase('d', 'e');
    await cluster.createDatabase('d');
    expect(() => cluster.table('d.u')).toThrow('relation "d.u" does not exist');
    expect(cluster.table('e.u').id).toBe(table.id);
    expect(cluster.table('d.t', 'd', before).id).toBe(table.id);
    const names = async (asOf: Timestamp) =>
      (await collect(cluster.rows.select(cluster.catalog().tableById(SYSTEM_TABLE_IDS.namespace)!, { asOf })))
        .map((row) => row.join('/'))
        .filter((row) => /\/[tu]\//.test(row));
    const { parentId } = table;
    expect(await names(before)).toEqual([`${parentId}/29/t/${table.id}`]);
    expect(await names(cluster.now())).toEqual([`${parentId}/29/t/${fresh!.id}`, `${parentId}/29/u/${table.id}`]);
  });
});

describe('an index', () => {
  test('is filled in bounded batches and equals the one of a table that had it from the start', async () => {
    const cluster = await open();
    const rows = 12_000;
    const table = await tableOf(cluster, rows);
    const turns: number[] = [];
    await cluster.schema.createIndex(
      table,
      () => ({ name: 'i', columns: [{ name: 'b', direction: 'desc' }, 'a'], storing: ['c'], createdExplicitly: true }),
      { onRows: (done) => turns.push(done) },
    );
    expect(turns.at(-1)).toBe(rows);
    expect(turns.length).toBeGreaterThan(1);
    const index = { name: 'i', columns: [{ name: 'b', direction: 'desc' as const }, 'a'], storing: ['c'] };
    const [same] = await cluster.createTables('d', [{ ...SPEC, name: 'same', indexes: [index] }]);
    cluster.rows.insert(same!, (await collect(cluster.rows.select(table))) as never);
    const now = cluster.table('d.t');
    expect(await cluster.rows.fingerprints(now)).toEqual(await cluster.rows.fingerprints(same!));
    expect(await entries(cluster, table, 2)).toBe(await entries(cluster, same!, 2));
    expect(await entries(cluster, table, 2)).toBe(2 * rows);
  });

  test('that cannot be unique leaves nothing, wherever the two rows are', async () => {
    const cluster = await open();
    const table = await tableOf(cluster, 12_000);
    const spec = { name: 'u', columns: ['c'], unique: true, createdExplicitly: true };
    for (const [id, twin] of [
      [0n, 1n],
      [0n, 11_999n],
    ] as const) {
      cluster.rows.update(table, [id], new Map([['c', 12_000n - twin]]));
      await expect(cluster.schema.createIndex(table, () => spec)).rejects.toMatchObject({
        code: 'SV_CONSTRAINT',
        message: 'duplicate key value violates unique constraint "u"',
      });
      expect(await entries(cluster, table, 2)).toBe(0);
      expect(cluster.core.store.metaList('journal/')).toEqual([]);
      cluster.rows.update(table, [id], new Map([['c', 12_000n]]));
    }
    // NULL is no value that could come twice.
    cluster.rows.update(table, [1n], new Map([['c', null]]));
    cluster.rows.update(table, [2n], new Map([['c', null]]));
    await cluster.schema.createIndex(table, () => spec);
    expect(await entries(cluster, table, 2)).toBe(12_000);
    expect(() => cluster.rows.insert(table, [[99_999n, '', 5n]])).toThrow('unique constraint "u"');
  });

  test('that is aborted leaves nothing, and the table takes writes again', async () => {
    const cluster = await open();
    const table = await tableOf(cluster, 12_000);
    const controller = new AbortController();
    const building = cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['b'], createdExplicitly: true }), {
      signal: controller.signal,
      onRows: () => controller.abort(),
    });
    await expect(building).rejects.toMatchObject({ code: 'SV_ABORTED' });
    expect(await entries(cluster, table, 2)).toBe(0);
    expect(cluster.table('d.t').version).toBe(1);
    cluster.rows.insert(table, [[99_999n, 'x', null]]);
  });

  test('makes writes of its table wait, and other changes come after it', async () => {
    const cluster = await open();
    const table = await tableOf(cluster, 12_000);
    let refused = 0;
    const building = cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['b'], createdExplicitly: true }), {
      onRows: () => {
        expect(() => cluster.rows.remove(table, [1n])).toThrow('an index of table "t" is being filled');
        refused++;
      },
    });
    const dropped = cluster.dropTables([table]);
    await Promise.resolve();
    expect(cluster.schema.isIdle(table.id)).toBe(false);
    await cluster.schema.idle(table.id);
    expect(refused).toBeGreaterThan(0);
    await building;
    await dropped;
    expect(() => cluster.table('d.t')).toThrow('does not exist');
    expect(() => cluster.rows.insert(table, [[5n, 'x', null]])).toThrow('relation "t" does not exist');
  });
});

describe('what is dropped', () => {
  test('stays for gc.ttlseconds, longer when a time is protected, and then goes', async () => {
    const cluster = await open(['region=a']);
    await setTtl(cluster, 1);
    const table = await tableOf(cluster, 10);
    await cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['b'], createdExplicitly: true }));
    await cluster.schema.addColumns(table, [{ spec: { name: 'd', type: 'INT8', default: '1:::INT8' }, family: null }]);
    const then = cluster.now();
    const release = await cluster.source().protect(then);
    const counts = () => Promise.all([1, 2, 3].map((id) => entries(cluster, table, id)));
    await cluster.schema.dropIndex(table, 'i', null);
    await cluster.schema.truncate([table], null);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    // The first primary index became garbage before the protected time.
    await cluster.schema.truncate([table], null);
    expect(await counts()).toEqual([0, 10, 20]);
    expect(await rowsAt(cluster, then)).toHaveLength(10);
    await release();
    await cluster.schema.truncate([table], null);
    expect(await counts()).toEqual([0, 0, 0]);
    expect(cluster.catalog().tableById(table.id)?.message.primaryIndex?.id).toBe(6);
  });

  test('has the gc.ttlseconds of its own zone configuration', async () => {
    const cluster = await open(['region=a']);
    const table = await tableOf(cluster, 10);
    const index = () => ({ name: 'i', columns: ['b'], createdExplicitly: true });
    await cluster.schema.createIndex(table, index);
    const target = { kind: 'index', table: 'd.t', index: 'i' } as const;
    await cluster.configureZone(target, { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 1 }] });
    await cluster.schema.dropIndex(table, 'i', null);
    expect(await entries(cluster, table, 2)).toBe(10);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await cluster.schema.truncate([table], null);
    expect(await entries(cluster, table, 1)).toBe(20);
    expect(await entries(cluster, table, 2)).toBe(0);
    expect(cluster.zones().some(({ target: text }) => text.includes('@'))).toBe(false);
  });
});

test('zone configurations follow an index to its new id', async () => {
  const cluster = await open(['region=a', 'region=b']);
  const table = await tableOf(cluster, 10);
  await cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['b'], createdExplicitly: true }));
  const wanted = (constraint: string) =>
    ({
      kind: 'set',
      settings: [
        { name: 'constraints', value: `[+region=${constraint}]` },
        { name: 'num_replicas', value: 1 },
      ],
    }) as const;
  await cluster.configureZone({ kind: 'table', table: 'd.t' }, wanted('a'));
  await cluster.configureZone({ kind: 'index', table: 'd.t', index: 'i' }, wanted('b'));
  const leaseholders = () => {
    const { message } = cluster.table('d.t');
    return [message.primaryIndex!, ...message.indexes].map(({ id }) => {
      const [range] = cluster.ranges([prefixSpan(indexPrefix(table.id, id!))]);
      return range!.leaseholder;
    });
  };
  expect(leaseholders()).toEqual([1, 2]);
  const shown = cluster.zones();
  await cluster.schema.truncate([table], null);
  await cluster.schema.addColumns(table, [{ spec: { name: 'd', type: 'INT8', default: '1:::INT8' }, family: null }]);
  await cluster.schema.renameIndex(table, 'i', 'j');
  await cluster.schema.moveTable(table, { name: 'u' });
  await cluster.schema.moveTable(table, { name: 't' });
  expect(leaseholders()).toEqual([1, 2]);
  expect(cluster.zones()).toEqual(
    shown.map(({ target, rawConfigSql }) => ({
      target: target.replace('@i', '@j'),
      rawConfigSql: rawConfigSql.replace('@i', '@j'),
    })),
  );
});

describe('tables that others refer to', () => {
  test('are truncated together, and stay in their database', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'movr', { rows: 50 });
    const users = cluster.table('movr.users');
    await expect(cluster.schema.truncate([users], null)).rejects.toThrow(
      '"users" is referenced by foreign key from table "vehicles"',
    );
    await cluster.createDatabase('other');
    const databaseId = cluster.catalog().requireDatabase('other').id;
    await expect(cluster.schema.moveTable(users, { databaseId })).rejects.toThrow(
      /^a foreign key constraint "fk_city_ref_users" will exist between databases after rename/,
    );
    await cluster.schema.truncate([users], 'cascade');
    const counts = await Promise.all(
      ['users', 'vehicles', 'rides', 'vehicle_location_histories', 'promo_codes'].map(
        async (name) => (await collect(cluster.rows.select(cluster.table(['movr', name])))).length,
      ),
    );
    expect(counts.map((count) => count > 0)).toEqual([false, false, false, false, true]);
    expect(flawsOfCatalog(cluster.catalog())).toEqual([]);
  });
});

test('any order of changes gives descriptors that CockroachDB accepts, and indexes that agree', async () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('index' as const),
      columns: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
      unique: fc.boolean(),
    }),
    fc.record({ do: fc.constant('drop' as const), at: fc.nat(9) }),
    fc.record({ do: fc.constant('column' as const), filled: fc.boolean(), family: fc.constantFrom(null, 'g', 'new') }),
    fc.record({ do: fc.constantFrom('truncate' as const, 'rename' as const, 'insert' as const, 'remove' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      const { cluster, dispose } = await temporaryCluster(['region=a']);
      try {
        const table = await tableOf(cluster, 20);
        let count = 0;
        for (const one of steps) {
          const now = cluster.catalog().tableById(table.id)!;
          const names = now.message.indexes.map(({ name }) => name!);
          const column = `x${count}`;
          count++;
          if (one.do === 'index') {
            const columns = one.columns.flatMap((name) => now.message.columns.find((c) => c.name === name)?.name ?? []);
            if (columns.length === 0) continue;
            const spec = { name: `i${count}`, columns, unique: one.unique, createdExplicitly: true };
            await cluster.schema
              .createIndex(table, () => spec)
              .catch((error) => {
                expect(error.message).toContain('duplicate key value');
              });
          } else if (one.do === 'drop') {
            if (names.length > 0) await cluster.schema.dropIndex(table, names[one.at % names.length]!, null);
          } else if (one.do === 'column') {
            const family = one.family === null ? null : { name: one.family, create: true, ifNotExists: true };
            const spec = { name: column, type: 'STRING', ...(one.filled ? { default: "'d':::STRING" } : {}) };
            await cluster.schema.addColumns(table, [{ spec, family }]);
          } else if (one.do === 'truncate') await cluster.schema.truncate([table], null);
          else if (one.do === 'rename') await cluster.schema.moveTable(table, { name: `t${count}` });
          else if (one.do === 'remove') cluster.rows.remove(table, [BigInt(count)]);
          else {
            const id = BigInt(1000 + count);
            const rest = now.message.columns.slice(2).map(({ name }) => (name === 'c' ? id : `v${count}`));
            cluster.rows.upsert(table, [[id, `b${count}`, ...rest]]);
          }
          expect(flawsOfCatalog(cluster.catalog())).toEqual([]);
        }
        const last = cluster.catalog().tableById(table.id)!;
        const rows = await collect(cluster.rows.select(last));
        const spec: TableSpec = {
          name: 'fresh',
          columns: last.message.columns.map(({ name }) => ({
            name: name!,
            type: name === 'a' || name === 'c' ? 'INT8' : 'STRING',
          })),
          primaryKey: ['a'],
          indexes: last.message.indexes.map(({ name, keyColumnNames, unique }) => ({
            name: name!,
            columns: keyColumnNames!,
            unique: unique!,
          })),
          families: last.message.families.map(({ name, columnNames }) => ({ name: name!, columns: columnNames! })),
        };
        const [fresh] = await cluster.createTables('d', [spec]);
        cluster.rows.insert(fresh!, rows);
        expect(await cluster.rows.fingerprints(last)).toEqual(await cluster.rows.fingerprints(fresh!));
      } finally {
        await dispose();
      }
    }),
    { numRuns: 15 },
  );
}, 120_000);
