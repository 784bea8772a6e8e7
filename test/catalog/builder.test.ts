import { describe, expect, it } from 'vitest';
import {
  BANK_TABLE,
  buildDatabase,
  buildSchema,
  buildTable,
  buildTables,
  catalogOf,
  decodeDescriptor,
  decodePartitionTuple,
  encodePartitionTuple,
  KV_TABLE,
  MOVR_TABLES,
  MOVR_TABLES_PLAIN,
  parseSqlType,
  partitionNames,
  partitionSpans,
  sqlTypeName,
  systemDescriptors,
  type Table,
  type TableSpec,
} from '#src/catalog/index.js';
import { toHex } from '#src/keys/index.js';
import { fixtureCatalog, HAS_FIXTURES } from './fixtures.js';
import { TableDescriptor } from './messages.js';

const TIME = { wall: 1_700_000_000_000_000_000n, logical: 0 };
const PLACE = { databaseId: 52, time: TIME };

/** Fields of a table as plain data, without those that history makes: times, version, mutation counter. */
function facts(table: Table): Record<string, unknown> {
  const bytes = TableDescriptor.encode(table.message).finish();
  const plain = JSON.parse(
    JSON.stringify(TableDescriptor.toObject(TableDescriptor.decode(bytes), { bytes: String, longs: String })),
  );
  for (const name of ['modificationTime', 'createAsOfTime', 'version', 'nextMutationId']) delete plain[name];
  return plain;
}

describe.skipIf(!HAS_FIXTURES)('descriptors that CockroachDB 21.1 made', () => {
  it('system tables are equal field by field', () => {
    const real = fixtureCatalog('v21.1-cluster');
    const built = catalogOf(...systemDescriptors(TIME));
    let compared = 0;
    for (const table of real.tables(1)) {
      expect(facts(built.tableById(table.id)!), table.name).toEqual(facts(table));
      compared++;
    }
    expect(compared).toBe(10);
    const { modificationTime: _, ...system } = built.databaseById(1)!.message;
    const { modificationTime: __, ...realSystem } = real.databaseById(1)!.message;
    expect(system).toEqual(realSystem);
  });

  it('system tables that history has not touched are equal byte for byte', () => {
    const real = fixtureCatalog('v21.1-cluster');
    for (const table of real.tables(1).filter(({ version }) => version === 1)) {
      const built = catalogOf(...systemDescriptors(table.modificationTime)).tableById(table.id)!;
      expect(toHex(built.raw), table.name).toBe(toHex(table.raw));
    }
    const system = real.databaseById(1)!;
    expect(toHex(systemDescriptors(system.modificationTime)[0]!)).toBe(toHex(system.raw));
  });

  it('movr without partitions is equal but for grants and the state of inbound foreign keys', () => {
    const real = fixtureCatalog('v21.1-cluster');
    const built = catalogOf(...buildTables(MOVR_TABLES_PLAIN, 53, PLACE));
    for (const table of real.tables(52)) {
      const expected = facts(table) as {
        privileges: { users: { user: string }[] };
        inboundFks?: { validity: number }[];
      };
      // A grant to `devs` was made by hand, and 21.1 leaves the mirror image of an added foreign key "validating".
      expected.privileges.users = expected.privileges.users.filter(({ user }) => user !== 'devs');
      for (const key of expected.inboundFks ?? []) key.validity = 0;
      const own = facts(built.tableById(table.id)!) as typeof expected;
      const byName = (keys: typeof own.inboundFks) =>
        [...(keys ?? [])].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
      expect(byName(own.inboundFks)).toEqual(byName(expected.inboundFks));
      expect({ ...own, inboundFks: 0 }, table.name).toEqual({ ...expected, inboundFks: 0 });
    }
  });

  it('databases, schemas and simple tables are equal byte for byte', () => {
    const cluster = fixtureCatalog('v21.1-cluster');
    for (const id of [50, 51, 52]) {
      const real = cluster.databaseById(id)!;
      expect(toHex(buildDatabase(real.name, id, real.modificationTime))).toBe(toHex(real.raw));
    }
    const types = fixtureCatalog('v21.1-types');
    const schema = types.schemaById(62)!;
    expect(toHex(buildSchema('sc', 62, 52, schema.modificationTime))).toBe(toHex(schema.raw));
    const hist = types.tableById(60)!;
    const spec: TableSpec = {
      name: 'hist',
      columns: [
        { name: 'a', type: 'INT8' },
        { name: 'b', type: 'STRING' },
      ],
      primaryKey: ['a'],
    };
    expect(toHex(buildTable(spec, 60, { databaseId: 52, time: hist.modificationTime }))).toBe(toHex(hist.raw));
    const bank = fixtureCatalog('v21.1-bank')
      .tables()
      .find(({ name }) => name === 'bank')!;
    const place = { databaseId: bank.parentId, time: bank.modificationTime };
    const built = decodeDescriptor(buildTable(BANK_TABLE, bank.id, place)) as Table;
    expect(facts(built)).toEqual(facts(bank));
  });

  it('types parse to what 21.1 stores', () => {
    const catalog = fixtureCatalog('v21.1-types');
    let parsed = 0;
    for (const table of catalog.tables()) {
      for (const column of table.message.columns) {
        const name = sqlTypeName(catalog, column.type!);
        if (/COLLATE|mood|GEO/.test(name)) continue;
        const own = TableDescriptor.encode({ columns: [{ type: parseSqlType(name) }] }).finish();
        const real = TableDescriptor.encode({ columns: [{ type: column.type! }] }).finish();
        expect(toHex(own), `${column.name} ${name}`).toBe(toHex(real));
        parsed++;
      }
    }
    expect(parsed).toBeGreaterThan(60);
  });
});

