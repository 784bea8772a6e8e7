import { SpanvaultError } from '../fault/index.js';
import { type ColumnSchema, type Datum, parseDatum, type TableSchema, TYPE_FAMILY, typeWord } from '../rows/index.js';
import type { ColumnValue, Literal } from './statement.js';

/** Families that each kind of unquoted constant can be a value of. */
const ACCEPTS: Readonly<Record<'bool' | 'number' | 'bytes', ReadonlySet<number>>> = {
  bool: new Set([TYPE_FAMILY.bool]),
  number: new Set([TYPE_FAMILY.int, TYPE_FAMILY.float, TYPE_FAMILY.decimal, TYPE_FAMILY.oid]),
  bytes: new Set([TYPE_FAMILY.bytes]),
};

/** Names of constants in CockroachDB's type errors. */
const CONSTANT_TYPES = { bool: 'bool', number: 'decimal', bytes: 'bytes' } as const;

type Typed = Extract<Literal, { readonly kind: 'bool' | 'number' | 'bytes' }>;

/** True when an unquoted constant can be a value of a type family. */
export function acceptsConstant(literal: Typed, family: number): boolean {
  return ACCEPTS[literal.kind].has(family);
}

/** Name of an unquoted constant's own type. */
export function constantType(literal: Typed): string {
  return literal.kind === 'number' && /^-?\d+$/.test(literal.text) ? 'int' : CONSTANT_TYPES[literal.kind];
}

/**
 * The datum that a constant denotes in a column. Text in quotes takes the column's type, as in CockroachDB.
 * @throws SpanvaultError SV_USAGE, SV_CONSTRAINT
 */
export function literalDatum(literal: Literal, column: ColumnSchema): Datum {
  if (literal.kind === 'null') return null;
  if (literal.kind === 'string') return parseDatum(literal.value, column.type);
  if (!acceptsConstant(literal, column.type.family)) {
    throw new SpanvaultError(
      'SV_USAGE',
      `value type ${constantType(literal)} doesn't match type ${typeWord(column.type)} of column ${JSON.stringify(column.name)}`,
    );
  }
  if (literal.kind === 'bytes') return Uint8Array.from(Buffer.from(literal.hex, 'hex'));
  return parseDatum(literal.kind === 'bool' ? String(literal.value) : literal.text, column.type);
}

/** Ordinal of a column by name. @throws SpanvaultError SV_UNDEFINED */
export function columnOrdinal(schema: TableSchema, name: string): number {
  const ordinal = schema.columns.findIndex((column) => column.name === name);
  if (ordinal < 0) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(name)} does not exist`);
  return ordinal;
}

/**
 * The key that a WHERE names: values of the leading columns of the primary key, none when there is no condition. Undefined
 * when a value is NULL, which no row equals.
 * @throws SpanvaultError SV_NOT_SUPPORTED when the conditions are not on a leading part of the primary key; SV_USAGE for a
 * column given twice
 */
export function whereKey(schema: TableSchema, where: readonly ColumnValue[]): readonly Datum[] | undefined {
  const byName = new Map<string, Literal>();
  for (const { column, value } of where) {
    columnOrdinal(schema, column);
    if (byName.has(column)) throw new SpanvaultError('SV_USAGE', `column ${JSON.stringify(column)} is compared twice`);
    byName.set(column, value);
  }
  const columns = primaryColumns(schema);
  const given = columns.slice(0, byName.size);
  if (given.length !== byName.size || given.some(({ name }) => !byName.has(name))) {
    const names = columns.map(({ name }) => name).join(', ');
    throw new SpanvaultError(
      'SV_NOT_SUPPORTED',
      `WHERE on anything but leading columns of the primary key (${names}) is not supported yet`,
      { details: { table: schema.name } },
    );
  }
  const key = given.map((column) => literalDatum(byName.get(column.name)!, column));
  return key.some((datum) => datum === null) ? undefined : key;
}

/** Columns of the primary key in key order. */
export function primaryColumns(schema: TableSchema): readonly ColumnSchema[] {
  return schema.primaryIndex.keyColumnIds.map((id) => {
    const column = schema.columns.find((one) => one.id === id);
    if (column === undefined) {
      throw new SpanvaultError(
        'SV_CORRUPT_VALUE',
        `the primary key of table ${schema.name} names column ${id}, which the table lacks`,
      );
    }
    return column;
  });
}
