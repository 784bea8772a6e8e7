import type { Datum } from '../rows/datum.js';
import type { ColumnType } from '../rows/schema.js';
import { datumText } from '../rows/text.js';
import type { Catalog } from './catalog.js';
import { typeIdOfOid } from './dependencies.js';
import { type Descriptor, isSequence, isView, type Table } from './descriptor.js';
import { mapOutsideLiterals } from './expressions.js';
import { outboundKeys } from './foreign_keys.js';
import type {
  ColumnDescriptor,
  ForeignKeyConstraint,
  IndexDescriptor,
  LocalityConfig,
  PartitioningDescriptor,
} from './generated/descriptors.js';
import { quoteName } from './names.js';
import { decodePartitionTuple, type PartitionValue } from './partitions.js';
import { columnType } from './rows_schema.js';
import { sqlTypeName } from './types.js';
import { tableZoneStatements } from './zone_text.js';
import type { Zones } from './zones.js';

/** A comment of system.comments on a table (subId 0), a column or an index of it. */
export interface TableComment {
  readonly on: 'table' | 'column' | 'index';
  readonly subId: number;
  readonly comment: string;
}

export interface CreateOptions {
  /** `public.t` as SHOW CREATE TABLE prints it, or `t` as SHOW BACKUP SCHEMAS does. */
  readonly qualified: boolean;
  readonly comments?: readonly TableComment[];
  /** Zone configurations that follow the statement, as SHOW CREATE TABLE prints them for partitioned tables. */
  readonly zones?: Zones;
}

const ACTIONS: readonly string[] = ['NO ACTION', 'RESTRICT', 'SET NULL', 'SET DEFAULT', 'CASCADE'];
const MATCHES: readonly string[] = ['MATCH SIMPLE', 'MATCH FULL', 'MATCH PARTIAL'];

function quoteText(text: string): string {
  if (!/[\\\n\r\t]/.test(text)) return `'${text.replaceAll("'", "''")}'`;
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  return `e'${text.replace(/[\\'\n\r\t]/g, (character) => escapes[character] ?? character)}'`;
}

function names(list: readonly string[]): string {
  return list.map(quoteName).join(', ');
}

/** Name of another object as a statement of `from` shows it: with its database only when that differs. */
function relativeName(catalog: Catalog, from: Descriptor, other: Descriptor): string {
  if (other.parentId !== from.parentId) return catalog.qualifiedName(other);
  return `${quoteName(catalog.schemaName(other))}.${quoteName(other.name)}`;
}

/** A serialized expression with names in place of the ids of types and sequences. */
function displayExpression(catalog: Catalog, table: Table, expression: string): string {
  return mapOutsideLiterals(expression, (piece) =>
    piece
      .replace(/@(\d+)\b/g, (whole, oid: string) => {
        const type = catalog.typeById(typeIdOfOid(Number(oid)) ?? 0);
        return type === undefined ? whole : relativeName(catalog, table, type);
      })
      .replace(/\b(\d+):::?REGCLASS\b/g, (whole, id: string) => {
        const sequence = catalog.tableById(Number(id));
        return sequence === undefined ? whole : `${quoteText(relativeName(catalog, table, sequence))}::REGCLASS`;
      }),
  );
}

function columnClause(catalog: Catalog, table: Table, column: ColumnDescriptor.$Properties): string {
  const parts = [quoteName(column.name ?? ''), sqlTypeName(catalog, column.type ?? {})];
  if (column.hidden) parts.push('NOT VISIBLE');
  parts.push(column.nullable ? 'NULL' : 'NOT NULL');
  if (column.defaultExpr) parts.push(`DEFAULT ${displayExpression(catalog, table, column.defaultExpr)}`);
  if (column.onUpdateExpr) parts.push(`ON UPDATE ${displayExpression(catalog, table, column.onUpdateExpr)}`);
  if (column.computeExpr) {
    const kind = column.virtual ? 'VIRTUAL' : 'STORED';
    parts.push(`AS (${displayExpression(catalog, table, column.computeExpr)}) ${kind}`);
  }
  return parts.join(' ');
}

