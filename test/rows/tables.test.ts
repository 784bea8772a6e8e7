import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasCode } from '#src/fault/index.js';
import { encodeEngineKey, hasPrefix } from '#src/keys/index.js';
import {
  type ColumnSchema,
  type ColumnType,
  type Datum,
  datumText,
  IndexLayout,
  type IndexSchema,
  parseDatum,
  type Row,
  RowDecoder,
  RowEncoder,
  type TableSchema,
  TYPE_FAMILY,
} from '#src/rows/index.js';
import { TYPES } from './arbitraries.js';
import { hasFixtures, readFixture, rowsOf } from './fixture_backup.js';

const int8: ColumnType = { family: TYPE_FAMILY.int, width: 64, precision: 0, oid: 20, locale: '' };

function column(id: number, type: ColumnType, nullable: boolean): ColumnSchema {
  return {
    id,
    name: `c${id}`,
    type,
    nullable,
    hidden: false,
    virtual: false,
    defaultExpression: '',
    computeExpression: '',
  };
}

function index(id: number, more: Partial<IndexSchema>): IndexSchema {
  return {
    id,
    name: `i${id}`,
    unique: false,
    keyColumnIds: [],
    keyDirections: [],
    keySuffixColumnIds: [],
    storeColumnIds: [],
    compositeColumnIds: [],
    encoding: 'secondary',
    inverted: false,
    predicate: '',
    version: 1,
    ancestors: [],
    ...more,
  };
}

const decimalCase = TYPES.find(({ name }) => name === 'decimal')!;

/** Key (int asc, decimal desc), then one column of every type over four families, and indexes of every kind. */
function everything(): { table: TableSchema; row: fc.Arbitrary<Row> } {
  const columns = [
    column(1, int8, false),
    column(2, decimalCase.type, false),
    ...TYPES.map(({ type }, i) => column(i + 3, type, true)),
  ];
  const ids = TYPES.map((_, i) => i + 3);
  const alone = ids.slice(-3);
  const table: TableSchema = {
    id: 1000,
    name: 't',
    tenantPrefix: new Uint8Array(0),
    columns,
    families: [
      { id: 0, columnIds: [1, 2, ...ids.slice(0, 5)], defaultColumnId: 0 },
      { id: 1, columnIds: ids.slice(5, -3), defaultColumnId: 0 },
      ...alone.map((id, i) => ({ id: 120 + i, columnIds: [id], defaultColumnId: id })),
    ],
    primaryIndex: index(1, {
      unique: true,
      keyColumnIds: [1, 2],
      keyDirections: ['asc', 'desc'],
      compositeColumnIds: [2],
      encoding: 'primary',
    }),
    indexes: [
      index(2, {
        keyColumnIds: [4],
        keyDirections: ['desc'],
        keySuffixColumnIds: [1, 2],
        storeColumnIds: [3, 9, 26],
        compositeColumnIds: [2],
      }),
      index(3, {
        unique: true,
        keyColumnIds: [6],
        keyDirections: ['asc'],
        keySuffixColumnIds: [1, 2],
        compositeColumnIds: [6, 2],
      }),
      index(4, {
        keyColumnIds: [7, 8],
        keyDirections: ['asc', 'desc'],
        keySuffixColumnIds: [1, 2],
        compositeColumnIds: [2],
        version: 0,
        storeColumnIds: [9],
      }),
    ],
  };
  const nullable = TYPES.map(({ datum }) => fc.option(datum, { nil: null }));
  const row = fc
    .tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), decimalCase.datum, ...nullable)
    .map((values): Row => values as Datum[]);
  return { table, row };
}

function batches(
  entries: readonly { key: Uint8Array; value: Uint8Array }[],
  size: number,
): { bytes: Uint8Array; offsets: Uint32Array; count: number }[] {
  const out = [];
  for (let from = 0; from < entries.length; from += size) {
    const part = entries.slice(from, from + size);
    const pieces = part.flatMap(({ key, value }) => [encodeEngineKey(key, { wall: 5n, logical: 0 }), value]);
    const offsets = new Uint32Array(pieces.length + 1);
    pieces.forEach((piece, i) => {
      offsets[i + 1] = offsets[i]! + piece.length;
    });
    out.push({ bytes: Buffer.concat(pieces), offsets, count: part.length });
  }
  return out;
}

