import { describe, expect, it } from 'vitest';
import {
  buildDatabase,
  buildTable,
  catalogOf,
  decodeDescriptor,
  followIndexes,
  moved,
  type Table,
  type TableSpec,
  withColumns,
  withExcluded,
  withFreshIndexes,
  withIndex,
  withoutIndex,
  withRenamedColumn,
  withRenamedIndex,
  Zones,
} from '#src/catalog/index.js';
import { toHex } from '#src/keys/index.js';
import { fixtureCatalog, HAS_FIXTURES } from './fixtures.js';
import { TableDescriptor } from './messages.js';
import { flawsOf, flawsOfCatalog } from './validate.js';

const TIME = { wall: 1_700_000_000_000_000_000n, logical: 0 };
const LATER = { wall: TIME.wall + 5n, logical: 3 };
const PLACE = { databaseId: 52, time: TIME };

const SPEC: TableSpec = {
  name: 't',
  columns: [
    { name: 'a', type: 'INT8' },
    { name: 'b', type: 'DECIMAL' },
    { name: 'c', type: 'STRING' },
  ],
  primaryKey: ['a'],
  families: [
    { name: 'f', columns: ['a', 'b'] },
    { name: 'g', columns: ['c'] },
  ],
};

function tableOf(raw: Uint8Array): Table {
  return decodeDescriptor(raw) as Table;
}

/** Fields as plain data, without what every change makes anew. */
function facts(table: Table): Record<string, unknown> {
  const bytes = TableDescriptor.encode(table.message).finish();
  const plain = JSON.parse(
    JSON.stringify(TableDescriptor.toObject(TableDescriptor.decode(bytes), { bytes: String, longs: String })),
  );
  for (const name of ['modificationTime', 'createAsOfTime', 'version', 'nextMutationId']) delete plain[name];
  return plain;
}

const built = tableOf(buildTable(SPEC, 60, PLACE));

describe.skipIf(!HAS_FIXTURES)('the flaws that tests look for', () => {
  it('are in no table of CockroachDB 21.1', () => {
    for (const fixture of ['v21.1-types', 'v21.1-cluster', 'v21.1-bank', 'v21.1-chain']) {
      const catalog = fixtureCatalog(fixture);
      expect(flawsOfCatalog(catalog), fixture).toEqual([]);
    }
  });

  it('a hidden rowid is what 21.1 makes of a table without a key', () => {
    const real = fixtureCatalog('v21.1-types').tableById(59)!;
    const spec: TableSpec = {
      name: 'norowid',
      columns: [
        { name: 'x', type: 'INT8' },
        { name: 'y', type: 'STRING' },
        { name: 'rowid', type: 'INT8', nullable: false, default: 'unique_rowid()', hidden: true },
      ],
      primaryKey: ['rowid'],
      primaryIndexVersion: 0,
    };
    expect(toHex(buildTable(spec, 59, { databaseId: 52, time: real.modificationTime }))).toBe(toHex(real.raw));
  });

  it('an index added to a real table is that of the same table with the index from the start', () => {
    const acct = fixtureCatalog('v21.1-chain')
      .tables()
      .find(({ name }) => name === 'acct')!;
    const [index] = acct.message.indexes;
    const without = tableOf(withoutIndex(acct, 'acct_bal_idx', false, LATER));
    expect(without.message.nextIndexId).toBe(3);
    const again = tableOf(withIndex(without, { name: 'acct_bal_idx', columns: ['bal'] }, LATER));
    expect(again.message.indexes).toEqual([{ ...index, id: 3, keySuffixColumnIds: [1] }]);
    expect(again.version).toBe(acct.version + 2);
    expect(again.modificationTime).toEqual(LATER);
  });
});