/** Key columns with directions; the hidden shard column of a hash-sharded index becomes USING HASH. */
function keyClause(index: IndexDescriptor.$Properties): string {
  const sharded = index.sharded?.isSharded === true;
  const inverted = (index.type ?? 0) === 1;
  const all = index.keyColumnNames ?? [];
  const columns = all.flatMap((name, position) => {
    if (sharded && name === index.sharded?.name) return [];
    if (inverted && position === all.length - 1) return [quoteName(name)];
    return [`${quoteName(name)} ${(index.keyColumnDirections ?? [])[position] === 1 ? 'DESC' : 'ASC'}`];
  });
  const hash = sharded ? ` USING HASH WITH BUCKET_COUNT = ${index.sharded?.shardBuckets ?? 0}` : '';
  return `(${columns.join(', ')})${hash}`;
}

function foreignKeyClause(catalog: Catalog, table: Table, key: ForeignKeyConstraint.$Properties): string | undefined {
  const other = catalog.tableById(key.referencedTableId ?? 0);
  if (other === undefined) return undefined;
  const columns = (of: Table, ids: readonly number[]): string =>
    names(ids.map((id) => of.message.columns.find((column) => column.id === id)?.name ?? '???'));
  const parts = [
    `CONSTRAINT ${quoteName(key.name ?? '')} FOREIGN KEY (${columns(table, key.originColumnIds ?? [])})`,
    `REFERENCES ${relativeName(catalog, table, other)}(${columns(other, key.referencedColumnIds ?? [])})`,
  ];
  if (key.match) parts.push(MATCHES[key.match] ?? '');
  if (key.onDelete) parts.push(`ON DELETE ${ACTIONS[key.onDelete] ?? ''}`);
  if (key.onUpdate) parts.push(`ON UPDATE ${ACTIONS[key.onUpdate] ?? ''}`);
  return parts.join(' ');
}

function interleaveClause(catalog: Catalog, table: Table, index: IndexDescriptor.$Properties): string {
  const ancestors = index.interleave?.ancestors ?? [];
  const parentId = ancestors.at(-1)?.tableId;
  if (parentId === undefined || parentId === null) return '';
  const parent = catalog.tableById(parentId);
  const shared = ancestors.reduce((sum, { sharedPrefixLen }) => sum + (sharedPrefixLen ?? 0), 0);
  const name = parent === undefined ? `[${parentId} as parent]` : relativeName(catalog, table, parent);
  return ` INTERLEAVE IN PARENT ${name} (${names((index.keyColumnNames ?? []).slice(0, shared))})`;
}

function literal(datum: Datum, type: ColumnType): string {
  if (datum === null) return 'NULL';
  if (typeof datum === 'string') return quoteText(datum);
  const text = datumText(datum, type);
  const bare = typeof datum === 'bigint' || typeof datum === 'number' || typeof datum === 'boolean';
  return bare || (typeof datum === 'object' && 'kind' in datum && datum.kind === 'decimal') ? text : quoteText(text);
}

function tupleText(values: readonly PartitionValue[], types: readonly ColumnType[]): string {
  const texts = values.map((value, index) => {
    if ('special' in value) return value.special.toUpperCase();
    const type = types[index];
    return type === undefined ? 'NULL' : literal(value.datum, type);
  });
  return `(${texts.join(', ')})`;
}

