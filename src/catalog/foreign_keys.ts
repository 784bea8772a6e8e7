import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import type { ForeignKeyConstraint, IndexDescriptor } from './generated/descriptors.js';

/*
 * Foreign keys of both forms. Since 19.2 a table lists its own and those that refer to it; up to 19.1 they stood in the indexes, as a
 * reference to the other table's index and one back from there (crdb-format.md 5.5). Descriptors keep the form that they have.
 */

function indexesOf(table: Table): IndexDescriptor.$Properties[] {
  return [table.message.primaryIndex ?? {}, ...table.message.indexes];
}

/** The foreign key of an index up to 19.1; its columns are the first ones of both indexes. */
function keyOfIndex(
  catalog: Catalog,
  table: Table,
  { foreignKey, keyColumnIds }: IndexDescriptor.$Properties,
): ForeignKeyConstraint.$Properties[] {
  if (!foreignKey?.table) return [];
  const other = catalog.tableById(foreignKey.table);
  const target = other === undefined ? undefined : indexesOf(other).find(({ id }) => id === foreignKey.index);
  const width = foreignKey.sharedPrefixLen || (keyColumnIds ?? []).length;
  const { name, validity, onDelete, onUpdate, match } = foreignKey;
  return [
    {
      name: name ?? '',
      originTableId: table.id,
      originColumnIds: (keyColumnIds ?? []).slice(0, width),
      referencedTableId: foreignKey.table,
      referencedColumnIds: (target?.keyColumnIds ?? []).slice(0, width),
      validity: validity ?? 0,
      onDelete: onDelete ?? 0,
      onUpdate: onUpdate ?? 0,
      match: match ?? 0,
    },
  ];
}

/** Foreign keys of a table: those that it lists, then those of its indexes. */
export function outboundKeys(catalog: Catalog, table: Table): ForeignKeyConstraint.$Properties[] {
  return [...table.message.outboundFks, ...indexesOf(table).flatMap((index) => keyOfIndex(catalog, table, index))];
}

/** Foreign keys that refer to a table, its own among them. Those of tables outside of the catalog are there only in the newer form. */
export function inboundKeys(catalog: Catalog, table: Table): ForeignKeyConstraint.$Properties[] {
  const origins = new Set(
    indexesOf(table).flatMap((index) => (index.referencedBy ?? []).map((back) => back.table ?? 0)),
  );
  const old = [...origins].flatMap((id) => {
    const origin = catalog.tableById(id);
    return origin === undefined ? [] : indexesOf(origin).flatMap((index) => keyOfIndex(catalog, origin, index));
  });
  return [...table.message.inboundFks, ...old.filter(({ referencedTableId }) => referencedTableId === table.id)];
}

/** Whether rows of some table, in either form, refer to rows of this one. */
export function isReferenced(table: Table): boolean {
  return (
    table.message.inboundFks.length > 0 || indexesOf(table).some(({ referencedBy }) => (referencedBy ?? []).length > 0)
  );
}
