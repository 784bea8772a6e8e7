import { SpanvaultError } from '../fault/index.js';
import { TYPE_FAMILY } from '../rows/schema.js';
import { Catalog } from './catalog.js';
import { decodeDescriptor, PUBLIC_SCHEMA_ID } from './descriptor.js';
import {
  type CheckConstraint,
  type ColumnDescriptor,
  type ColumnFamilyDescriptor,
  Descriptor as DescriptorMessage,
  type ForeignKeyConstraint,
  type IndexDescriptor,
  type PartitioningDescriptor,
  type TableDescriptor,
} from './generated/descriptors.js';
import { hlc, privilegesOf } from './message_parts.js';
import { encodePartitionTuple } from './partitions.js';
import { columnType } from './rows_schema.js';
import {
  type FamilySpec,
  type IndexSpec,
  type KeyColumnSpec,
  type PartitioningSpec,
  type TablePlace,
  type TableSpec,
  USER_PRIVILEGES,
} from './table_spec.js';
import { parseSqlType } from './types.js';

/*
 * New descriptors as CockroachDB 21.1 writes them: every field that it never leaves out is present, in its order.
 */

const INDEX_VERSION = 2;
const FORMAT_VERSION = 3;

function keyName(column: KeyColumnSpec): string {
  return typeof column === 'string' ? column : column.name;
}

/** Families of types whose ordered key does not hold the value exactly. */
function isCompositeType(column: ColumnDescriptor.$Properties): boolean {
  const type = column.type?.family === TYPE_FAMILY.array ? column.type.arrayContents : column.type;
  const families: readonly number[] = [TYPE_FAMILY.float, TYPE_FAMILY.decimal, TYPE_FAMILY.collatedString];
  return families.includes(type?.family ?? 0);
}

class TableBuilder {
  readonly #spec: TableSpec;
  readonly #columns: ColumnDescriptor.$Properties[];
  readonly #primaryIds: number[];

