import { SpanvaultError } from '../fault/index.js';
import { typeWord } from '../rows/index.js';
import { TYPE_FAMILY } from '../rows/schema.js';
import { Catalog } from './catalog.js';
import type { ColumnDescriptor, IndexDescriptor, PartitioningDescriptor } from './generated/descriptors.js';
import { encodePartitionTuple } from './partitions.js';
import { columnType } from './rows_schema.js';
import type { ColumnSpec, IndexSpec, KeyColumnSpec, PartitioningSpec } from './table_spec.js';
import { parseSqlType } from './type_parser.js';

/*
 * Columns and indexes of new tables, and of tables that get one more, as CockroachDB 21.1 writes them.
 */

/** What CREATE TABLE and CREATE INDEX give to an index since 21.1: families and empty arrays are known. */
const INDEX_VERSION = 2;

const EMPTY_CATALOG = new Catalog([]);

/** Columns of a table as far as they are built. */
export type BuiltColumns = readonly ColumnDescriptor.$Properties[];

/** Name of a key column. */
export function keyName(column: KeyColumnSpec): string {
  return typeof column === 'string' ? column : column.name;
}

/** @throws SpanvaultError SV_NOT_SUPPORTED for a type */
export function buildColumn(spec: ColumnSpec, id: number, nullable: boolean): ColumnDescriptor.$Properties {
  return {
    name: spec.name,
    id,
    type: parseSqlType(spec.type),
    nullable,
    ...(spec.default === undefined ? {} : { defaultExpr: spec.default }),
    hidden: spec.hidden ?? false,
    pgAttributeNum: 0,
    alterColumnTypeInProgress: false,
    systemColumnKind: 0,
    virtual: false,
  };
}

