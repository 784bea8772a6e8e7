import { randomUUID } from 'node:crypto';
import { decodeDescriptor, type Table, tableSchema, tableSpan, type Zones } from '../../catalog/index.js';
import { throwIfAborted } from '../../fault/index.js';
import { compareBytes, type Timestamp } from '../../keys/index.js';
import { type Row, RowEncoder, type RowEntry } from '../../rows/index.js';
import type { ClusterCore } from './core.js';
import { closedJournal, journalRecord, rollbackJournal } from './journal.js';
import { PackedBatch, packPairs } from './packed_batch.js';

/** Where bulk-loaded rows go: straight into the store, invisible until their tables are published. */
export interface BulkWriter {
  readonly table: Table;
  readonly time: Timestamp;
  /** Encodes and ingests rows; keys that come in order are fastest. */
  rows(rows: Iterable<Row>): Promise<void>;
  /** For callers that ingest by themselves: counts what they wrote. */
  counted(rows: number, bytes: number): void;
}

export interface BulkTable {
  readonly raw: Uint8Array;
  fill(writer: BulkWriter): Promise<void>;
}

export interface BulkFacts {
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** User key and value bytes. */
  readonly bytes: number;
}

export interface BulkOptions {
  /** For the journal. */
  readonly what: string;
  /** Content of system.zones once the tables are there, with the rows that change. */
  readonly zones?: { readonly zones: Zones; readonly ids: readonly number[] };
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((rows: number, bytes: number) => void) | undefined;
}

/** Bytes of one ingest: large enough to be fast, small enough for the event loop to get a turn. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Creates tables full of rows: ranges are cut and placed first, then the data goes in, and the tables become visible
 * in one step. A failure, or a killed process, leaves nothing behind.
 */
export async function bulkLoad(
  core: ClusterCore,
  tables: readonly BulkTable[],
  options: BulkOptions,
): Promise<BulkFacts> {
  const id = randomUUID();
  const descriptors = tables
    .map(({ raw }) => decodeDescriptor(raw))
    .filter((one): one is Table => one.kind === 'table');
  const spans = descriptors.map((table) => tableSpan(table.id));
  const highest = Math.max(...descriptors.map((table) => table.id));
  core.write(undefined, { meta: [journalRecord(id, options.what, spans), core.catalog.reserveIds(highest + 1)] });
  core.setPending(id, { descriptors, dropped: new Set(), zones: options.zones?.zones });
  try {
    core.reconcile({ balance: true });
    const time = core.now();
    const counts: { name: string; rows: number; bytes: number }[] = [];
    for (const [index, table] of descriptors.entries()) {
      const loader = new TableLoader(core, table, time, options);
      await tables[index]!.fill(loader);
      counts.push({ name: table.name, rows: loader.rowCount, bytes: loader.byteCount });
    }
    core.store.sync();
    await core.recount(spans);
    publish(core, id, tables, options);
    return {
      tables: counts.map(({ name, rows }) => ({ name, rows })),
      bytes: counts.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  } catch (error) {
    core.setPending(id, undefined);
    rollbackJournal(core, id);
    core.reconcile({ balance: true });
    throw error;
  }
}

function publish(core: ClusterCore, id: string, tables: readonly BulkTable[], options: BulkOptions): void {
  const time = core.now();
  const change = core.catalog.change(
    tables.map(({ raw }) => raw),
    [],
    time,
  );
  const zones =
    options.zones === undefined ? { pairs: [], meta: [] } : core.zones.change(options.zones.zones, options.zones.ids);
  core.write(packPairs([...change.pairs, ...zones.pairs], time), {
    meta: [...change.meta, ...zones.meta, closedJournal(id)],
  });
  core.setPending(id, undefined);
  core.reconcile({ balance: true });
}

class TableLoader implements BulkWriter {
  readonly table: Table;
  readonly time: Timestamp;
  rowCount = 0;
  byteCount = 0;
  readonly #core: ClusterCore;
  readonly #options: BulkOptions;

  constructor(core: ClusterCore, table: Table, time: Timestamp, options: BulkOptions) {
    this.#core = core;
    this.table = table;
    this.time = time;
    this.#options = options;
  }

  async rows(rows: Iterable<Row>): Promise<void> {
    const encoder = new RowEncoder(tableSchema(this.#core.placementCatalog(), this.table));
    const packed = new PackedBatch(this.time);
    let entries: RowEntry[] = [];
    let bytes = 0;
    let count = 0;
    const flush = async (): Promise<void> => {
      entries.sort((a, b) => compareBytes(a.key, b.key));
      packed.reset();
      for (const { key, value } of entries) packed.add(key, value);
      if (packed.count > 0) this.#core.store.ingest(packed.batch());
      this.counted(count, bytes);
      entries = [];
      bytes = 0;
      count = 0;
      await new Promise(setImmediate);
    };
    for (const row of rows) {
      for (const entry of encoder.encode(row)) {
        entries.push(entry);
        bytes += entry.key.length + entry.value.length;
      }
      count++;
      if (bytes >= CHUNK_BYTES) await flush();
    }
    await flush();
  }

  counted(rows: number, bytes: number): void {
    throwIfAborted(this.#options.signal);
    this.rowCount += rows;
    this.byteCount += bytes;
    this.#options.onRows?.(rows, bytes);
  }
}
