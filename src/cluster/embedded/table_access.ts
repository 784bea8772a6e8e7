import {
  type Catalog,
  dataIndexes,
  indexKeyPrefix,
  prefixSpan,
  SYSTEM_DATABASE_ID,
  SYSTEM_TABLE_IDS,
  type Table,
  tableSchema,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { concatBytes, type Span, type Timestamp } from '../../keys/index.js';
import { ByteWriter } from '../../rows/byte_writer.js';
import {
  type Datum,
  Fingerprint,
  fingerprintIndexes,
  type IndexSchema,
  type Row,
  type TableSchema,
} from '../../rows/index.js';
import { writeKeyDatum } from '../../rows/key_codec.js';
import type { PackedBatch } from './packed_batch.js';
import { scanRows } from './row_scan.js';
import { RowWrites } from './row_writes.js';
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

/** Rows that one statement may change; more are a job for BACKUP and RESTORE. */
const CHANGED_ROWS_MAX = 1_000_000;

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
    const replaces = table.id === SYSTEM_TABLE_IDS.zones && table.parentId === SYSTEM_DATABASE_ID;
    if (replaces) return this.upsert(table, rows);
    const { current, writes } = this.#writes(table);
    let count = 0;
    for (const row of rows) {
      writes.add(row);
      count++;
    }
    this.#commit(current, writes);
    return count;
  }

  /**
   * Inserts rows; one that has the primary key of a row that is there replaces it, in the columns of the ordinals `given` only
   * (default: all). Returns the number of rows.
   * @throws SpanvaultError SV_CONSTRAINT
   */
  upsert(table: Table, rows: Iterable<Row>, given?: readonly number[]): number {
    const { current, writes } = this.#writes(table);
    const { columns, primaryIndex } = writes.schema;
    const key = primaryIndex.keyColumnIds.map((id) => columns.findIndex((column) => column.id === id));
    const seen = new Set<string>();
    for (const row of rows) {
      const rowKey = writes.keyOf(row);
      if (seen.has(rowKey)) {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          'UPSERT or INSERT...ON CONFLICT command cannot affect row a second time',
        );
      }
      seen.add(rowKey);
      const before = this.#matching(current, writes.schema, valuesAt(row, key)).next().value ?? undefined;
      if (before !== undefined) writes.remove(before);
      writes.add(before === undefined || given === undefined ? row : replaced(before, row, given));
    }
    this.#commit(current, writes);
    return seen.size;
  }

  /**
   * Gives the rows whose primary key begins with `key` other values, all of them in one transaction, and returns their number.
   * @throws SpanvaultError SV_CONSTRAINT, SV_UNDEFINED for an unknown column, SV_LIMIT
   */
  update(table: Table, key: readonly Datum[], changes: ReadonlyMap<string, Datum>): number {
    const { current, writes } = this.#writes(table);
    const ordinals = [...changes].map(([name, datum]) => {
      const ordinal = writes.schema.columns.findIndex((column) => column.name === name);
      if (ordinal < 0) throw new SpanvaultError('SV_UNDEFINED', `column ${JSON.stringify(name)} does not exist`);
      return { ordinal, datum };
    });
    let count = 0;
    for (const before of this.#matching(current, writes.schema, key)) {
      const after: Row = [...before];
      for (const { ordinal, datum } of ordinals) after[ordinal] = datum;
      writes.remove(before);
      writes.add(after);
      count++;
    }
    if (count > 0) this.#commit(current, writes);
    return count;
  }

  /** Deletes the rows whose primary key begins with `key` in one transaction and returns their number. */
  remove(table: Table, key: readonly Datum[]): number {
    const { current, writes } = this.#writes(table);
    let count = 0;
    for (const row of this.#matching(current, writes.schema, key)) {
      writes.remove(row);
      count++;
    }
    if (count > 0) this.#commit(current, writes);
    return count;
  }

  /** Rows in primary-key order; every yield gives the event loop a turn after a batch. */
  async *select(table: Table, options: SelectOptions = {}): AsyncGenerator<Row, void, undefined> {
    const asOf = options.asOf ?? this.#host.now();
    const schema = tableSchema(this.#host.catalogAt(asOf), table);
    const span = options.key === undefined ? primarySpan(table) : prefixSpan(keyPrefix(schema, table, options.key));
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (const rows of scanRows(this.#host.store, schema, schema.primaryIndex, span, asOf)) {
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
      for (const rows of scanRows(this.#host.store, schema, index, indexSpan(table, index), asOf)) {
        for (const row of rows) fingerprint.add(row);
        await new Promise(setImmediate);
      }
      result.push({ index: index.name, fingerprint: fingerprint.value });
    }
    return result;
  }

  /** The newest version of the table, whose indexes may be others than those of `table`. */
  #writes(table: Table): { readonly current: Table; readonly writes: RowWrites } {
    const catalog = this.#host.catalogAt(this.#host.now());
    const current = catalog.tableById(table.id);
    if (current === undefined || current.state !== 'public')
      throw new SpanvaultError('SV_UNDEFINED', `relation ${JSON.stringify(table.name)} does not exist`);
    return { current, writes: new RowWrites(current, tableSchema(catalog, current)) };
  }

  #commit(table: Table, writes: RowWrites): void {
    writes.check(this.#host.store, this.#host.now());
    this.#host.write(table, (batch) => writes.fill(batch));
  }

  *#matching(table: Table, schema: TableSchema, key: readonly Datum[]): Generator<Row, void, undefined> {
    const span = key.length === 0 ? primarySpan(table) : prefixSpan(keyPrefix(schema, table, key));
    let count = 0;
    for (const rows of scanRows(this.#host.store, schema, schema.primaryIndex, span, this.#host.now())) {
      count += rows.length;
      if (count > CHANGED_ROWS_MAX)
        throw new SpanvaultError('SV_LIMIT', `a change of more than ${CHANGED_ROWS_MAX} rows is beyond one statement`);
      yield* rows;
    }
  }
}

function valuesAt(row: Row, ordinals: readonly number[]): Datum[] {
  return ordinals.map((ordinal) => row[ordinal] ?? null);
}

function replaced(before: Row, row: Row, ordinals: readonly number[]): Row {
  const after: Row = [...before];
  for (const ordinal of ordinals) after[ordinal] = row[ordinal] ?? null;
  return after;
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
