import { SpanvaultError } from '../fault/index.js';
import type { Timestamp } from '../keys/index.js';
import { onlyStoredColumn } from './builder.js';
import { type Database, decodeDescriptor, type Table, unwrapDescriptor } from './descriptor.js';
import { addSchemaToDatabase, stampBody, wrapBody } from './descriptor_edits.js';
import { buildColumn, buildIndex } from './element_builder.js';
import { isReferenced } from './foreign_keys.js';
import { type ColumnFamilyDescriptor, type IndexDescriptor, TableDescriptor } from './generated/descriptors.js';
import { hlc } from './message_parts.js';
import { quoteName } from './names.js';
import type { ColumnSpec, IndexSpec } from './table_spec.js';
import { editMessage } from './wire.js';

/*
 * What statements of the schema make of a descriptor: a marshalled new version of it, its version raised by one and its
 * modification time set. Fields that nobody here knows survive.
 */

/** Field of the name in a database's message. */
const DATABASE_NAME = 1;

/** Where a new column is stored; null: in the first family. */
export interface FamilyChoice {
  /** Null: a new family with a name made of its id and column. */
  readonly name: string | null;
  readonly create: boolean;
  readonly ifNotExists: boolean;
}

function edited(table: Table, change: Partial<TableDescriptor.$Properties>, time: Timestamp): Uint8Array {
  const message: TableDescriptor.$Properties = {
    ...table.message,
    ...change,
    version: table.version + 1,
    modificationTime: hlc(time),
  };
  return wrapBody(table, TableDescriptor.encode(message).finish());
}

/**
 * The table with `exclude_data_from_backup` set or reset.
 * @throws SpanvaultError SV_CONSTRAINT when rows of other tables refer to its rows: restored without them, they would dangle
 */
export function withExcluded(table: Table, excluded: boolean, time: Timestamp): Uint8Array {
  if (excluded && isReferenced(table)) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      'cannot set data in a table with inbound foreign key constraints to be excluded from backup',
      { details: { table: table.name, foreignKey: table.message.inboundFks[0]?.name ?? '' } },
    );
  }
  return edited(table, { excludeDataFromBackup: excluded }, time);
}

/** Public indexes, the primary one first. */
function indexesOf(table: Table): IndexDescriptor.$Properties[] {
  return [table.message.primaryIndex ?? {}, ...table.message.indexes];
}

/** Names that an index of the table cannot take. */
export function indexNames(table: Table): Set<string> {
  return new Set(indexesOf(table).map(({ name }) => name ?? ''));
}

/** @throws SpanvaultError SV_UNDEFINED `index "i" does not exist` */
export function indexNamed(table: Table, name: string): IndexDescriptor.$Properties {
  const found = indexesOf(table).find((index) => index.name === name);
  if (found === undefined) throw new SpanvaultError('SV_UNDEFINED', `index ${JSON.stringify(name)} does not exist`);
  return found;
}

/**
 * The table with one more index, whose id is the table's next one.
 * @throws SpanvaultError SV_EXISTS `relation "i" already exists`, and what the columns of an index must be
 */
