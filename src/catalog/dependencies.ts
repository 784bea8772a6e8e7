import type { Table, UserType } from './descriptor.js';
import type { ColumnDescriptor, InternalType } from './generated/descriptors.js';

/** Object ids of user-defined types are their descriptor ids plus this. */
export const USER_TYPE_OID_BASE = 100_000;

/** Descriptor id of a user-defined type's oid; undefined for a built-in type. */
export function typeIdOfOid(oid: number): number | undefined {
  return oid > USER_TYPE_OID_BASE ? oid - USER_TYPE_OID_BASE : undefined;
}

/** Ids of the type descriptors that a type names, its array and element types included. */
export function typeIdsOf(type: InternalType.$Properties | null | undefined): Set<number> {
  const ids = new Set<number>();
  if (type === null || type === undefined) return ids;
  const own = typeIdOfOid(type.oid ?? 0);
  if (own !== undefined) ids.add(own);
  // Both fields held oids in early 21.1 builds and before.
  const stable = [type.udtMetadata?.stableTypeId ?? 0, type.udtMetadata?.stableArrayTypeId ?? 0];
  for (const id of stable) if (id !== 0) ids.add(typeIdOfOid(id) ?? id);
  for (const inner of [type.arrayContents, ...(type.tupleContents ?? [])])
    for (const id of typeIdsOf(inner)) ids.add(id);
  return ids;
}

/** Columns of a table, those of mutations included. */
export function allColumns(table: Table): ColumnDescriptor.$Properties[] {
  const columns: ColumnDescriptor.$Properties[] = [...table.message.columns];
  for (const { column } of table.message.mutations) if (column !== null && column !== undefined) columns.push(column);
  return columns;
}

/** Direction of a DescriptorMutation that drops. */
const MUTATION_DROP = 2;

/** Those of them that stay: a column that is being dropped asks for nothing (crdb-features.md, R #132202). */
function stayingColumns(table: Table): ColumnDescriptor.$Properties[] {
  const going = table.message.mutations.filter(({ direction }) => direction === MUTATION_DROP);
  return allColumns(table).filter((column) => !going.some((mutation) => mutation.column === column));
}

/** Type names inside serialized expressions: `'x':::@100053`, `b::@100053`. */
const TYPE_REFERENCE = /@(\d{6,})/g;

function expressionsOf(table: Table): string[] {
  const { message } = table;
  const texts = allColumns(table).flatMap((column) => [column.defaultExpr, column.computeExpr, column.onUpdateExpr]);
  texts.push(...message.checks.map(({ expr }) => expr), ...message.indexes.map(({ predicate }) => predicate));
  for (const { index, constraint } of message.mutations) texts.push(index?.predicate, constraint?.check?.expr);
  return texts.filter((text): text is string => typeof text === 'string' && text !== '');
}

/** Ids of the types that a table uses, in columns and expressions and through its view query. */
export function referencedTypeIds(table: Table): Set<number> {
  const ids = new Set<number>(table.message.dependsOnTypes);
  for (const column of allColumns(table)) for (const id of typeIdsOf(column.type)) ids.add(id);
  for (const text of expressionsOf(table)) {
    for (const [, oid] of text.matchAll(TYPE_REFERENCE)) {
      const id = typeIdOfOid(Number(oid));
      if (id !== undefined) ids.add(id);
    }
  }
  return ids;
}

/** What a table needs in order to work, by kind of need; ids of other tables. */
export interface TableDependencies {
  /** Tables that its foreign keys point to. */
  readonly references: ReadonlySet<number>;
  /** Sequences that its columns call or own. */
  readonly usesSequences: ReadonlySet<number>;
  readonly ownsSequences: ReadonlySet<number>;
  /** Tables, views and sequences that a view reads. */
  readonly reads: ReadonlySet<number>;
  /** Ancestors that its indexes are interleaved in. */
  readonly interleavedIn: ReadonlySet<number>;
  /** Owner of a sequence. */
  readonly ownedBy: number | undefined;
  readonly types: ReadonlySet<number>;
}

/** Dependencies of one table; a table that points to itself is not listed. */
export function tableDependencies(table: Table): TableDependencies {
  const { message } = table;
  const staying = stayingColumns(table);
  const indexes = [message.primaryIndex, ...message.indexes].filter((index) => index !== null && index !== undefined);
  const references = new Set(message.outboundFks.map(({ referencedTableId }) => referencedTableId ?? 0));
  for (const index of indexes) if ((index.foreignKey?.table ?? 0) !== 0) references.add(index.foreignKey?.table ?? 0);
  references.delete(table.id);
  const ancestors = indexes.flatMap((index) => index.interleave?.ancestors ?? []);
  const interleavedIn = new Set(ancestors.map(({ tableId }) => tableId ?? 0));
  interleavedIn.delete(table.id);
  return {
    references,
    usesSequences: new Set(staying.flatMap((column) => column.usesSequenceIds ?? [])),
    ownsSequences: new Set(staying.flatMap((column) => column.ownsSequenceIds ?? [])),
    reads: new Set(message.dependsOn),
    interleavedIn,
    ownedBy: message.sequenceOpts?.sequenceOwner?.ownerTableId || undefined,
    types: referencedTypeIds(table),
  };
}

/** Ids of the descriptors that a type names. */
export function typeDependencies(type: UserType): Set<number> {
  const ids = typeIdsOf(type.message.alias);
  for (const element of type.message.composite?.elements ?? []) for (const id of typeIdsOf(element.type)) ids.add(id);
  if (type.message.arrayTypeId !== 0) ids.add(type.message.arrayTypeId);
  ids.delete(type.id);
  return ids;
}
