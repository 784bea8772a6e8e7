import {
  Catalog,
  type ColumnSpec,
  columnType,
  type FamilyChoice,
  type FamilySpec,
  type IndexSpec,
  indexName,
  indexNames,
  parseSqlType,
  type Table,
  type TableSpec,
} from '../catalog/index.js';
import { SpanvaultError } from '../fault/index.js';
import { defaultText } from './column_default.js';
import type {
  ColumnDefinition,
  ColumnQualifier,
  IndexDefinition,
  KeyColumn,
  TableElement,
} from './schema_statement.js';

/*
 * What CREATE TABLE, CREATE INDEX and ADD COLUMN ask for, as the catalog builds it.
 */

const NO_TYPES = new Catalog([]);

/** SERIAL columns of 21.1: unique_rowid() whatever their width. */
const SERIAL = /^(?:(?:BIG|SMALL)?SERIAL|SERIAL[248])$/;

/** A column with what its qualifiers say of the table around it. */
export interface ColumnRequest {
  readonly spec: ColumnSpec;
  readonly family: FamilyChoice | null;
  readonly primaryKey: boolean;
  readonly unique: boolean;
}

type QualifierOf<K extends ColumnQualifier['kind']> = Extract<ColumnQualifier, { readonly kind: K }>;

/** The one qualifier of a kind. @throws SpanvaultError SV_USAGE when there are more */
function single<K extends ColumnQualifier['kind']>(
  { qualifiers }: ColumnDefinition,
  kind: K,
  complaint: string,
): QualifierOf<K> | undefined {
  const [first, second] = qualifiers.filter((one): one is QualifierOf<K> => one.kind === kind);
  if (second !== undefined) throw new SpanvaultError('SV_USAGE', complaint);
  return first;
}

/** @throws SpanvaultError SV_USAGE for qualifiers that contradict each other, SV_NOT_SUPPORTED for a type or default */
export function columnRequest(definition: ColumnDefinition): ColumnRequest {
  const { name, qualifiers } = definition;
  const quoted = JSON.stringify(name);
  const has = (kind: ColumnQualifier['kind']): boolean => qualifiers.some((one) => one.kind === kind);
  const serial = SERIAL.test(definition.type);
  const type = serial ? 'INT8' : definition.type;
  const given = single(definition, 'default', `multiple default values specified for column ${quoted}`);
  const family = single(definition, 'family', `multiple families specified for column ${quoted}`);
  if (has('notNull') && has('null'))
    throw new SpanvaultError('SV_USAGE', `conflicting NULL/NOT NULL declarations for column ${quoted}`);
  if (serial && given !== undefined)
    throw new SpanvaultError('SV_USAGE', `SERIAL column ${quoted} cannot have a default value`);
  const text = serial ? 'unique_rowid()' : given && defaultText(given.value, columnType(NO_TYPES, parseSqlType(type)));
  return {
    spec: {
      name,
      type,
      nullable: !serial && !has('notNull') && !has('primaryKey'),
      ...(text === undefined ? {} : { default: text }),
      ...(has('notVisible') ? { hidden: true } : {}),
    },
    family: family ?? null,
    primaryKey: has('primaryKey'),
    unique: has('unique'),
  };
}

/** The index of a CREATE INDEX, with a name of its own where it was given none. */
export function indexSpec(index: IndexDefinition, table: Table): IndexSpec {
  const { columns, unique, storing } = index;
  const name = index.name ?? indexName(table.name, columns, unique, indexNames(table));
  return { name, columns, unique, storing, createdExplicitly: true };
}

/** @throws SpanvaultError SV_USAGE, SV_EXISTS, SV_NOT_SUPPORTED with CockroachDB's texts */
export function tableSpec(name: string, elements: readonly TableElement[]): TableSpec {
  const columns = elements.flatMap((one) => (one.kind === 'column' ? [columnRequest(one.column)] : []));
  const key = primaryKey(name, columns, elements);
  const hidden = key === undefined ? rowid(columns) : undefined;
  return {
    name,
    columns: [...columns.map(({ spec }) => spec), ...(hidden === undefined ? [] : [hidden])],
    primaryKey: key?.columns ?? [hidden?.name ?? ''],
    ...(key?.name == null ? {} : { primaryKeyName: key.name }),
    ...(hidden === undefined ? {} : { primaryIndexVersion: 0 }),
    indexes: indexSpecs(name, key?.name ?? 'primary', columns, elements),
    ...families(columns, elements),
  };
}

function primaryKey(
  table: string,
  columns: readonly ColumnRequest[],
  elements: readonly TableElement[],
): { readonly name: string | null; readonly columns: readonly KeyColumn[] } | undefined {
  const keys = [
    ...columns.flatMap(({ primaryKey: own, spec }) =>
      own ? [{ name: null, columns: [{ name: spec.name, direction: 'asc' as const }] }] : [],
    ),
    ...elements.flatMap((one) => (one.kind === 'primaryKey' ? [one] : [])),
  ];
  if (keys.length > 1)
    throw new SpanvaultError('SV_USAGE', `multiple primary keys for table ${JSON.stringify(table)} are not allowed`);
  return keys[0];
}

/** The hidden column that is the key of a table without one. */
function rowid(columns: readonly ColumnRequest[]): ColumnSpec {
  const taken = new Set(columns.map(({ spec }) => spec.name));
  let name = 'rowid';
  for (let number = 1; taken.has(name); number++) name = `rowid_${number}`;
  return { name, type: 'INT8', nullable: false, default: 'unique_rowid()', hidden: true };
}

/** Unique columns first, then indexes and constraints in the order of the statement. */
function indexSpecs(
  table: string,
  primary: string,
  columns: readonly ColumnRequest[],
  elements: readonly TableElement[],
): IndexSpec[] {
  const wanted: IndexDefinition[] = [
    ...columns
      .filter(({ unique }) => unique)
      .map(({ spec }) => ({
        name: null,
        unique: true,
        columns: [{ name: spec.name, direction: 'asc' as const }],
        storing: [],
      })),
    ...elements.flatMap((one) => (one.kind === 'index' ? [one.index] : [])),
  ];
  const taken = new Set([primary, ...wanted.flatMap(({ name }) => name ?? [])]);
  return wanted.map((index) => {
    const name = index.name ?? indexName(table, index.columns, index.unique, taken);
    taken.add(name);
    return { name, columns: index.columns, unique: index.unique, storing: index.storing };
  });
}

/** Families that columns name, then those of FAMILY clauses. */
function families(
  columns: readonly ColumnRequest[],
  elements: readonly TableElement[],
): { readonly families?: readonly FamilySpec[] } {
  const found: { name?: string; columns: string[] }[] = [];
  for (const { spec, family } of columns) {
    if (family === null) continue;
    const known = family.name === null ? undefined : found.find(({ name }) => name === family.name);
    if (known === undefined)
      found.push({ ...(family.name === null ? {} : { name: family.name }), columns: [spec.name] });
    else known.columns.push(spec.name);
  }
  for (const element of elements) {
    if (element.kind !== 'family') continue;
    if (element.name !== null && found.some(({ name }) => name === element.name))
      throw new SpanvaultError('SV_EXISTS', `duplicate family name: ${JSON.stringify(element.name)}`);
    found.push({ ...(element.name === null ? {} : { name: element.name }), columns: [...element.columns] });
  }
  return found.length === 0 ? {} : { families: found };
}