function partitionClause(
  types: readonly ColumnType[],
  columns: readonly string[],
  partitioning: PartitioningDescriptor.$Properties | null | undefined,
  indent: string,
): string {
  const width = partitioning?.numColumns ?? 0;
  if (partitioning === null || partitioning === undefined || width === 0) return '';
  const own = types.slice(0, width);
  const tuple = (bytes: Uint8Array | null | undefined): string =>
    tupleText(decodePartitionTuple(bytes ?? new Uint8Array(0), own), own);
  const lists = (partitioning.list ?? []).map((list) => {
    const nested = partitionClause(types.slice(width), columns.slice(width), list.subpartitioning, `${indent}\t`);
    return `PARTITION ${quoteName(list.name ?? '')} VALUES IN (${(list.values ?? []).map(tuple).join(', ')})${nested}`;
  });
  const ranges = (partitioning.range ?? []).map(
    (range) => `PARTITION ${range.name ?? ''} VALUES FROM ${tuple(range.fromInclusive)} TO ${tuple(range.toExclusive)}`,
  );
  const kind = lists.length > 0 ? 'LIST' : 'RANGE';
  const entries = [...lists, ...ranges].map((entry) => `\n${indent}\t${entry}`);
  return ` PARTITION BY ${kind} (${columns.slice(0, width).join(', ')}) (${entries.join(', ')}\n${indent})`;
}

function indexPartitionClause(
  catalog: Catalog,
  table: Table,
  index: IndexDescriptor.$Properties,
  indent: string,
): string {
  const types = (index.keyColumnIds ?? []).map((id) =>
    columnType(catalog, table.message.columns.find((column) => column.id === id)?.type ?? {}),
  );
  return partitionClause(types, index.keyColumnNames ?? [], index.partitioning, indent);
}

function indexClause(catalog: Catalog, table: Table, index: IndexDescriptor.$Properties): string {
  const kind = `${index.unique ? 'UNIQUE ' : ''}${index.type === 1 ? 'INVERTED ' : ''}INDEX`;
  const storing = index.storeColumnNames ?? [];
  const parts = [`${kind} ${quoteName(index.name ?? '')} ${keyClause(index)}`];
  if (storing.length > 0) parts.push(` STORING (${names(storing)})`);
  parts.push(interleaveClause(catalog, table, index), indexPartitionClause(catalog, table, index, '\t'));
  if (index.predicate) parts.push(` WHERE ${displayExpression(catalog, table, index.predicate)}`);
  return parts.join('');
}

function localityClause(locality: LocalityConfig.$Properties | null | undefined): string {
  if (locality?.global) return ' LOCALITY GLOBAL';
  if (locality?.regionalByRow) {
    const { as } = locality.regionalByRow;
    return ` LOCALITY REGIONAL BY ROW${as ? ` AS ${quoteName(as)}` : ''}`;
  }
  if (!locality?.regionalByTable) return '';
  const { region } = locality.regionalByTable;
  return ` LOCALITY REGIONAL BY TABLE IN ${region ? quoteName(region) : 'PRIMARY REGION'}`;
}

function commentStatements(table: Table, name: string, comments: readonly TableComment[]): string[] {
  const { message } = table;
  const indexes = [message.primaryIndex, ...message.indexes];
  const of = (kind: TableComment['on']): readonly TableComment[] => comments.filter(({ on }) => on === kind);
  const subject = (kind: string, target: string, comment: string): string =>
    `COMMENT ON ${kind} ${target} IS ${quoteText(comment)}`;
  return [
    ...of('table').map(({ comment }) => subject('TABLE', name, comment)),
    ...of('column').map(({ subId, comment }) => {
      const column = message.columns.find(({ id }) => id === subId);
      return subject('COLUMN', `${name}.${quoteName(column?.name ?? String(subId))}`, comment);
    }),
    ...of('index').map(({ subId, comment }) => {
      const index = indexes.find((one) => one?.id === subId);
      return subject('INDEX', `${name}@${quoteName(index?.name ?? String(subId))}`, comment);
    }),
  ];
}