describe('whole rows', () => {
  const { table, row } = everything();
  const encoder = new RowEncoder(table);

  it('a table of every type survives encoding, in batches that cut its rows', () => {
    const property = fc.property(fc.array(row, { maxLength: 4 }), fc.integer({ min: 1, max: 7 }), (rows, size) => {
      const distinct = [...new Map(rows.map((r) => [Buffer.from(encoder.primaryKey(r)).toString('hex'), r])).values()];
      distinct.sort((a, b) => Buffer.compare(encoder.primaryKey(a), encoder.primaryKey(b)));
      const entries = distinct.flatMap((r) => encoder.encode(r)).sort((a, b) => Buffer.compare(a.key, b.key));
      for (const wanted of [table.primaryIndex, ...table.indexes]) {
        const decoder = new RowDecoder(table, wanted);
        const read = batches(entries, size).flatMap((batch) => decoder.decode(batch));
        read.push(...decoder.finish());
        const held = decoder.ordinals;
        const text = (r: Row): string => held.map((i) => (r[i] === null ? 'NULL' : `'${datumText(r[i]!)}'`)).join(' ');
        expect(read.map(text).sort()).toEqual(distinct.map(text).sort());
      }
    });
    fc.assert(property, { numRuns: 60, verbose: 1 });
  });

  it('leading key values give a prefix of the row key', () => {
    const layout = new IndexLayout(table, table.primaryIndex);
    const property = fc.property(row, (value) => {
      const key = encoder.primaryKey(value);
      expect(layout.keyPrefix(value.slice(0, 2))).toEqual(key);
      expect(hasPrefix(key, layout.keyPrefix(value.slice(0, 1)))).toBe(true);
    });
    fc.assert(property, { numRuns: 30, verbose: 1 });
    expect(() => layout.keyPrefix([1n, null, 2n])).toThrow('3 key values were given');
  });

  it('refuses NULL in a NOT NULL column with the exact text', () => {
    const empty: Row = table.columns.map(() => null);
    expect(() => encoder.encode(empty)).toThrow('null value in column "c1" violates not-null constraint');
  });

  it.each([
    ['inverted', { inverted: true }],
    ['partial', { predicate: 'c1 > 3' }],
  ])('refuses to write a table with a %s index', (_, more) => {
    const refused = { ...table, indexes: [index(9, more)] };
    expect(() => new RowEncoder(refused)).toThrowError(expect.objectContaining({ code: 'SV_NOT_SUPPORTED' }));
  });

  it('refuses collated keys that it cannot compute', () => {
    const collated: ColumnType = { ...int8, family: TYPE_FAMILY.collatedString, locale: 'de' };
    const keyed = new RowEncoder({
      ...table,
      columns: [column(1, collated, false)],
      families: [{ id: 0, columnIds: [1], defaultColumnId: 0 }],
      primaryIndex: index(1, {
        keyColumnIds: [1],
        keyDirections: ['asc'],
        compositeColumnIds: [1],
        encoding: 'primary',
      }),
      indexes: [],
    });
    try {
      keyed.encode([{ kind: 'collated', text: 'Ä', sortKey: undefined }]);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'SV_NOT_SUPPORTED')).toBe(true);
    }
  });

  it('damaged entries are named, or decode; nothing else is thrown', () => {
    const property = fc.property(row, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
      for (const { key, value: bytes } of encoder.encode(value)) {
        const damaged = Uint8Array.from(bytes);
        damaged[4 + (at % (damaged.length - 4))]! ^= flip;
        try {
          new RowDecoder(table).add(key, damaged);
        } catch (error) {
          expect(hasCode(error, 'SV_CORRUPT_VALUE'), String(error)).toBe(true);
        }
      }
    });
    fc.assert(property, { numRuns: 100, verbose: 1 });
  });
});

describe.skipIf(!hasFixtures)('fixture rows (skipped where the fixtures folder is absent)', () => {
  it.each(['v1.0.7', 'v2.0.7', 'v19.1.4'])(
    '%s: t1 to t4 hold (1,1,1) (2,2,2) (3,3,3), also interleaved and through the index',
    (name) => {
      const backup = readFixture(name);
      for (const table of backup.tables.filter(({ name: t }) => /^t[1-4]$/.test(t))) {
        for (const read of [table.primaryIndex, ...table.indexes]) {
          const rows = rowsOf(backup, table, read);
          const held = new RowDecoder(table, read).ordinals;
          const expected = [1, 2, 3].map((n) => held.map(() => String(n)));
          expect(
            rows.map((r) => held.map((i) => datumText(r[i]!))),
            `${table.name}@${read.name}`,
          ).toEqual(expected);
        }
      }
    },
  );

  it('v20.1.7-cluster: bank, users, locations and comments read as they were written', () => {
    const backup = readFixture('v20.1.7-cluster');
    const texts = (name: string): string[][] => {
      const table = backup.tables.find((t) => t.name === name)!;
      return rowsOf(backup, table).map((r) => r.map((datum) => datumText(datum)));
    };
    expect(texts('bank').map(([a]) => a)).toEqual(['1', '2', '3'].slice(0, texts('bank').length));
    expect(texts('users').map(([user]) => user)).toContain('craig');
    expect(texts('locations').some((r) => r.includes('10.000000000000000'))).toBe(true);
    expect(texts('comments').length).toBeGreaterThan(0);
  });

  it('every literal of v21.1-types that has one parses to the datum of the backup', () => {
    const backup = readFixture('v21.1-types');
    let parsed = 0;
    for (const table of backup.tables.filter(({ isView, isSequence }) => !isView && !isSequence)) {
      for (const row of rowsOf(backup, table)) {
        row.forEach((datum, i) => {
          const { type } = table.columns[i]!;
          if (datum === null || [TYPE_FAMILY.geometry, TYPE_FAMILY.geography].includes(type.family as 22 | 23)) return;
          const wanted = typeof datum === 'object' && 'sortKey' in datum ? { ...datum, sortKey: undefined } : datum;
          expect(parseDatum(datumText(datum), type), table.columns[i]!.name).toEqual(wanted);
          parsed++;
        });
      }
    }
    expect(parsed).toBeGreaterThan(1500);
  });
});
