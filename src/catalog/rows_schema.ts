import type { ColumnSchema, ColumnType, EnumMember, FamilySchema, IndexSchema, TableSchema } from '../rows/schema.js';
import { TYPE_FAMILY } from '../rows/schema.js';
import type { Catalog } from './catalog.js';
import { typeIdOfOid } from './dependencies.js';
import type { Table } from './descriptor.js';
import type { ColumnDescriptor, IndexDescriptor, InternalType } from './generated/descriptors.js';

const DIRECTION_DESC = 1;
const ENCODING_PRIMARY = 1;
/** Type numbers that releases up to 19.1 wrote for vectors; they are arrays now. */
const VECTOR_ELEMENTS: Readonly<Record<number, { readonly family: number; readonly oid: number }>> = {
  200: { family: TYPE_FAMILY.int, oid: 21 },
  201: { family: TYPE_FAMILY.oid, oid: 26 },
};

function enumMembers(catalog: Catalog, type: InternalType.$Properties): readonly EnumMember[] | undefined {
  const id = type.udtMetadata?.stableTypeId || typeIdOfOid(type.oid ?? 0);
  const descriptor = id === undefined ? undefined : catalog.typeById(typeIdOfOid(id) ?? id);
  return descriptor?.message.enumMembers.map((member) => ({
    physical: member.physicalRepresentation ?? new Uint8Array(0),
    logical: member.logicalRepresentation ?? '',
  }));
}

function elementType(catalog: Catalog, type: InternalType.$Properties): ColumnType | undefined {
  if (type.arrayContents !== null && type.arrayContents !== undefined) return columnType(catalog, type.arrayContents);
  const vector = VECTOR_ELEMENTS[type.family ?? 0];
  if (vector !== undefined) return { ...vector, width: 0, precision: 0, locale: '' };
  if (type.family !== TYPE_FAMILY.array) return undefined;
  // Up to 19.1 the element's family stood in a field of its own and its attributes in the array's.
  const { width, precision, locale, visibleType } = type;
  return {
    family: type.arrayElemType ?? 0,
    width: width ?? 0,
    precision: precision ?? 0,
    oid: 0,
    locale: locale ?? '',
    visibleType: visibleType ?? 0,
  };
}

/** A column type with enum members resolved; old forms of arrays are brought to the new one. */
export function columnType(catalog: Catalog, type: InternalType.$Properties): ColumnType {
  const family = type.family ?? 0;
  return {
    family,
    width: type.width ?? 0,
    precision: type.precision ?? 0,
    oid: type.oid ?? 0,
    locale: type.locale ?? '',
    timePrecisionIsSet: type.timePrecisionIsSet ?? false,
    visibleType: type.visibleType ?? 0,
    arrayContents: elementType(catalog, type),
    tupleContents: type.tupleContents?.length
      ? type.tupleContents.map((element) => columnType(catalog, element))
      : undefined,
    enumMembers: family === TYPE_FAMILY.enum ? enumMembers(catalog, type) : undefined,
    srid: type.geoMetadata?.srid ?? undefined,
  };
}

function columnSchema(catalog: Catalog, column: ColumnDescriptor.$Properties): ColumnSchema {
  return {
    id: column.id ?? 0,
    name: column.name ?? '',
    type: columnType(catalog, column.type ?? {}),
    nullable: column.nullable ?? false,
    hidden: column.hidden ?? false,
    virtual: column.virtual ?? false,
    defaultExpression: column.defaultExpr ?? '',
    computeExpression: column.computeExpr ?? '',
  };
}

/** An index as its entries are encoded. */
export function indexSchema(index: IndexDescriptor.$Properties, primary: boolean): IndexSchema {
  return {
    id: index.id ?? 0,
    name: index.name ?? '',
    unique: index.unique ?? false,
    keyColumnIds: index.keyColumnIds ?? [],
    keyDirections: (index.keyColumnDirections ?? []).map((direction) =>
      direction === DIRECTION_DESC ? 'desc' : 'asc',
    ),
    keySuffixColumnIds: index.keySuffixColumnIds ?? [],
    storeColumnIds: index.storeColumnIds ?? [],
    compositeColumnIds: index.compositeColumnIds ?? [],
    encoding: primary || index.encodingType === ENCODING_PRIMARY ? 'primary' : 'secondary',
    inverted: (index.type ?? 0) !== 0,
    predicate: index.predicate ?? '',
    version: index.version ?? 0,
    ancestors: (index.interleave?.ancestors ?? []).map((ancestor) => ({
      tableId: ancestor.tableId ?? 0,
      indexId: ancestor.indexId ?? 0,
      sharedPrefixLength: ancestor.sharedPrefixLen ?? 0,
    })),
  };
}

function familySchemas(table: Table): FamilySchema[] {
  const { families, columns } = table.message;
  // Tables of format version 1 (before 1.0) have no families: every column is in family 0.
  if (families.length === 0) return [{ id: 0, columnIds: columns.map(({ id }) => id ?? 0), defaultColumnId: 0 }];
  return families.map((family) => ({
    id: family.id ?? 0,
    columnIds: family.columnIds ?? [],
    defaultColumnId: family.defaultColumnId ?? 0,
  }));
}

/** What the row codec must know of a table: public columns and indexes, with types resolved in `catalog`. */
export function tableSchema(catalog: Catalog, table: Table): TableSchema {
  const { message } = table;
  return {
    id: table.id,
    name: table.name,
    columns: message.columns.map((column) => columnSchema(catalog, column)),
    families: familySchemas(table),
    primaryIndex: indexSchema(message.primaryIndex ?? {}, true),
    indexes: message.indexes.map((index) => indexSchema(index, false)),
    tenantPrefix: new Uint8Array(0),
  };
}