function createTable(catalog: Catalog, table: Table, name: string): string {
  const { message } = table;
  const primary = message.primaryIndex ?? {};
  const lines = message.columns.map((column) => columnClause(catalog, table, column));
  lines.push(`CONSTRAINT ${quoteName(primary.name ?? 'primary')} PRIMARY KEY ${keyClause(primary)}`);
  for (const key of outboundKeys(catalog, table)) {
    const clause = foreignKeyClause(catalog, table, key);
    if (clause !== undefined) lines.push(clause);
  }
  for (const index of message.indexes) lines.push(indexClause(catalog, table, index));
  const columnIds = new Set(message.columns.map(({ id }) => id));
  for (const family of message.families) {
    const active = (family.columnNames ?? []).filter((_, position) =>
      columnIds.has((family.columnIds ?? [])[position]),
    );
    lines.push(`FAMILY ${quoteName(family.name ?? '')} (${names(active)})`);
  }
  for (const check of message.checks) {
    if (check.hidden) continue;
    const label = check.name ? `CONSTRAINT ${quoteName(check.name)} ` : '';
    lines.push(`${label}CHECK (${displayExpression(catalog, table, check.expr ?? '')})`);
  }
  for (const unique of message.uniqueWithoutIndexConstraints) {
    const columns = (unique.columnIds ?? []).map((id) => message.columns.find((one) => one.id === id)?.name ?? '???');
    lines.push(`CONSTRAINT ${quoteName(unique.name ?? '')} UNIQUE WITHOUT INDEX (${names(columns)})`);
  }
  const temporary = message.temporary ? 'TEMP ' : '';
  const body = lines.map((line) => `\n\t${line}`).join(',');
  const tail = `${interleaveClause(catalog, table, primary)}${indexPartitionClause(catalog, table, primary, '')}`;
  const parameters = message.excludeDataFromBackup ? ' WITH (exclude_data_from_backup = true)' : '';
  return `CREATE ${temporary}TABLE ${name} (${body}\n)${tail}${localityClause(message.localityConfig)}${parameters}`;
}

function createView(table: Table, name: string): string {
  const { columns, viewQuery, isMaterializedView, temporary } = table.message;
  const kind = `${temporary ? 'TEMP ' : ''}${isMaterializedView ? 'MATERIALIZED ' : ''}VIEW`;
  return `CREATE ${kind} ${name} (${names(columns.map((column) => column.name ?? ''))}) AS ${viewQuery}`;
}

function createSequence(table: Table, name: string): string {
  const { sequenceOpts, temporary } = table.message;
  const number = (value: { toString(): string } | null | undefined): string => (value ?? 0).toString();
  const options = [
    `MINVALUE ${number(sequenceOpts?.minValue)}`,
    `MAXVALUE ${number(sequenceOpts?.maxValue)}`,
    `INCREMENT ${number(sequenceOpts?.increment)}`,
    `START ${number(sequenceOpts?.start)}`,
  ];
  return `CREATE ${temporary ? 'TEMP ' : ''}SEQUENCE ${name} ${options.join(' ')}${sequenceOpts?.virtual ? ' VIRTUAL' : ''}`;
}

/**
 * The CREATE statement of a table, view or sequence as 21.1 prints it. Foreign keys to tables that are not in the
 * catalog are left out, as in SHOW BACKUP SCHEMAS.
 */
export function createStatement(catalog: Catalog, table: Table, options: CreateOptions): string {
  const name = options.qualified
    ? `${quoteName(catalog.schemaName(table))}.${quoteName(table.name)}`
    : quoteName(table.name);
  if (isView(table)) return createView(table, name);
  if (isSequence(table)) return createSequence(table, name);
  const zones = options.zones === undefined ? [] : tableZoneStatements(catalog, options.zones, table);
  const statements = [
    createTable(catalog, table, name),
    ...commentStatements(table, name, options.comments ?? []),
    ...zones,
  ];
  const text = statements.join(';\n');
  const partitioned = [table.message.primaryIndex, ...table.message.indexes].some(
    (index) => (index?.partitioning?.numColumns ?? 0) > 0,
  );
  const bare = options.zones !== undefined && zones.length === 0 && partitioned;
  return bare ? `${text}\n-- Warning: Partitioned table with no zone configurations.` : text;
}
