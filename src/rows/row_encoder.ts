import { SpanvaultError } from '../fault/index.js';
import { ByteWriter } from './byte_writer.js';
import { type Datum, isComposite, type Row } from './datum.js';
import { columnOrdinals, familySuffix, IndexLayout } from './index_layout.js';
import { frameValue, VALUE_TAG } from './roach_value.js';
import type { ColumnType, FamilySchema, IndexSchema, TableSchema } from './schema.js';
import { writeSingleValue } from './single_value.js';
import { writeColumnValue } from './value_codec.js';

/** A user key (no version) and its roachpb.Value. */
export interface RowEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface RowEncoderOptions {
  /** 'compute' the value checksums, or 'clear' them to 0 as exports since 21.2 do. Default 'compute'. */
  readonly checksums?: 'compute' | 'clear';
  /** Id of the one index whose entries are wanted; default all. */
  readonly only?: number;
}

/** A stored column of a value: its id, place in the row and type; composite ones are written only when the key loses them. */
interface ValueColumn {
  readonly id: number;
  readonly ordinal: number;
  readonly type: ColumnType;
  readonly composite: boolean;
}

interface FamilyLayout {
  readonly suffix: Uint8Array;
  readonly id: number;
  readonly columns: readonly ValueColumn[];
  /** The column that is the whole value, when the family stores it so. */
  readonly single: ValueColumn | undefined;
}

interface IndexPlan {
  readonly layout: IndexLayout;
  readonly families: readonly FamilyLayout[];
  readonly secondary: boolean;
}

/** A row into the entries of all its indexes, with the bytes that CockroachDB writes (crdb-format.md 5.3, 5.4). */
export class RowEncoder {
  readonly table: TableSchema;
  readonly #primary: IndexPlan;
  readonly #plans: readonly IndexPlan[];
  readonly #compute: boolean;
  readonly #key = new ByteWriter();
  readonly #value = new ByteWriter();

  /** @throws SpanvaultError SV_NOT_SUPPORTED for tables whose inverted or partial indexes we cannot keep */
  constructor(table: TableSchema, options: RowEncoderOptions = {}) {
    const wanted = [table.primaryIndex, ...table.indexes].filter(({ id }) => (options.only ?? id) === id);
    for (const index of wanted) {
      if (index.inverted || index.predicate !== '') {
        const kind = index.inverted ? 'inverted' : 'partial';
        throw new SpanvaultError(
          'SV_NOT_SUPPORTED',
          `writing rows of table ${table.name} is not supported yet: index ${index.name} is ${kind}`,
        );
      }
    }
    this.table = table;
    this.#primary = planIndex(table, table.primaryIndex);
    this.#plans = wanted.map((index) => (index === table.primaryIndex ? this.#primary : planIndex(table, index)));
    this.#compute = options.checksums !== 'clear';
  }

