import { indexPrefix, prefixSpan, type Table, tableSchema } from '../../catalog/index.js';
import { SpanvaultError, throwIfAborted } from '../../fault/index.js';
import { compareBytes, type Timestamp } from '../../keys/index.js';
import { type Datum, defaultDatum, type Row, RowEncoder, type RowEntry, type TableSchema } from '../../rows/index.js';
import type { ClusterCore } from './core.js';
import { PackedBatch } from './packed_batch.js';
import { scanRows } from './row_scan.js';

/** Bytes of one ingest: large enough to be fast, small enough for the event loop to get a turn. */
const CHUNK_BYTES = 1024 * 1024;

export interface BackfillOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((rows: number) => void) | undefined;
}

/** What a backfill reads and what it writes. */
export interface Backfill {
  readonly before: Table;
  /** The same table with the index, and perhaps with more columns, which get their defaults. */
  readonly after: Table;
  readonly indexId: number;
  /** Rows are read as they are then, and their entries get this time. */
  readonly time: Timestamp;
}

/**
 * Writes the entries of one index of a table's new version out of the rows of the old one, a chunk at a time. Durable only
 * after a sync; the rows must not change meanwhile.
 * @throws SpanvaultError SV_CONSTRAINT when a key that must be unique comes twice, or NULL in a column that is NOT NULL
 */
export async function backfillIndex(core: ClusterCore, job: Backfill, options: BackfillOptions = {}): Promise<void> {
  const { before, after, indexId, time } = job;
  const catalog = core.catalog.current();
  const from = tableSchema(catalog, before);
  const to = tableSchema(catalog, after);
  const writer = new EntryWriter(core, to, indexId, time);
  const widened = widening(from, to, time);
  const primary = prefixSpan(indexPrefix(before.id, from.primaryIndex.id));
  let rows = 0;
  for (const batch of scanRows(core.store, from, from.primaryIndex, primary, time)) {
    for (const row of batch) writer.add(widened(row));
    rows += batch.length;
    throwIfAborted(options.signal);
    options.onRows?.(rows);
    await new Promise(setImmediate);
  }
  writer.flush();
}

/** A row of the old columns with the values of the new ones. */
function widening(from: TableSchema, to: TableSchema, time: Timestamp): (row: Row) => Row {
  const ordinals = new Map(from.columns.map(({ id }, ordinal) => [id, ordinal]));
  const context = { wall: time.wall, node: 1 };
  return (row) =>
    to.columns.map((column): Datum => {
      const ordinal = ordinals.get(column.id);
      return ordinal === undefined ? defaultDatum(column, context) : (row[ordinal] ?? null);
    });
}

/** Sorts and ingests entries of one index, refusing a key that is there already. */
class EntryWriter {
  readonly #core: ClusterCore;
  readonly #encoder: RowEncoder;
  readonly #unique: string | undefined;
  readonly #time: Timestamp;
  readonly #packed: PackedBatch;
  #entries: RowEntry[] = [];
  #bytes = 0;

  constructor(core: ClusterCore, schema: TableSchema, indexId: number, time: Timestamp) {
    this.#core = core;
    this.#encoder = new RowEncoder(schema, { only: indexId });
    const index = schema.indexes.find(({ id }) => id === indexId);
    this.#unique = index?.unique === true ? index.name : undefined;
    this.#time = time;
    this.#packed = new PackedBatch(time);
  }

  add(row: Row): void {
    for (const entry of this.#encoder.encode(row)) {
      this.#entries.push(entry);
      this.#bytes += entry.key.length + entry.value.length;
    }
    if (this.#bytes >= CHUNK_BYTES) this.flush();
  }

  flush(): void {
    this.#entries.sort((a, b) => compareBytes(a.key, b.key));
    if (this.#unique !== undefined) this.#assertUnique(this.#unique);
    this.#packed.reset();
    for (const { key, value } of this.#entries) this.#packed.add(key, value);
    if (this.#packed.count > 0) this.#core.store.ingest(this.#packed.batch());
    this.#entries = [];
    this.#bytes = 0;
  }

  #assertUnique(name: string): void {
    for (const [position, { key }] of this.#entries.entries()) {
      const previous = this.#entries[position - 1];
      const twice = previous !== undefined && compareBytes(previous.key, key) === 0;
      if (twice || this.#core.store.get(key, this.#time) !== undefined) {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          `duplicate key value violates unique constraint ${JSON.stringify(name)}`,
        );
      }
    }
  }
}