describe('partitions', () => {
  const catalog = catalogOf(buildDatabase('movr', 52, TIME), ...buildTables(MOVR_TABLES, 53, PLACE));
  const rides = catalog.tableById(55)!;
  const varchar = { family: 7, width: 0, precision: 0, oid: 1043, locale: '' };

  it('encode tuples as value-tagged datums', () => {
    const values = [{ datum: 'seattle' }, { datum: null }, { special: 'default' as const }];
    const types = [varchar, varchar, varchar];
    const bytes = encodePartitionTuple(values, types);
    expect(toHex(bytes)).toBe(`0607${Buffer.from('seattle').toString('hex')}010200`);
    expect(decodePartitionTuple(bytes, types)).toEqual(values);
    expect(() => decodePartitionTuple(bytes.subarray(0, 5), types)).toThrowError(/malformed or cut/);
  });

  it('give a key span for each city of an index', () => {
    const parts = partitionSpans(catalog, rides, rides.message.primaryIndex!);
    expect(parts.map(({ name, spans }) => [name, spans.length])).toEqual([
      ['us_west', 3],
      ['us_east', 3],
      ['europe_west', 3],
    ]);
    const seattle = Buffer.from('seattle').toString('hex');
    expect(parts[0]!.spans.map(({ key, endKey }) => [toHex(key), toHex(endKey)])[2]).toEqual([
      `bf8912${seattle}0001`,
      `bf8912${seattle}0002`,
    ]);
    expect(partitionNames(rides.message.indexes[1]!.partitioning)).toEqual(['us_west', 'us_east', 'europe_west']);
    expect(partitionSpans(catalog, catalog.tableById(57)!, catalog.tableById(57)!.message.primaryIndex!)).toEqual([]);
  });

  it('subtract explicit values from DEFAULT and nest subpartitions', () => {
    const list = {
      columns: ['a'],
      list: [
        {
          name: 'one',
          values: [[{ datum: 1n }]],
          subpartitioning: {
            columns: ['b'],
            range: [
              { name: 'low', from: [{ special: 'minvalue' as const }], to: [{ datum: 10n }] },
              { name: 'high', from: [{ datum: 10n }], to: [{ special: 'maxvalue' as const }] },
            ],
          },
        },
        { name: 'rest', values: [[{ special: 'default' as const }]] },
      ],
    };
    const spec: TableSpec = {
      name: 't',
      columns: [
        { name: 'a', type: 'INT8' },
        { name: 'b', type: 'INT8' },
      ],
      primaryKey: ['a', 'b'],
      partitioning: list,
    };
    const own = catalogOf(buildTable(spec, 60, PLACE));
    const table = own.tableById(60)!;
    const parts = partitionSpans(own, table, table.message.primaryIndex!);
    const hex = parts.map(({ name, depth, spans }) => [
      name,
      depth,
      ...spans.map(({ key, endKey }) => `${toHex(key)}-${toHex(endKey)}`),
    ]);
    expect(hex).toEqual([
      ['one', 1, 'c48989-c4898a'],
      ['low', 2, 'c48989-c4898992'],
      ['high', 2, 'c4898992-c4898a'],
      ['rest', 1, 'c489-c48989', 'c4898a-c48a'],
    ]);
  });
});

describe('builder', () => {
  it('makes kv, and refuses unknown columns, tables and types', () => {
    const kv = decodeDescriptor(buildTable(KV_TABLE, 70, PLACE)) as Table;
    expect(kv.message.families[0]).toMatchObject({ name: 'primary', columnIds: [1, 2], defaultColumnId: 2 });
    const bad = (change: Partial<TableSpec>) => () => buildTable({ ...KV_TABLE, ...change }, 70, PLACE);
    expect(bad({ primaryKey: ['x'] })).toThrowError('column "x" does not exist');
    expect(bad({ columns: [{ name: 'k', type: 'MONEY' }] })).toThrowError(
      'type "MONEY" is not supported in new tables',
    );
    expect(
      bad({ foreignKeys: [{ name: 'f', columns: ['k'], references: 'u', referencedColumns: ['k'] }] }),
    ).toThrowError('table "u" does not exist');
    for (const text of ['INT8(4)', 'STRING(1,2)', 'DECIMAL(', ''])
      expect(() => parseSqlType(text)).toThrowError(/not supported/);
  });
});
