import {
  type Catalog,
  inboundKeys,
  outboundKeys,
  type Table,
  tableDependencies,
  typeIdsOf,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';

/*
 * What other objects hold against a change of a table, in CockroachDB's words.
 */

/** Views name what they read by text, so that it cannot take another name. @throws SpanvaultError SV_CONSTRAINT */
export function assertNoViews(catalog: Catalog, table: Table, change: 'table' | 'schema' | 'database'): void {
  const view = catalog.tableById(table.message.dependedOnBy[0]?.id ?? 0);
  if (view === undefined) return;
  const sentence =
    change === 'database'
      ? `cannot rename database because relation ${JSON.stringify(catalog.qualifiedName(view))} depends on relation ${JSON.stringify(catalog.qualifiedName(table))}`
      : `cannot ${change === 'table' ? 'rename' : 'set schema on'} relation ${JSON.stringify(catalog.qualifiedName(table))} because view ${JSON.stringify(view.name)} depends on it`;
  throw new SpanvaultError('SV_CONSTRAINT', sentence, { hint: `you can drop ${view.name} instead.` });
}

/** A table may leave its database when nothing would refer from one database to the other. @throws SpanvaultError SV_CONSTRAINT */
export function assertMovable(catalog: Catalog, table: Table, databaseId: number, schemaId: number): void {
  if (catalog.schemaName(table) !== 'public' || catalog.schema(databaseId, 'public')?.id !== schemaId) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      'cannot change database of table unless both the old and new schemas are the public schema in each database',
    );
  }
  if (table.message.columns.some(({ type }) => typeIdsOf(type).size > 0)) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      'cannot change database of table if any of its column types are user-defined',
    );
  }
  const keys = [
    ...outboundKeys(catalog, table).map(({ name, referencedTableId }) => ({ name, other: referencedTableId })),
    ...inboundKeys(catalog, table).map(({ name, originTableId }) => ({ name, other: originTableId })),
  ];
  const across = keys.find(({ other }) => other !== table.id && catalog.tableById(other ?? 0)?.parentId !== databaseId);
  if (across !== undefined) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `a foreign key constraint ${JSON.stringify(across.name)} will exist between databases after rename (see the 'sql.cross_db_fks.enabled' cluster setting)`,
    );
  }
}

/** Tables that share keys with this one up to 21.1: those that it is interleaved in, and those interleaved in it. */
function interleavedWith(catalog: Catalog, table: Table): { readonly parents: Table[]; readonly children: Table[] } {
  const ancestors = tableDependencies(table).interleavedIn;
  const tables = catalog.tables().filter(({ state }) => state !== 'drop');
  return {
    parents: tables.filter(({ id }) => ancestors.has(id)),
    children: tables.filter((other) => tableDependencies(other).interleavedIn.has(table.id)),
  };
}

/** A new primary index would strand the rows of the table or of its children. @throws SpanvaultError SV_NOT_SUPPORTED */
export function assertNotInterleaved(catalog: Catalog, table: Table, what: string): void {
  const { parents, children } = interleavedWith(catalog, table);
  if (parents.length + children.length === 0) return;
  throw new SpanvaultError('SV_NOT_SUPPORTED', `${what} on the interleaved table ${table.name} is not supported yet`);
}

/** Interleaved tables go together: rows of a child lie among those of its parent. @throws SpanvaultError SV_CONSTRAINT */
export function assertInterleavedTogether(catalog: Catalog, dropped: ReadonlyMap<number, Table>): void {
  for (const table of dropped.values()) {
    const { parents, children } = interleavedWith(catalog, table);
    const child = children.find(({ id }) => !dropped.has(id));
    const parent = parents.find(({ id }) => !dropped.has(id));
    const left = child ?? parent;
    if (left === undefined) continue;
    const how = left === child ? 'by' : 'in';
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `${JSON.stringify(table.name)} is interleaved ${how} table ${JSON.stringify(left.name)}`,
      { hint: 'drop both in one statement' },
    );
  }
}

/**
 * Tables with those whose foreign keys refer to them, and so on; each once.
 * @throws SpanvaultError SV_CONSTRAINT without `cascade` when one of the others refers to one of these
 */
export function referencingTables(catalog: Catalog, tables: readonly Table[], cascade: boolean): Table[] {
  const found = new Map(tables.map((table) => [table.id, table]));
  for (const table of found.values()) {
    for (const { originTableId } of inboundKeys(catalog, table)) {
      const other = catalog.tableById(originTableId ?? 0);
      if (other === undefined || found.has(other.id)) continue;
      if (!cascade) {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          `${JSON.stringify(table.name)} is referenced by foreign key from table ${JSON.stringify(other.name)}`,
        );
      }
      found.set(other.id, other);
    }
  }
  return [...found.values()];
}
