import { SpanvaultError } from '../fault/index.js';
import type { Datum, Row } from './datum.js';
import { floatText, INTERNAL_FLOAT_DIGITS } from './float_text.js';
import { Fnv64 } from './fnv.js';
import { columnOrdinals } from './index_layout.js';
import type { ColumnType, IndexSchema, TableSchema } from './schema.js';
import { datumText } from './text.js';

/*
 * SHOW EXPERIMENTAL_FINGERPRINTS: XOR over all rows of FNV-1 over the texts of the columns (crdb-format.md 10.1). Floats
 * have 15 significant digits there, as real fingerprints show.
 */

/** Indexes that CockroachDB fingerprints: all but inverted and partial ones, primary index first. */
export function fingerprintIndexes(table: TableSchema): IndexSchema[] {
  return [table.primaryIndex, ...table.indexes].filter((index) => !index.inverted && index.predicate === '');
}

/** Column ids in the order that they are hashed. */
export function fingerprintColumnIds(table: TableSchema, index: IndexSchema): number[] {
  if (index === table.primaryIndex) return table.columns.filter((column) => !column.virtual).map((column) => column.id);
  return [...index.keyColumnIds, ...index.keySuffixColumnIds, ...index.storeColumnIds];
}

/** Fingerprint of one index, fed with rows in any order; parts computed apart are joined with `merge`. */
export class Fingerprint {
  readonly #columns: readonly { readonly ordinal: number; readonly type: ColumnType }[];
  readonly #hash = new Fnv64();
  #high = 0;
  #low = 0;
  #rows = 0;

  constructor(table: TableSchema, index: IndexSchema = table.primaryIndex) {
    const ordinals = columnOrdinals(table);
    this.#columns = fingerprintColumnIds(table, index).map((id) => {
      const ordinal = ordinals.get(id);
      const column = ordinal === undefined ? undefined : table.columns[ordinal];
      if (ordinal === undefined || column === undefined) {
        throw new SpanvaultError(
          'SV_CORRUPT_VALUE',
          `index ${index.name} of table ${table.name} names column ${id}, which the table lacks`,
        );
      }
      return { ordinal, type: column.type };
    });
  }

  /** Adds a decoded row. @throws SpanvaultError SV_NOT_SUPPORTED for values that cannot be printed */
  add(row: Row): void {
    const hash = this.#hash;
    hash.reset();
    let isNull = true;
    for (const { ordinal, type } of this.#columns) {
      const datum: Datum = row[ordinal] ?? null;
      if (datum === null) continue;
      isNull = false;
      if (typeof datum === 'string') hash.text(datum);
      else if (datum instanceof Uint8Array) hash.bytes(datum);
      else if (typeof datum === 'number') hash.text(floatText(datum, INTERNAL_FLOAT_DIGITS));
      else hash.text(datumText(datum, type));
    }
    if (isNull) return;
    this.#high ^= hash.high;
    this.#low ^= hash.low;
    this.#rows++;
  }

  /** Joins the fingerprint of other rows of the same index. */
  merge(other: Fingerprint): void {
    this.#high ^= other.#high;
    this.#low ^= other.#low;
    this.#rows += other.#rows;
  }

  /** The signed 64-bit number as CockroachDB prints it; null when no row was hashed. */
  get value(): string | null {
    if (this.#rows === 0) return null;
    return BigInt.asIntN(64, (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0)).toString();
  }
}