  /**
   * The entries of the indexes, primary index first, each index in key order.
   * @throws SpanvaultError SV_CONSTRAINT for NULL in a NOT NULL column, SV_NOT_SUPPORTED for keys that cannot be computed
   */
  encode(row: Row): RowEntry[] {
    this.table.columns.forEach((column, ordinal) => {
      if (!column.nullable && !column.virtual && (row[ordinal] ?? null) === null) {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          `null value in column ${JSON.stringify(column.name)} violates not-null constraint`,
        );
      }
    });
    const entries: RowEntry[] = [];
    for (const plan of this.#plans) {
      if (plan.secondary) this.#encodeSecondary(plan, row, entries);
      else this.#encodePrimary(plan, row, entries);
    }
    return entries;
  }

  /** Key of the row in the primary index without family suffix; every family's key begins with it. */
  primaryKey(row: Row): Uint8Array {
    this.#key.reset();
    this.#primary.layout.writeKey(this.#key, row);
    return this.#key.finish();
  }

  #put(entries: RowEntry[], prefix: Uint8Array, suffix: Uint8Array, tag: number, data: Uint8Array): void {
    const key = new Uint8Array(prefix.length + suffix.length);
    key.set(prefix);
    key.set(suffix, prefix.length);
    entries.push({ key, value: frameValue(this.#compute ? key : null, tag, data) });
  }

  #encodePrimary(plan: IndexPlan, row: Row, entries: RowEntry[]): void {
    this.#key.reset();
    plan.layout.writeKey(this.#key, row);
    const prefix = this.#key.finish();
    for (const { id, suffix, columns, single } of plan.families) {
      if (single !== undefined) {
        const datum = row[single.ordinal] ?? null;
        if (datum === null) continue;
        const { tag, data } = writeSingleValue(datum, single.type);
        this.#put(entries, prefix, suffix, tag, data);
        continue;
      }
      this.#value.reset();
      writeColumns(this.#value, columns, row);
      if (id === 0 || this.#value.length > 0) this.#put(entries, prefix, suffix, VALUE_TAG.tuple, this.#value.view());
    }
  }

  #encodeSecondary(plan: IndexPlan, row: Row, entries: RowEntry[]): void {
    this.#key.reset();
    plan.layout.writeKey(this.#key, row);
    const prefix = this.#key.finish();
    for (const { id, suffix, columns } of plan.families) {
      this.#value.reset();
      if (id === 0 && plan.layout.index.unique) plan.layout.writeSuffix(this.#value, row);
      writeColumns(this.#value, columns, row);
      if (id === 0) this.#put(entries, prefix, suffix, VALUE_TAG.bytes, this.#value.view());
      else if (this.#value.length > 0) this.#put(entries, prefix, suffix, VALUE_TAG.tuple, this.#value.view());
    }
  }
}

function writeColumns(writer: ByteWriter, columns: readonly ValueColumn[], row: Row): void {
  let before = 0;
  for (const { id, ordinal, type, composite } of columns) {
    const datum: Datum = row[ordinal] ?? null;
    if (datum === null || (composite && !isComposite(datum))) continue;
    writeColumnValue(writer, id - before, datum, type);
    before = id;
  }
}

function planIndex(table: TableSchema, index: IndexSchema): IndexPlan {
  const layout = new IndexLayout(table, index);
  const secondary = index.encoding === 'secondary';
  const families = secondary ? secondaryFamilies(table, index) : primaryFamilies(table, index);
  return { layout, families, secondary };
}

function valueColumns(
  table: TableSchema,
  columns: readonly { readonly id: number; readonly composite: boolean }[],
): ValueColumn[] {
  const ordinals = columnOrdinals(table);
  return columns
    .flatMap(({ id, composite }) => {
      const ordinal = ordinals.get(id);
      const column = ordinal === undefined ? undefined : table.columns[ordinal];
      return ordinal === undefined || column === undefined || column.virtual
        ? []
        : [{ id, ordinal, type: column.type, composite }];
    })
    .sort((a, b) => a.id - b.id);
}

function sortedFamilies(table: TableSchema): readonly FamilySchema[] {
  return [...table.families].sort((a, b) => a.id - b.id);
}

/** Columns of the key are left out of the value unless composite. */
function primaryFamilies(table: TableSchema, index: IndexSchema): FamilyLayout[] {
  const inKey = new Set(index.keyColumnIds);
  return sortedFamilies(table).map((family) => {
    const composites = new Set(index.compositeColumnIds);
    const kept = family.columnIds.filter((id) => !inKey.has(id) || composites.has(id));
    const columns = valueColumns(
      table,
      kept.map((id) => ({ id, composite: inKey.has(id) })),
    );
    const alone = family.id !== 0 && family.columnIds.length === 1 && family.columnIds[0] === family.defaultColumnId;
    return { id: family.id, suffix: familySuffix(family.id), columns, single: alone ? columns[0] : undefined };
  });
}

/** Composite columns are in family 0; stored ones too, unless the index version and the table spread them over families. */
function secondaryFamilies(table: TableSchema, index: IndexSchema): FamilyLayout[] {
  const composites = index.compositeColumnIds.map((id) => ({ id, composite: true }));
  const stored = index.storeColumnIds.map((id) => ({ id, composite: false }));
  if (table.families.length <= 1 || index.version === 0) {
    return [
      { id: 0, suffix: familySuffix(0), columns: valueColumns(table, [...composites, ...stored]), single: undefined },
    ];
  }
  return sortedFamilies(table).map((family) => {
    const here = stored.filter(({ id }) => family.columnIds.includes(id));
    const columns = valueColumns(table, family.id === 0 ? [...composites, ...here] : here);
    return { id: family.id, suffix: familySuffix(family.id), columns, single: undefined };
  });
}
