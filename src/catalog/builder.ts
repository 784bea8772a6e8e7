import { SpanvaultError } from '../fault/index.js';
import { Catalog } from './catalog.js';
import { decodeDescriptor, PUBLIC_SCHEMA_ID } from './descriptor.js';
import { buildColumn, buildIndex, columnIds, keyName } from './element_builder.js';
import {
  type CheckConstraint,
  type ColumnDescriptor,
  type ColumnFamilyDescriptor,
  Descriptor as DescriptorMessage,
  type ForeignKeyConstraint,
  type TableDescriptor,
} from './generated/descriptors.js';
import { hlc, privilegesOf } from './message_parts.js';
import { type FamilySpec, type IndexSpec, type TablePlace, type TableSpec, USER_PRIVILEGES } from './table_spec.js';

/*
 * New descriptors as CockroachDB 21.1 writes them: every field that it never leaves out is present, in its order.
 */

const FORMAT_VERSION = 3;

class TableBuilder {
  readonly #spec: TableSpec;
  readonly #columns: ColumnDescriptor.$Properties[];
  readonly #primaryIds: number[];

  constructor(spec: TableSpec) {
    this.#spec = spec;
    const primary = new Set(spec.primaryKey.map(keyName));
    assertNamesDiffer(spec);
    this.#columns = spec.columns.map((column, index) =>
      buildColumn(column, index + 1, !primary.has(column.name) && column.nullable !== false),
    );
    this.#primaryIds = this.ids(spec.primaryKey.map(keyName));
  }

  ids(names: readonly string[]): number[] {
    return columnIds(this.#columns, names);
  }

  /** Families as given; columns that are in none join the first one. */
  #families(): ColumnFamilyDescriptor.$Properties[] {
    const given: readonly FamilySpec[] = this.#spec.families ?? [{ name: 'primary', columns: [] }];
    const placed = new Map<string, number>();
    for (const [index, family] of given.entries()) {
      for (const name of family.columns) {
        if (!this.#spec.columns.some((column) => column.name === name)) {
          throw new SpanvaultError(
            'SV_UNDEFINED',
            `family ${JSON.stringify(family.name ?? '')} contains unknown column ${JSON.stringify(name)}`,
          );
        }
        const before = placed.get(name);
        if (before !== undefined)
          throw new SpanvaultError(
            'SV_EXISTS',
            `column ${this.ids([name])[0]} is in both family ${before} and ${index}`,
          );
        placed.set(name, index);
      }
    }
    const rest = this.#spec.columns.map(({ name }) => name).filter((name) => !placed.has(name));
    return given.map((family, index) =>
      this.#family(
        { ...family, columns: index === 0 ? [...family.columns, ...rest] : family.columns },
        family.id ?? index,
      ),
    );
  }

  #family(spec: FamilySpec, id: number): ColumnFamilyDescriptor.$Properties {
    const columnIds = this.ids(spec.columns);
    return {
      name: spec.name ?? `fam_${id}_${spec.columns.join('_')}`,
      id,
      columnNames: [...spec.columns],
      columnIds,
      defaultColumnId: onlyStoredColumn(columnIds, this.#primaryIds),
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
    const families = this.#families();
    const primary: IndexSpec = {
      name: spec.primaryKeyName ?? 'primary',
      columns: spec.primaryKey,
      unique: true,
      ...(spec.partitioning === undefined ? {} : { partitioning: spec.partitioning }),
      ...(spec.primaryIndexVersion === undefined ? {} : { version: spec.primaryIndexVersion }),
    };
    const indexes = (spec.indexes ?? []).map((index, position) =>
      buildIndex(position + 2, index, this.#columns, this.#primaryIds),
    );
    return {
      name: spec.name,
      id,
      parentId: place.databaseId,
      version: 1,
      modificationTime: hlc(place.time),
      columns: this.#columns,
      nextColumnId: this.#columns.length + 1,
      primaryIndex: buildIndex(1, primary, this.#columns, null),
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
      ...(spec.excludeDataFromBackup === true ? { excludeDataFromBackup: true } : {}),
    };
  }
}

/** The column that is a family's whole value: the only one that the primary key lacks; 0 when there are more or none. */
export function onlyStoredColumn(familyIds: readonly number[], primaryIds: readonly number[]): number {
  const stored = familyIds.filter((id) => !primaryIds.includes(id));
  return stored.length === 1 ? (stored[0] ?? 0) : 0;
}

function assertNamesDiffer(spec: TableSpec): void {
  const columns = spec.columns.map(({ name }) => name);
  const column = columns.find((name, index) => columns.indexOf(name) !== index);
  if (column !== undefined) throw new SpanvaultError('SV_EXISTS', `duplicate column name: ${JSON.stringify(column)}`);
  const indexes = [spec.primaryKeyName ?? 'primary', ...(spec.indexes ?? []).map(({ name }) => name)];
  const taken = indexes.find((name, index) => indexes.indexOf(name) !== index);
  if (taken !== undefined) throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(taken)} already exists`);
}

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