describe('new versions of a table', () => {
  it('keep every field that they do not change, and know what they add', () => {
    const changes = [
      withIndex(built, { name: 'i', columns: [{ name: 'b', direction: 'desc' }], storing: ['c'], unique: true }, LATER),
      withColumns(built, [{ spec: { name: 'd', type: 'STRING' }, family: null }], false, LATER),
      withColumns(
        built,
        [
          {
            spec: { name: 'd', type: 'INT8', default: '1:::INT8', nullable: false },
            family: { name: null, create: true, ifNotExists: false },
          },
        ],
        true,
        LATER,
      ),
      withRenamedColumn(built, 'b', 'from', LATER),
      withRenamedIndex(built, 'primary', 'pk', LATER),
      withFreshIndexes(built, LATER),
      moved(built, { name: 'u' }, LATER),
    ].map(tableOf);
    const catalog = catalogOf(buildDatabase('d', 52, TIME));
    for (const table of changes) {
      expect(flawsOf(catalog, table)).toEqual([]);
      expect([table.id, table.version, table.modificationTime]).toEqual([60, 2, LATER]);
      expect(table.message.createAsOfTime).toEqual(built.message.createAsOfTime);
    }
    const [indexed, plain, rewritten, renamed, , truncated] = changes as [Table, Table, Table, Table, Table, Table];
    expect(indexed.message.indexes[0]).toMatchObject({
      id: 2,
      keyColumnDirections: [1],
      compositeColumnIds: [2],
      storeColumnIds: [3],
      keySuffixColumnIds: [1],
    });
    expect(facts({ ...indexed, message: { ...indexed.message, indexes: [], nextIndexId: 2 } as never })).toEqual(
      facts(built),
    );
    expect(plain.message.families[0]).toMatchObject({ columnNames: ['a', 'b', 'd'], defaultColumnId: 2 });
    expect(plain.message.primaryIndex?.id).toBe(1);
    expect(rewritten.message.families[2]).toMatchObject({ name: 'fam_2_d', id: 2, defaultColumnId: 4 });
    expect([rewritten.message.primaryIndex?.id, rewritten.message.nextIndexId]).toEqual([2, 3]);
    expect(renamed.message.families[0]?.columnNames).toEqual(['a', 'from']);
    expect([truncated.message.primaryIndex?.id, truncated.message.nextIndexId]).toEqual([2, 3]);
  });

  it('rename a column in expressions, but not in literals, types and calls', () => {
    const spec: TableSpec = {
      ...SPEC,
      checks: [{ name: 'k', expression: `c = 'c' AND c(1:::c) > length("c") AND cc = c`, columns: ['c'] }],
    };
    const table = tableOf(withRenamedColumn(tableOf(buildTable(spec, 60, PLACE)), 'c', 'my col', LATER));
    expect(table.message.checks[0]?.expr).toBe(`"my col" = 'c' AND c(1:::c) > length("my col") AND cc = "my col"`);
  });

  it('an index that a foreign key or a view needs stays', () => {
    const spec: TableSpec = {
      ...SPEC,
      indexes: [{ name: 'u', columns: ['c'], unique: true, createdExplicitly: true }],
    };
    const table = tableOf(buildTable(spec, 60, PLACE));
    const key = {
      originTableId: 61,
      originColumnIds: [1],
      referencedColumnIds: [3],
      referencedTableId: 60,
      name: 'fk',
    };
    const referenced = { ...table, message: { ...table.message, inboundFks: [key] } } as unknown as Table;
    expect(() => withExcluded(referenced, true, LATER)).toThrow(
      'cannot set data in a table with inbound foreign key constraints to be excluded from backup',
    );
    expect(tableOf(withExcluded(referenced, false, LATER)).message.excludeDataFromBackup).toBe(false);
    expect(() => withoutIndex(referenced, 'u', true, LATER)).toThrow('in use by foreign key constraint "fk"');
    const viewed = { ...table, message: { ...table.message, dependedOnBy: [{ id: 9, indexId: 2 }] } };
    expect(() => withoutIndex(viewed as unknown as Table, 'u', true, LATER)).toThrow('because a view depends on it');
    expect(tableOf(withoutIndex(table, 'u', false, LATER)).message.indexes).toEqual([]);
  });
});

describe('zone configurations', () => {
  const config = { gcTtlSeconds: 7, constraints: undefined, voterConstraints: undefined, leasePreferences: undefined };
  const subzone = (indexId: number) => ({
    indexId,
    partitionName: '',
    config: { ...config, subzones: [], subzoneSpans: [] },
  });
  const zonesOf = (...ids: number[]) =>
    new Zones([[60, { ...config, numReplicas: 0, subzones: ids.map(subzone), subzoneSpans: [] }]]);
  const after = tableOf(withFreshIndexes(built, LATER));
  const catalog = catalogOf(buildDatabase('d', 52, TIME)).with([after]);

  it('follow an index to its new id, and go with one that is gone', () => {
    const followed = followIndexes(catalog, zonesOf(1), after, new Map([[1, 2]]))!;
    expect(followed.row(60)?.subzones.map(({ indexId }) => indexId)).toEqual([2]);
    expect(followed.row(60)?.subzoneSpans.map(({ key }) => Buffer.from(key).toString('hex'))).toEqual(['8a']);
    expect(followIndexes(catalog, zonesOf(1), after, new Map())?.row(60)).toBeUndefined();
    expect(followIndexes(catalog, zonesOf(2), after, new Map())).toBeUndefined();
    expect(followIndexes(catalog, new Zones([]), after, new Map([[1, 2]]))).toBeUndefined();
  });
});