export function withIndex(table: Table, spec: IndexSpec, time: Timestamp): Uint8Array {
  const { message } = table;
  if (indexNames(table).has(spec.name))
    throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(spec.name)} already exists`);
  const id = message.nextIndexId;
  const index = buildIndex(id, spec, message.columns, message.primaryIndex?.keyColumnIds ?? []);
  return edited(
    table,
    { indexes: [...message.indexes, index], nextIndexId: id + 1, nextMutationId: message.nextMutationId + 1 },
    time,
  );
}

/**
 * The table without an index.
 * @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT for the primary index and for one that constraints or views need
 */
export function withoutIndex(table: Table, name: string, cascade: boolean, time: Timestamp): Uint8Array {
  const { message } = table;
  const index = indexNamed(table, name);
  if (index.id === message.primaryIndex?.id) {
    throw new SpanvaultError('SV_CONSTRAINT', 'cannot drop the primary index of a table using DROP INDEX', {
      hint: 'instead, use ALTER TABLE ... ALTER PRIMARY KEY',
    });
  }
  assertNotNeeded(table, index);
  if (index.unique === true && index.createdExplicitly !== true && !cascade) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `index ${JSON.stringify(name)} is in use as unique constraint (use CASCADE if you really want to drop it)`,
    );
  }
  return edited(
    table,
    { indexes: message.indexes.filter(({ id }) => id !== index.id), nextMutationId: message.nextMutationId + 1 },
    time,
  );
}

/** Foreign keys of other tables need a unique index of their columns, views the very index that they name. */
function assertNotNeeded(table: Table, index: IndexDescriptor.$Properties): void {
  const covers = (one: IndexDescriptor.$Properties, ids: readonly number[]): boolean => {
    const key = one.keyColumnIds ?? [];
    return one.unique === true && key.length === ids.length && ids.every((id) => key.includes(id));
  };
  const others = indexesOf(table).filter(({ id }) => id !== index.id);
  const needing = table.message.inboundFks.find(({ referencedColumnIds }) => {
    const ids = referencedColumnIds ?? [];
    return covers(index, ids) && !others.some((one) => covers(one, ids));
  });
  // Up to 19.1 a foreign key named the one index that it needs; its own name stands in the other table.
  const old = index.referencedBy?.[0]?.table;
  if (needing !== undefined || old != null) {
    const by = needing === undefined ? `of table ${old}` : JSON.stringify(needing.name);
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `index ${JSON.stringify(index.name)} is in use by foreign key constraint ${by}`,
    );
  }
  if (table.message.dependedOnBy.some(({ indexId }) => indexId === index.id)) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `cannot drop index ${JSON.stringify(index.name)} because a view depends on it`,
    );
  }
}

/**
 * The table with more columns at its end. With `rewrite` the primary index gets the table's next index id: its rows are
 * written anew, with the values of the columns.
 * @throws SpanvaultError SV_EXISTS `column "a" of relation "t" already exists`, SV_UNDEFINED for an unknown family
 */
export function withColumns(
  table: Table,
  columns: readonly { readonly spec: ColumnSpec; readonly family: FamilyChoice | null }[],
  rewrite: boolean,
  time: Timestamp,
): Uint8Array {
  const { message } = table;
  const primaryIds = message.primaryIndex?.keyColumnIds ?? [];
  const all = [...message.columns];
  const families = message.families.map((family) => ({ ...family }));
  let { nextColumnId, nextFamilyId } = message;
  for (const { spec, family } of columns) {
    if (all.some(({ name }) => name === spec.name)) {
      throw new SpanvaultError(
        'SV_EXISTS',
        `column ${JSON.stringify(spec.name)} of relation ${JSON.stringify(table.name)} already exists`,
      );
    }
    const id = nextColumnId++;
    all.push(buildColumn(spec, id, spec.nullable !== false));
    const chosen = chooseFamily(families, family);
    if (chosen === undefined) {
      const name = family?.name ?? `fam_${nextFamilyId}_${spec.name}`;
      families.push({ name, id: nextFamilyId++, columnNames: [spec.name], columnIds: [id], defaultColumnId: id });
      continue;
    }
    chosen.columnNames = [...(chosen.columnNames ?? []), spec.name];
    chosen.columnIds = [...(chosen.columnIds ?? []), id];
    // CockroachDB never takes a default column back: values say by their tag what they hold.
    chosen.defaultColumnId ||= onlyStoredColumn(chosen.columnIds, primaryIds);
  }
  const change = { columns: all, families, nextColumnId, nextFamilyId, nextMutationId: message.nextMutationId + 1 };
  if (!rewrite) return edited(table, change, time);
  const primaryIndex = { ...message.primaryIndex, id: message.nextIndexId };
  return edited(table, { ...change, primaryIndex, nextIndexId: message.nextIndexId + 1 }, time);
}

/** The family of that name, or undefined when one is to be made. */
function chooseFamily(
  families: ColumnFamilyDescriptor.$Properties[],
  choice: FamilyChoice | null,
): ColumnFamilyDescriptor.$Properties | undefined {
  if (choice === null) return families[0];
  const found = choice.name === null ? undefined : families.find(({ name }) => name === choice.name);
  const name = JSON.stringify(choice.name ?? '');
  if (found === undefined && !choice.create) throw new SpanvaultError('SV_UNDEFINED', `unknown family ${name}`);
  if (found !== undefined && choice.create && !choice.ifNotExists)
    throw new SpanvaultError('SV_EXISTS', `family ${name} already exists`);
  return found;
}

/** The table under another name, in another schema or database. */
export function moved(
  table: Table,
  to: {
    readonly name?: string | undefined;
    readonly databaseId?: number | undefined;
    readonly schemaId?: number | undefined;
  },
  time: Timestamp,
): Uint8Array {
  return edited(
    table,
    {
      name: to.name ?? table.name,
      parentId: to.databaseId ?? table.parentId,
      unexposedParentSchemaId: to.schemaId ?? table.parentSchemaId,
    },
    time,
  );
}

/**
 * The table with a column under another name, in indexes, families and expressions too.
 * @throws SpanvaultError SV_UNDEFINED, SV_EXISTS, SV_CONSTRAINT when a view reads the column
 */
export function withRenamedColumn(table: Table, from: string, to: string, time: Timestamp): Uint8Array {
  const { message } = table;
  const column = message.columns.find(({ name }) => name === from);
  if (column === undefined) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(from)} does not exist`);
  if (message.columns.some(({ name }) => name === to)) {
    throw new SpanvaultError(
      'SV_EXISTS',
      `column ${JSON.stringify(to)} of relation ${JSON.stringify(table.name)} already exists`,
    );
  }
  if (message.dependedOnBy.some(({ columnIds }) => columnIds?.includes(column.id ?? 0)))
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `cannot rename column ${JSON.stringify(from)} because a view depends on it`,
    );
  const name = (one: string): string => (one === from ? to : one);
  const expression = (text: string | null | undefined): string => renameInExpression(text ?? '', from, to);
  const index = (one: IndexDescriptor.$Properties): IndexDescriptor.$Properties => ({
    ...one,
    keyColumnNames: (one.keyColumnNames ?? []).map(name),
    storeColumnNames: (one.storeColumnNames ?? []).map(name),
    ...(one.predicate ? { predicate: expression(one.predicate) } : {}),
  });
  return edited(
    table,
    {
      columns: message.columns.map((one) => ({
        ...one,
        name: name(one.name ?? ''),
        ...(one.computeExpr ? { computeExpr: expression(one.computeExpr) } : {}),
      })),
      primaryIndex: index(message.primaryIndex ?? {}),
      indexes: message.indexes.map(index),
      families: message.families.map((family) => ({ ...family, columnNames: (family.columnNames ?? []).map(name) })),
      checks: message.checks.map((check) => ({ ...check, expr: expression(check.expr) })),
    },
    time,
  );
}