/** @throws SpanvaultError SV_UNDEFINED `column "x" does not exist` */
export function columnNamed(columns: BuiltColumns, name: string): ColumnDescriptor.$Properties {
  const found = columns.find((column) => column.name === name);
  if (found === undefined) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(name)} does not exist`);
  return found;
}

/** @throws SpanvaultError SV_UNDEFINED */
export function columnIds(columns: BuiltColumns, names: readonly string[]): number[] {
  return names.map((name) => columnNamed(columns, name).id ?? 0);
}

/** Families of types whose ordered key does not hold the value exactly. */
function isCompositeType(column: ColumnDescriptor.$Properties | undefined): boolean {
  const type = column?.type?.family === TYPE_FAMILY.array ? column.type.arrayContents : column?.type;
  const families: readonly number[] = [TYPE_FAMILY.float, TYPE_FAMILY.decimal, TYPE_FAMILY.collatedString];
  return families.includes(type?.family ?? 0);
}

/** Families of types without an ordered key. */
const NOT_INDEXABLE: ReadonlySet<number> = new Set([TYPE_FAMILY.json, TYPE_FAMILY.array, TYPE_FAMILY.tuple]);

function assertIndexable(columns: BuiltColumns, names: readonly string[]): void {
  const bad = names
    .map((name) => columnNamed(columns, name))
    .filter(({ type }) => NOT_INDEXABLE.has(type?.family ?? 0))
    .map(({ name, type }) => ({ name, type: typeWord(columnType(EMPTY_CATALOG, type ?? {})) }));
  if (bad.length === 0) return;
  const [first] = bad;
  throw new SpanvaultError(
    'SV_CONSTRAINT',
    bad.length === 1
      ? `unimplemented: column ${first?.name} is of type ${first?.type} and thus is not indexable`
      : `unimplemented: the following columns are not indexable due to their type: ${bad.map(({ name, type }) => `${name} (type ${type})`).join(', ')}`,
  );
}

function assertColumns(
  spec: IndexSpec,
  names: readonly string[],
  keyIds: readonly number[],
  storedIds: readonly number[],
): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new SpanvaultError(
      'SV_EXISTS',
      `index ${JSON.stringify(spec.name)} contains duplicate column ${JSON.stringify(twice)}`,
    );
  }
  const held = storedIds.findIndex((id, index) => keyIds.includes(id) || storedIds.indexOf(id) !== index);
  if (held >= 0) {
    throw new SpanvaultError(
      'SV_EXISTS',
      `index ${JSON.stringify(spec.name)} already contains column ${JSON.stringify(spec.storing?.[held])}`,
    );
  }
}

function buildPartitioning(
  columns: BuiltColumns,
  spec: PartitioningSpec | undefined,
): PartitioningDescriptor.$Properties {
  if (spec === undefined) return { numColumns: 0, numImplicitColumns: 0 };
  const types = spec.columns.map((name) => columnType(EMPTY_CATALOG, columnNamed(columns, name).type ?? {}));
  return {
    numColumns: spec.columns.length,
    numImplicitColumns: 0,
    list: (spec.list ?? []).map((list) => ({
      name: list.name,
      values: list.values.map((values) => encodePartitionTuple(values, types)),
      subpartitioning: buildPartitioning(columns, list.subpartitioning),
    })),
    range: (spec.range ?? []).map((range) => ({
      name: range.name,
      toExclusive: encodePartitionTuple(range.to, types),
      fromInclusive: encodePartitionTuple(range.from, types),
    })),
  };
}

/**
 * An index on columns that are built. `primaryIds` are the columns of the primary key: null when this is the primary index.
 * @throws SpanvaultError SV_UNDEFINED for an unknown column, SV_EXISTS for one that is named twice or stored in vain,
 * SV_CONSTRAINT for a type without an ordered key
 */
export function buildIndex(
  id: number,
  spec: IndexSpec,
  columns: BuiltColumns,
  primaryIds: readonly number[] | null,
): IndexDescriptor.$Properties {
  const names = spec.columns.map(keyName);
  const keyColumnIds = columnIds(columns, names);
  assertIndexable(columns, names);
  const storing = spec.storing ?? [];
  const storeColumnIds = columnIds(columns, storing);
  assertColumns(spec, names, [...keyColumnIds, ...(primaryIds ?? [])], storeColumnIds);
  const suffix = (primaryIds ?? []).filter((column) => !keyColumnIds.includes(column));
  const byId = new Map(columns.map((column) => [column.id, column]));
  return {
    name: spec.name,
    id,
    unique: spec.unique ?? false,
    keyColumnNames: names,
    storeColumnNames: [...storing],
    keyColumnIds,
    keySuffixColumnIds: suffix,
    keyColumnDirections: spec.columns.map((column) =>
      typeof column !== 'string' && column.direction === 'desc' ? 1 : 0,
    ),
    foreignKey: { table: 0, index: 0, name: '', validity: 0, sharedPrefixLen: 0, onDelete: 0, onUpdate: 0, match: 0 },
    interleave: {},
    compositeColumnIds: [...keyColumnIds, ...suffix].filter((column) => isCompositeType(byId.get(column))),
    storeColumnIds,
    partitioning: buildPartitioning(columns, spec.partitioning),
    type: 0,
    createdExplicitly: spec.createdExplicitly ?? false,
    version: spec.version ?? INDEX_VERSION,
    encodingType: 0,
    sharded: { isSharded: false, name: '', shardBuckets: 0 },
    disabled: false,
    geoConfig: {},
    predicate: '',
  };
}

/** Name of an index that its statement gives none: `t_a_b_idx`, `t_a_key`, with a number when that is taken. */
export function indexName(
  table: string,
  columns: readonly KeyColumnSpec[],
  unique: boolean,
  taken: ReadonlySet<string>,
): string {
  const base = [table, ...columns.map(keyName), unique ? 'key' : 'idx'].join('_');
  let name = base;
  for (let number = 1; taken.has(name); number++) name = `${base}${number}`;
  return name;
}
