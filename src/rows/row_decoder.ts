import { SpanvaultError } from '../fault/index.js';
import { printKey } from '../keys/index.js';
import type { Batch } from '../native/contract.js';
import { ByteReader } from './byte_reader.js';
import type { Datum, Row } from './datum.js';
import { columnOrdinals, INTERLEAVED_SENTINEL, IndexLayout, readFamilySuffix } from './index_layout.js';
import { VALUE_TAG, valueStart } from './roach_value.js';
import type { IndexSchema, TableSchema } from './schema.js';
import { readSingleValue } from './single_value.js';
import { readPayload } from './value_codec.js';
import { readValueTag, skipPayload } from './value_tag.js';

/** Counts of a decoder, for reports. */
export interface RowDecoderFacts {
  readonly rows: number;
  readonly entries: number;
  /** Entries of other indexes (interleaved rows, neighbours) and tombstones. */
  readonly skipped: number;
}

/**
 * Rows of one index out of its key/value pairs in key order, newest version of each key only. A row is one datum per
 * column of the table in table order; columns that the index does not hold are null (`ordinals` says which it holds).
 * A row that has several column families may straddle batches: it is handed out with the first entry of the next row,
 * or by `finish`. Ids of columns that the table does not list are skipped.
 */
export class RowDecoder {
  readonly layout: IndexLayout;
  readonly #ordinals: ReadonlyMap<number, number>;
  readonly #defaults: ReadonlyMap<number, number>;
  readonly #secondary: boolean;
  readonly #singleFamily: boolean;
  readonly #columns: number;
  readonly #name: string;
  #open: Row | null = null;
  /** Key of the open row without family suffix. */
  #openKey: Uint8Array = new Uint8Array(0);
  #rows = 0;
  #entries = 0;
  #skipped = 0;

  /** @throws SpanvaultError SV_NOT_SUPPORTED for inverted indexes, whose entries are not rows */
  constructor(table: TableSchema, index: IndexSchema = table.primaryIndex) {
    if (index.inverted) {
      throw new SpanvaultError('SV_NOT_SUPPORTED', `inverted index ${index.name} of table ${table.name} holds no rows`);
    }
    this.layout = new IndexLayout(table, index);
    this.#ordinals = columnOrdinals(table);
    this.#defaults = new Map(table.families.map((family) => [family.id, family.defaultColumnId]));
    this.#secondary = index.encoding === 'secondary';
    this.#singleFamily = table.families.length <= 1 || (this.#secondary && index.version === 0);
    this.#columns = table.columns.length;
    this.#name = `${table.name}@${index.name}`;
  }

  /** Places in a row that this index has values for. */
  get ordinals(): readonly number[] {
    return this.layout.ordinals;
  }

