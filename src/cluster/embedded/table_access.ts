import {
  type Catalog,
  dataIndexes,
  indexKeyPrefix,
  indexPrefix,
  prefixSpan,
  SYSTEM_DATABASE_ID,
  SYSTEM_TABLE_IDS,
  type Table,
  tableSchema,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { concatBytes, hasPrefix, type Span, type Timestamp } from '../../keys/index.js';
import { ByteWriter } from '../../rows/byte_writer.js';
import {
  type Datum,
  Fingerprint,
  fingerprintIndexes,
  type IndexSchema,
  type Row,
  RowDecoder,
  RowEncoder,
  type RowEntry,
  type TableSchema,
} from '../../rows/index.js';
import { writeKeyDatum } from '../../rows/key_codec.js';
import type { PackedBatch } from './packed_batch.js';
import type { EmbeddedStore } from './store.js';

/** Which rows to read. */
export interface SelectOptions {
  /** Values of the leading columns of the primary key; all of them name one row. */
  readonly key?: readonly Datum[];
  readonly limit?: number;
  /** Default: now. */
  readonly asOf?: Timestamp;
}

/** One index's fingerprint as SHOW EXPERIMENTAL_FINGERPRINTS prints it; null for an index without rows. */
export interface IndexFingerprint {
  readonly index: string;
  readonly fingerprint: string | null;
}

/** What the rows of tables need from the cluster around them. */
export interface TableHost {
  readonly store: EmbeddedStore;
  now(): Timestamp;
  catalogAt(asOf: Timestamp): Catalog;
  /** Commits versions of a table's rows at a fresh time. */
  write(table: Table, fill: (batch: PackedBatch) => void): void;
}

const TOMBSTONE = new Uint8Array(0);
const BATCH_BYTES = 1024 * 1024;
const BATCH_ENTRIES = 16 * 1024;

/** Rows of tables: reads of packed batches at a time, writes with constraint checks and all indexes kept. */
export class TableAccess {
  readonly #host: TableHost;

  constructor(host: TableHost) {
    this.#host = host;
  }

  /**
   * Inserts rows (one datum per column in table order) in one transaction and returns their number. Rows of
   * system.zones replace those of the same id: every cluster has some, and the manual way to restore zone
   * configurations (INSERT INTO system.zones SELECT …) would fail on them.
   * @throws SpanvaultError SV_CONSTRAINT with CockroachDB's texts, SV_NOT_SUPPORTED
   */
  insert(table: Table, rows: Iterable<Row>): number {
    const writer = this.#writer(table);
    const replaces = table.id === SYSTEM_TABLE_IDS.zones && table.parentId === SYSTEM_DATABASE_ID;
    const seen = new Set<string>();
    let count = 0;
    this.#host.write(table, (batch) => {
      for (const row of rows) {
        const entries = writer.encoder.encode(row);
        if (!replaces) this.#assertNew(writer, entries, seen);
        for (const { key, value } of entries) batch.add(key, value);
        count++;
      }
    });
    return count;
  }

  /**
   * Gives one row other values and returns the number of rows changed (0 when there is none with that key).
   * @throws SpanvaultError SV_CONSTRAINT, SV_UNDEFINED for an unknown column
   */
  update(table: Table, key: readonly Datum[], changes: ReadonlyMap<string, Datum>): number {
    const writer = this.#writer(table);
    const before = this.#one(writer.schema, table, key);
    if (before === undefined) return 0;
    const after: Row = [...before];
    for (const [name, datum] of changes) {
      const ordinal = writer.schema.columns.findIndex((column) => column.name === name);
      if (ordinal < 0) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(name)} does not exist`);
      after[ordinal] = datum;
    }
    const old = writer.encoder.encode(before);
    const fresh = writer.encoder.encode(after);
    const kept = new Map(old.map((entry) => [textKey(entry.key), entry.value]));
    const added = fresh.filter((entry) => !kept.has(textKey(entry.key)));
    this.#assertNew(writer, added, new Set());
    const freshKeys = new Set(fresh.map((entry) => textKey(entry.key)));
    this.#host.write(table, (batch) => {
      for (const entry of old) if (!freshKeys.has(textKey(entry.key))) batch.add(entry.key, TOMBSTONE);
      for (const entry of fresh) {
        const unchanged = kept.get(textKey(entry.key));
        if (unchanged === undefined || Buffer.compare(unchanged, entry.value) !== 0) batch.add(entry.key, entry.value);
      }
    });
    return 1;
  }

  /** Deletes one row and returns the number of rows deleted. */
  remove(table: Table, key: readonly Datum[]): number {
    const writer = this.#writer(table);
    const row = this.#one(writer.schema, table, key);
    if (row === undefined) return 0;
    this.#host.write(table, (batch) => {
      for (const entry of writer.encoder.encode(row)) batch.add(entry.key, TOMBSTONE);
    });
    return 1;
  }

  /** Rows in primary-key order; every yield gives the event loop a turn after a batch. */
  async *select(table: Table, options: SelectOptions = {}): AsyncGenerator<Row, void, undefined> {
    const asOf = options.asOf ?? this.#host.now();
    const schema = tableSchema(this.#host.catalogAt(asOf), table);
    const span = options.key === undefined ? primarySpan(table) : prefixSpan(keyPrefix(schema, table, options.key));
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (const rows of this.#batches(schema, schema.primaryIndex, span, asOf)) {
      for (const row of rows) {
        if (left-- <= 0) return;
        yield row;
      }
      if (left <= 0) return;
      await new Promise(setImmediate);
    }
  }

  /** Fingerprints of every index that CockroachDB fingerprints, primary index first. */
  async fingerprints(table: Table, asOf: Timestamp = this.#host.now()): Promise<IndexFingerprint[]> {
    const schema = tableSchema(this.#host.catalogAt(asOf), table);
    const result: IndexFingerprint[] = [];
    for (const index of fingerprintIndexes(schema)) {
      const fingerprint = new Fingerprint(schema, index);
      for (const rows of this.#batches(schema, index, indexSpan(table, index), asOf)) {
        for (const row of rows) fingerprint.add(row);
        await new Promise(setImmediate);
      }
      result.push({ index: index.name, fingerprint: fingerprint.value });
    }
    return result;
  }

  #writer(table: Table): TableWriter {
    const schema = tableSchema(this.#host.catalogAt(this.#host.now()), table);
    const unique = [schema.primaryIndex, ...schema.indexes.filter((index) => index.unique)];
    return {
      schema,
      encoder: new RowEncoder(schema),
      unique: unique.map((index) => ({ name: index.name, prefix: indexPrefix(table.id, index.id) })),
    };
  }

  /** Refuses entries of unique indexes whose key is taken, in the store or by a row before it. */
  #assertNew(writer: TableWriter, entries: readonly RowEntry[], seen: Set<string>): void {
    const now = this.#host.now();
    for (const { key } of entries) {
      const index = writer.unique.find(({ prefix }) => hasPrefix(key, prefix));
      if (index === undefined) continue;
      const live = this.#host.store.get(key, now);
      if ((live !== undefined && live.value.length > 0) || seen.has(textKey(key))) {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          `duplicate key value violates unique constraint ${JSON.stringify(index.name)}`,
        );
      }
      seen.add(textKey(key));
    }
  }

  #one(schema: TableSchema, table: Table, key: readonly Datum[]): Row | undefined {
    if (key.length !== schema.primaryIndex.keyColumnIds.length) {
      throw new SpanvaultError('SV_NOT_SUPPORTED', `rows of ${table.name} are found by their whole primary key only`);
    }
    const span = prefixSpan(keyPrefix(schema, table, key));
    for (const rows of this.#batches(schema, schema.primaryIndex, span, this.#host.now())) {
      for (const row of rows) return row;
    }
    return undefined;
  }

  *#batches(schema: TableSchema, index: IndexSchema, span: Span, asOf: Timestamp): Generator<Row[], void, undefined> {
    const decoder = new RowDecoder(schema, index);
    const scan = this.#host.store.scan({
      startKey: span.key,
      endKey: span.endKey,
      asOf,
      after: null,
      mode: 'latest',
      dropTombstones: true,
    });
    try {
      let bytes = new Uint8Array(BATCH_BYTES);
      const offsets = new Uint32Array(2 * BATCH_ENTRIES + 1);
      for (;;) {
        const step = scan.next(bytes, offsets);
        if (step.kind === 'done') break;
        if (step.kind === 'grow') bytes = new Uint8Array(step.bytes);
        else yield decoder.decode({ bytes: bytes.slice(0, step.bytesUsed), offsets, count: step.count });
      }
      yield decoder.finish();
    } finally {
      scan.close();
    }
  }
}

interface TableWriter {
  readonly schema: TableSchema;
  readonly encoder: RowEncoder;
  /** Unique indexes with the prefix of their keys. */
  readonly unique: readonly { readonly name: string; readonly prefix: Uint8Array }[];
}

function textKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

function primarySpan(table: Table): Span {
  return prefixSpan(indexKeyPrefix(table.id, table.message.primaryIndex ?? {}));
}

/** Keys of an index; those of an interleaved one lie inside its ancestor. */
function indexSpan(table: Table, index: IndexSchema): Span {
  const found = dataIndexes(table).find((one) => one.index.id === index.id);
  return prefixSpan(indexKeyPrefix(table.id, found?.index ?? { id: index.id }));
}

/** Prefix of the keys of rows whose primary key begins with these values. @throws SpanvaultError SV_NOT_SUPPORTED */
function keyPrefix(schema: TableSchema, table: Table, key: readonly Datum[]): Uint8Array {
  const { keyColumnIds, keyDirections, ancestors } = schema.primaryIndex;
  if (ancestors.length > 0)
    throw new SpanvaultError('SV_NOT_SUPPORTED', `rows of the interleaved table ${table.name} are not found by key`);
  const writer = new ByteWriter(64);
  for (const [index, datum] of key.entries()) {
    const column = schema.columns.find(({ id }) => id === keyColumnIds[index]);
    if (column === undefined)
      throw new SpanvaultError('SV_USAGE', `the primary key of ${table.name} has ${keyColumnIds.length} columns`);
    writeKeyDatum(writer, datum, column.type, keyDirections[index] ?? 'asc');
  }
  return concatBytes(indexKeyPrefix(table.id, table.message.primaryIndex ?? {}), writer.finish());
}