  constructor(spec: TableSpec) {
    this.#spec = spec;
    const primary = new Set(spec.primaryKey.map(keyName));
    this.#columns = spec.columns.map((column, index) => ({
      name: column.name,
      id: index + 1,
      type: parseSqlType(column.type),
      nullable: !primary.has(column.name) && column.nullable !== false,
      ...(column.default === undefined ? {} : { defaultExpr: column.default }),
      hidden: column.hidden ?? false,
      pgAttributeNum: 0,
      alterColumnTypeInProgress: false,
      systemColumnKind: 0,
      virtual: false,
    }));
    this.#primaryIds = this.ids(spec.primaryKey.map(keyName));
  }

  column(name: string): ColumnDescriptor.$Properties {
    const found = this.#columns.find((column) => column.name === name);
    if (found === undefined) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(name)} does not exist`);
    return found;
  }

  ids(names: readonly string[]): number[] {
    return names.map((name) => this.column(name).id ?? 0);
  }

  #partitioning(spec: PartitioningSpec | undefined): PartitioningDescriptor.$Properties {
    if (spec === undefined) return { numColumns: 0, numImplicitColumns: 0 };
    const types = spec.columns.map((name) => columnType(EMPTY_CATALOG, this.column(name).type ?? {}));
    return {
      numColumns: spec.columns.length,
      numImplicitColumns: 0,
      list: (spec.list ?? []).map((list) => ({
        name: list.name,
        values: list.values.map((values) => encodePartitionTuple(values, types)),
        subpartitioning: this.#partitioning(list.subpartitioning),
      })),
      range: (spec.range ?? []).map((range) => ({
        name: range.name,
        toExclusive: encodePartitionTuple(range.to, types),
        fromInclusive: encodePartitionTuple(range.from, types),
      })),
    };
  }

  #index(id: number, spec: IndexSpec, primary: boolean): IndexDescriptor.$Properties {
    const names = spec.columns.map(keyName);
    const keyColumnIds = this.ids(names);
    const suffix = primary ? [] : this.#primaryIds.filter((column) => !keyColumnIds.includes(column));
    const storing = spec.storing ?? [];
    const composite = [...keyColumnIds, ...suffix].filter((column) => isCompositeType(this.#columns[column - 1] ?? {}));
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
      compositeColumnIds: composite,
      storeColumnIds: this.ids(storing),
      partitioning: this.#partitioning(spec.partitioning),
      type: 0,
      createdExplicitly: spec.createdExplicitly ?? false,
      version: INDEX_VERSION,
      encodingType: 0,
      sharded: { isSharded: false, name: '', shardBuckets: 0 },
      disabled: false,
      geoConfig: {},
      predicate: '',
    };
  }

  #family(spec: FamilySpec, id: number): ColumnFamilyDescriptor.$Properties {
    const columnIds = this.ids(spec.columns);
    const stored = columnIds.filter((column) => !this.#primaryIds.includes(column));
    return {
      name: spec.name,
      id,
      columnNames: [...spec.columns],
      columnIds,
      defaultColumnId: stored.length === 1 ? (stored[0] ?? 0) : 0,
    };
  }

  #checks(): CheckConstraint.$Properties[] {
    return (this.#spec.checks ?? []).map(({ name, expression, columns }) => ({
      expr: expression,
      name,
      validity: 0,
      columnIds: this.ids(columns).sort((a, b) => a - b),
      isNonNullConstraint: false,
      hidden: false,
    }));
  }

  build(id: number, place: TablePlace): TableDescriptor.$Properties {
    const spec = this.#spec;
    const families = (spec.families ?? [{ name: 'primary', columns: spec.columns.map(({ name }) => name) }]).map(
      (family, index) => this.#family(family, family.id ?? index),
    );
    const primary: IndexSpec = { name: 'primary', columns: spec.primaryKey, unique: true };
    const withPartitioning =
      spec.partitioning === undefined ? primary : { ...primary, partitioning: spec.partitioning };
    const indexes = (spec.indexes ?? []).map((index, position) => this.#index(position + 2, index, false));
    return {
      name: spec.name,
      id,
      parentId: place.databaseId,
      version: 1,
      modificationTime: hlc(place.time),
      columns: this.#columns,
      nextColumnId: this.#columns.length + 1,
      primaryIndex: this.#index(1, withPartitioning, true),
      indexes,
      nextIndexId: indexes.length + 2,
      privileges: privilegesOf(place.privileges ?? USER_PRIVILEGES),
      nextMutationId: 1,
      formatVersion: FORMAT_VERSION,
      state: 0,
      checks: this.#checks(),
      families,
      nextFamilyId: Math.max(...families.map((family) => family.id ?? 0)) + 1,
      viewQuery: '',
      dropTime: 0,
      replacementOf: { id: 0, time: {} },
      auditMode: 0,
      dropJobId: 0,
      createQuery: '',
      createAsOfTime: hlc(place.time),
      outboundFks: [],
      inboundFks: [],
      offlineReason: '',
      temporary: false,
      unexposedParentSchemaId: place.schemaId ?? PUBLIC_SCHEMA_ID,
      isMaterializedView: false,
      partitionAllBy: false,
    };
  }
}

const EMPTY_CATALOG = new Catalog([]);

function encodeTable(table: TableDescriptor.$Properties): Uint8Array {
  return DescriptorMessage.encode({ table }).finish();
}

/**
 * Marshalled descriptors of tables that may refer to each other, with ids from `firstId` on, in the order of the specs.
 * @throws SpanvaultError SV_UNDEFINED for an unknown column or table, SV_NOT_SUPPORTED for a type
 */
export function buildTables(specs: readonly TableSpec[], firstId: number, place: TablePlace): Uint8Array[] {
  const builders = specs.map((spec) => new TableBuilder(spec));
  const tables = builders.map((builder, index) => builder.build(firstId + index, place));
  specs.forEach((spec, index) => {
    for (const key of spec.foreignKeys ?? []) {
      const target = specs.findIndex(({ name }) => name === key.references);
      const builder = builders[target];
      if (builder === undefined)
        throw new SpanvaultError('SV_UNDEFINED', `table ${JSON.stringify(key.references)} does not exist`);
      const constraint: ForeignKeyConstraint.$Properties = {
        originTableId: firstId + index,
        originColumnIds: builders[index]?.ids(key.columns) ?? [],
        referencedColumnIds: builder.ids(key.referencedColumns),
        referencedTableId: firstId + target,
        name: key.name,
        validity: 0,
        onDelete: 0,
        onUpdate: 0,
        match: 0,
      };
      tables[index]?.outboundFks?.push(constraint);
      tables[target]?.inboundFks?.push(constraint);
    }
  });
  return tables.map(encodeTable);
}

/** One table with the given id. */
export function buildTable(spec: TableSpec, id: number, place: TablePlace): Uint8Array {
  const [table] = buildTables([spec], id, place);
  if (table === undefined) throw new SpanvaultError('SV_INTERNAL', 'no table was built');
  return table;
}

/** A catalog of freshly built descriptors. */
export function catalogOf(...descriptors: readonly Uint8Array[]): Catalog {
  return new Catalog(descriptors.map(decodeDescriptor));
}