  get facts(): RowDecoderFacts {
    return { rows: this.#rows, entries: this.#entries, skipped: this.#skipped };
  }

  /**
   * Rows that are complete after this packed batch of engine keys. @throws SpanvaultError SV_CORRUPT_VALUE naming the
   * index and the key
   */
  decode(batch: Batch): Row[] {
    const rows: Row[] = [];
    const reader = new ByteReader(batch.bytes);
    const { offsets } = batch;
    for (let index = 0; index < batch.count; index++) {
      const start = offsets[2 * index]!;
      const valueAt = offsets[2 * index + 1]!;
      const end = offsets[2 * index + 2]!;
      this.#entry(reader, start, userKeyEnd(batch.bytes, start, valueAt), valueAt, end, rows);
    }
    return rows;
  }

  /** Rows that are complete after this entry. `key` is a user key, without version. */
  add(key: Uint8Array, value: Uint8Array): Row[] {
    const rows: Row[] = [];
    const bytes = Buffer.concat([key, value]);
    this.#entry(new ByteReader(bytes), 0, key.length, key.length, bytes.length, rows);
    return rows;
  }

  /** The last row, when one is open. */
  finish(): Row[] {
    const rows: Row[] = [];
    this.#close(rows);
    return rows;
  }

  #close(rows: Row[]): void {
    if (this.#open === null) return;
    rows.push(this.#open);
    this.#open = null;
    this.#rows++;
  }

  #entry(reader: ByteReader, start: number, keyEnd: number, valueAt: number, end: number, rows: Row[]): void {
    this.#entries++;
    try {
      const at = valueStart(reader.bytes, valueAt, end);
      if (at === end) {
        this.#skipped++;
        return;
      }
      reader.seek(start, keyEnd);
      const row = this.#rowOfKey(reader, rows);
      if (row === null) {
        this.#skipped++;
        return;
      }
      const family = readFamilySuffix(reader);
      const tag = reader.bytes[at + 4]!;
      reader.seek(at + 5, end);
      this.#value(reader, family, tag, row);
      if (this.#singleFamily) this.#close(rows);
    } catch (error) {
      const key = printKey(reader.bytes.subarray(start, keyEnd));
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof SpanvaultError && error.code !== 'SV_CORRUPT_VALUE') throw error;
      throw new SpanvaultError('SV_CORRUPT_VALUE', `row of ${this.#name} at key ${key} does not decode: ${reason}`, {
        cause: error,
      });
    }
  }

  /** The row that the key in the window belongs to; the reader is left at the family suffix. Null = not of this index. */
  #rowOfKey(reader: ByteReader, rows: Row[]): Row | null {
    const { bytes } = reader;
    const start = reader.pos;
    if (this.#open !== null && startsWith(bytes, start, reader.end, this.#openKey)) {
      reader.pos = start + this.#openKey.length;
      if (reader.peek() !== INTERLEAVED_SENTINEL) return this.#open;
      return null;
    }
    const row: Row = new Array<Datum>(this.#columns).fill(null);
    if (!this.layout.readKey(reader, row)) return null;
    this.#close(rows);
    this.#open = row;
    if (!this.#singleFamily) this.#openKey = bytes.slice(start, reader.pos);
    return row;
  }

  #value(reader: ByteReader, family: number, tag: number, row: Row): void {
    if (this.#secondary && family === 0) {
      if (tag !== VALUE_TAG.bytes) throw reader.fail(`index entry with value tag ${tag}`);
      if (this.layout.index.unique && this.layout.suffixColumns.length > 0) this.layout.readSuffix(reader, row);
      this.#tuple(reader, row);
    } else if (tag === VALUE_TAG.tuple) {
      this.#tuple(reader, row);
    } else {
      const id = this.#defaults.get(family);
      if (id === undefined || id === 0) return;
      const ordinal = this.#ordinals.get(id);
      if (ordinal === undefined) return;
      row[ordinal] = readSingleValue(reader, tag, this.layout.table.columns[ordinal]!.type);
    }
  }

  #tuple(reader: ByteReader, row: Row): void {
    const { columns } = this.layout.table;
    let id = 0;
    while (reader.remaining > 0) {
      const { delta, type: tag } = readValueTag(reader);
      id += delta;
      const ordinal = this.#ordinals.get(id);
      if (ordinal === undefined) {
        skipPayload(reader, tag);
        continue;
      }
      const datum = readPayload(reader, tag, columns[ordinal]!.type);
      row[ordinal] = withSortKey(datum, row[ordinal]!);
    }
  }
}

/** Collated text from the value joins the collation key that the row's key held. */
function withSortKey(datum: Datum, before: Datum): Datum {
  if (typeof datum !== 'object' || datum === null || datum instanceof Uint8Array || datum.kind !== 'collated')
    return datum;
  if (typeof before !== 'object' || before === null || before instanceof Uint8Array || before.kind !== 'collated')
    return datum;
  return { ...datum, sortKey: before.sortKey };
}

/** End of the user key inside an engine key (crdb-format.md 4.1). */
function userKeyEnd(bytes: Uint8Array, start: number, end: number): number {
  const version = end > start ? bytes[end - 1]! : -1;
  const keyEnd = version === 0 ? end - 1 : end - version - 1;
  if (version < 0 || keyEnd < start || (version !== 0 && (version < 9 || bytes[keyEnd] !== 0))) {
    throw new SpanvaultError(
      'SV_CORRUPT_VALUE',
      `engine key ${printKey(bytes.subarray(start, end))} has no valid version`,
    );
  }
  return keyEnd;
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start <= prefix.length) return false;
  for (let at = prefix.length - 1; at >= 0; at--) {
    if (bytes[start + at] !== prefix[at]) return false;
  }
  return true;
}
