import { indexPrefix, type Table } from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { hasPrefix, type Timestamp } from '../../keys/index.js';
import { type Row, RowEncoder, type RowEntry, type TableSchema } from '../../rows/index.js';
import type { PackedBatch } from './packed_batch.js';
import type { EmbeddedStore } from './store.js';

const TOMBSTONE = new Uint8Array(0);

/**
 * What one statement does to the rows of a table: entries that go and entries that come, in all indexes. Nothing is written
 * before `check` has found that no key of a unique index is taken.
 */
export class RowWrites {
  readonly schema: TableSchema;
  readonly #encoder: RowEncoder;
  /** Unique indexes with the prefix of their keys. */
  readonly #unique: readonly { readonly name: string; readonly prefix: Uint8Array }[];
  /** By key: the value that the row had. */
  readonly #gone = new Map<string, RowEntry>();
  readonly #come = new Map<string, RowEntry>();

  constructor(table: Table, schema: TableSchema) {
    this.schema = schema;
    this.#encoder = new RowEncoder(schema);
    const unique = [schema.primaryIndex, ...schema.indexes.filter((index) => index.unique)];
    this.#unique = unique.map((index) => ({ name: index.name, prefix: indexPrefix(table.id, index.id) }));
  }

  /** Key of a row in the primary index. */
  keyOf(row: Row): string {
    return textKey(this.#encoder.primaryKey(row));
  }

  /** A row that is there goes. */
  remove(row: Row): void {
    for (const entry of this.#encoder.encode(row)) this.#gone.set(textKey(entry.key), entry);
  }

  /** A row comes. @throws SpanvaultError SV_CONSTRAINT when this statement puts another one with a key that must be unique */
  add(row: Row): void {
    for (const entry of this.#encoder.encode(row)) {
      const key = textKey(entry.key);
      if (this.#come.has(key)) this.#refuse(entry.key);
      this.#come.set(key, entry);
    }
  }

  /** Refuses entries of unique indexes whose key is taken in the store. @throws SpanvaultError SV_CONSTRAINT */
  check(store: EmbeddedStore, now: Timestamp): void {
    for (const [key, entry] of this.#come) {
      if (this.#gone.has(key) || !this.#unique.some(({ prefix }) => hasPrefix(entry.key, prefix))) continue;
      const live = store.get(entry.key, now);
      if (live !== undefined && live.value.length > 0) this.#refuse(entry.key);
    }
  }

  /** Adds what changes to a batch; entries that stay as they are get no version. */
  fill(batch: PackedBatch): void {
    for (const [key, { key: bytes }] of this.#gone) if (!this.#come.has(key)) batch.add(bytes, TOMBSTONE);
    for (const [key, entry] of this.#come) {
      const before = this.#gone.get(key);
      if (before === undefined || Buffer.compare(before.value, entry.value) !== 0) batch.add(entry.key, entry.value);
    }
  }

  #refuse(key: Uint8Array): never {
    const index = this.#unique.find(({ prefix }) => hasPrefix(key, prefix));
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `duplicate key value violates unique constraint ${JSON.stringify(index?.name ?? this.schema.primaryIndex.name)}`,
    );
  }
}

function textKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
