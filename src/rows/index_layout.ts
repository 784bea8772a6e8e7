import { SpanvaultError } from '../fault/index.js';
import { concatBytes, encodeUvarintAscending } from '../keys/index.js';
import type { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import type { Datum, Row } from './datum.js';
import { readKeyDatum, writeKeyDatum } from './key_codec.js';
import type { ColumnSchema, ColumnType, IndexSchema, KeyDirection, TableSchema } from './schema.js';

/*
 * The key layout of one index, resolved once (crdb-format.md 5.3): prefixes, interleaved ancestors, key columns with
 * their places in the row.
 */

/** A column inside a key, with its place in the row. */
export interface KeyColumn {
  readonly id: number;
  readonly ordinal: number;
  readonly type: ColumnType;
  readonly direction: KeyDirection;
}

/** A run of key columns with the bytes that stand before it: the table and index prefix, after `fe` when interleaved. */
interface KeySegment {
  readonly lead: Uint8Array;
  readonly columns: readonly KeyColumn[];
}

/** First byte of what follows the shared columns of an interleaved row. */
export const INTERLEAVED_SENTINEL = 0xfe;

/** Every column by id: its place in `table.columns`. */
export function columnOrdinals(table: TableSchema): Map<number, number> {
  return new Map(table.columns.map((column, ordinal) => [column.id, ordinal]));
}

/** `UVA(table) ‖ UVA(index)`, after the tenant's prefix. */
export function indexPrefix(table: TableSchema, index: IndexSchema): Uint8Array {
  return concatBytes(table.tenantPrefix, encodeUvarintAscending(table.id), encodeUvarintAscending(index.id));
}

export class IndexLayout {
  readonly table: TableSchema;
  readonly index: IndexSchema;
  readonly keyColumns: readonly KeyColumn[];
  /** Columns of key_suffix_column_ids, always ascending. */
  readonly suffixColumns: readonly KeyColumn[];
  readonly #segments: readonly KeySegment[];

  /** @throws SpanvaultError SV_CORRUPT_VALUE when the index names columns that the table lacks */
  constructor(table: TableSchema, index: IndexSchema) {
    this.table = table;
    this.index = index;
    const ordinals = columnOrdinals(table);
    const resolve = (id: number, direction: KeyDirection): KeyColumn => {
      const ordinal = ordinals.get(id);
      const column: ColumnSchema | undefined = ordinal === undefined ? undefined : table.columns[ordinal];
      if (ordinal === undefined || column === undefined) {
        throw new SpanvaultError(
          'SV_CORRUPT_VALUE',
          `index ${index.name} of table ${table.name} names column ${id}, which the table lacks`,
        );
      }
      return { id, ordinal, type: column.type, direction };
    };
    this.keyColumns = index.keyColumnIds.map((id, at) => resolve(id, index.keyDirections[at] ?? 'asc'));
    this.suffixColumns = index.encoding === 'primary' ? [] : index.keySuffixColumnIds.map((id) => resolve(id, 'asc'));
    this.#segments = segmentsOf(table, index, this.keyColumns);
  }

  /** Columns that a row read through this index has values for, as places in the row. */
  get ordinals(): readonly number[] {
    if (this.index.encoding === 'primary') {
      return this.table.columns.flatMap((column, ordinal) => (column.virtual ? [] : [ordinal]));
    }
    const byId = columnOrdinals(this.table);
    const stored = this.index.storeColumnIds.flatMap((id) => byId.get(id) ?? []);
    const all = [...this.keyColumns.map((c) => c.ordinal), ...this.suffixColumns.map((c) => c.ordinal), ...stored];
    return [...new Set(all)];
  }

  /**
   * Reads the key columns of the key in the reader's window into `row`, leaving the reader at the family suffix.
   * Returns false, with `row` in part filled, when the key is of another index (an interleaved child, an ancestor).
   */
  readKey(reader: ByteReader, row: Row): boolean {
    let hasNull = false;
    for (const { lead, columns } of this.#segments) {
      if (!skipLead(reader, lead)) return false;
      for (const column of columns) {
        const datum = readKeyDatum(reader, column.type, column.direction);
        if (datum === null) hasNull = true;
        row[column.ordinal] = datum;
      }
    }
    if (this.suffixColumns.length > 0 && (!this.index.unique || hasNull)) this.readSuffix(reader, row);
    return reader.peek() !== INTERLEAVED_SENTINEL && reader.remaining > 0;
  }

  /** Reads the key-encoded suffix columns, from the key or from the value of a unique index. */
  readSuffix(reader: ByteReader, row: Row): void {
    for (const column of this.suffixColumns) row[column.ordinal] = readKeyDatum(reader, column.type, 'asc');
  }

  /** Appends the key of `row` without the family suffix; returns whether a key column is NULL. */
  writeKey(writer: ByteWriter, row: Row): boolean {
    let hasNull = false;
    for (const { lead, columns } of this.#segments) {
      writer.raw(lead);
      for (const column of columns) {
        const datum = row[column.ordinal] ?? null;
        if (datum === null) hasNull = true;
        writeKeyDatum(writer, datum, column.type, column.direction);
      }
    }
    if (this.suffixColumns.length > 0 && (!this.index.unique || hasNull)) this.writeSuffix(writer, row);
    return hasNull;
  }

  /**
   * The bytes that every key begins with whose leading key columns have these values; all of them name one row (of a
   * primary index). @throws SpanvaultError SV_USAGE when there are more values than key columns
   */
  keyPrefix(values: readonly Datum[]): Uint8Array {
    if (values.length > this.keyColumns.length) {
      const named = `index ${this.index.name} of table ${this.table.name}`;
      throw new SpanvaultError(
        'SV_USAGE',
        `${values.length} key values were given, but ${named} has ${this.keyColumns.length}`,
      );
    }
    const writer = new ByteWriter();
    let at = 0;
    for (const { lead, columns } of this.#segments) {
      writer.raw(lead);
      for (const column of columns) {
        const value = values[at++];
        if (value === undefined) return writer.finish();
        writeKeyDatum(writer, value, column.type, column.direction);
      }
    }
    return writer.finish();
  }

  /** Appends the suffix columns, key-encoded ascending. */
  writeSuffix(writer: ByteWriter, row: Row): void {
    for (const column of this.suffixColumns) writeKeyDatum(writer, row[column.ordinal] ?? null, column.type, 'asc');
  }
}

function segmentsOf(table: TableSchema, index: IndexSchema, keyColumns: readonly KeyColumn[]): KeySegment[] {
  const segments: KeySegment[] = [];
  let from = 0;
  let lead = table.tenantPrefix;
  for (const { tableId, indexId, sharedPrefixLength } of index.ancestors) {
    const columns = keyColumns.slice(from, from + sharedPrefixLength);
    segments.push({
      lead: concatBytes(lead, encodeUvarintAscending(tableId), encodeUvarintAscending(indexId)),
      columns,
    });
    from += sharedPrefixLength;
    lead = Uint8Array.of(INTERLEAVED_SENTINEL);
  }
  segments.push({
    lead: concatBytes(lead, encodeUvarintAscending(table.id), encodeUvarintAscending(index.id)),
    columns: keyColumns.slice(from),
  });
  return segments;
}

function skipLead(reader: ByteReader, lead: Uint8Array): boolean {
  if (reader.remaining < lead.length) return false;
  for (let at = 0; at < lead.length; at++) {
    if (reader.bytes[reader.pos + at] !== lead[at]) return false;
  }
  reader.pos += lead.length;
  return true;
}

/** The suffix of a key of column family `id`: `88` for family 0, else `UVA(id) ‖ UVA(its length)`. */
export function familySuffix(id: number): Uint8Array {
  if (id === 0) return Uint8Array.of(0x88);
  const encoded = encodeUvarintAscending(id);
  return concatBytes(encoded, encodeUvarintAscending(encoded.length));
}

/**
 * Reads the family suffix that fills the rest of the reader's window. @throws SpanvaultError SV_CORRUPT_VALUE
 */
export function readFamilySuffix(reader: ByteReader): number {
  if (reader.remaining === 1 && reader.peek() === 0x88) {
    reader.pos++;
    return 0;
  }
  const start = reader.pos;
  const family = Number(reader.varint());
  const length = reader.pos - start;
  if (reader.remaining !== 1 || reader.byte() !== 0x88 + length || family < 0)
    throw reader.fail('column family suffix');
  return family;
}