/** String literals, quoted names, and the text between them. */
const PIECES = /([eEbB]?'(?:[^'\\]|''|\\.)*')|("(?:[^"]|"")*")|([^'"]+)/gs;

/** A column's name outside of literals, types and calls. */
function renameInExpression(text: string, from: string, to: string): string {
  const quoted = `"${from.replaceAll('"', '""')}"`;
  const escaped = from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const bare = new RegExp(String.raw`(?<![\p{L}\p{N}_$:])${escaped}(?![\p{L}\p{N}_$(])`, 'gu');
  const plain = quoteName(from) === from;
  return text.replace(PIECES, (whole, literal: string | undefined, name: string | undefined) => {
    if (literal !== undefined) return whole;
    if (name !== undefined) return name === quoted ? quoteName(to) : whole;
    return plain ? whole.replace(bare, () => quoteName(to)) : whole;
  });
}

/** @throws SpanvaultError SV_UNDEFINED, SV_EXISTS `index name "i" already exists` */
export function withRenamedIndex(table: Table, from: string, to: string, time: Timestamp): Uint8Array {
  const { id } = indexNamed(table, from);
  if (indexNames(table).has(to))
    throw new SpanvaultError('SV_EXISTS', `index name ${JSON.stringify(to)} already exists`);
  const { message } = table;
  const index = (one: IndexDescriptor.$Properties): IndexDescriptor.$Properties =>
    one.id === id ? { ...one, name: to } : one;
  return edited(table, { primaryIndex: index(message.primaryIndex ?? {}), indexes: message.indexes.map(index) }, time);
}

/** What TRUNCATE makes: every index has a new id, under which there is nothing yet. */
export function withFreshIndexes(table: Table, time: Timestamp): Uint8Array {
  const { message } = table;
  let { nextIndexId } = message;
  const ids = new Map(indexesOf(table).map(({ id }) => [id ?? 0, nextIndexId++]));
  const index = (one: IndexDescriptor.$Properties): IndexDescriptor.$Properties => ({
    ...one,
    id: ids.get(one.id ?? 0) ?? 0,
  });
  const dependedOnBy = message.dependedOnBy.map((one) =>
    one.indexId ? { ...one, indexId: ids.get(one.indexId) ?? 0 } : one,
  );
  return edited(
    table,
    { primaryIndex: index(message.primaryIndex ?? {}), indexes: message.indexes.map(index), dependedOnBy, nextIndexId },
    time,
  );
}

/** A database under another name. */
export function withDatabaseName(database: Database, name: string, time: Timestamp): Uint8Array {
  const { kind, body } = unwrapDescriptor(database.raw);
  const renamed = editMessage(body, { [DATABASE_NAME]: { text: () => name } });
  return wrapBody(database, stampBody(kind, renamed, { version: database.version + 1, time }));
}

/** A database with one more user-defined schema, as CREATE SCHEMA leaves it. */
export function withSchema(database: Database, name: string, schemaId: number, time: Timestamp): Uint8Array {
  const added = decodeDescriptor(addSchemaToDatabase(database, name, schemaId));
  const { kind, body } = unwrapDescriptor(added.raw);
  return wrapBody(added, stampBody(kind, body, { version: database.version + 1, time }));
}
