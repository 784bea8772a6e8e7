import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { SpanvaultError } from '../../fault/index.js';
import { printKey, type Span, type Timestamp } from '../../keys/index.js';
import type { Batch, NativeCollected, NativeScan, NativeScanOptions, SpanStats } from '../../native/contract.js';
import { native } from '../../native/index.js';

/**
 * Address space of the memory map. Only pages that hold data take disk or memory; the number bounds the size of a cluster.
 */
export const DEFAULT_MAP_BYTES = 2 ** 36;

/** Keys and values that one step of an erasure removes. */
const ERASE_STEP_BYTES = 16 * 1024 * 1024;

/** A metadata record to put; `value` undefined deletes it. Values are JSON. */
export interface MetaPut {
  readonly key: string;
  readonly value: unknown;
}

/** What one atomic, durable transaction changes. */
export interface Commit {
  readonly batch?: Batch | undefined;
  readonly clearSpans?: readonly Span[];
  readonly meta?: readonly MetaPut[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The native store of one cluster directory: typed metadata, synchronous point reads and commits. */
export class EmbeddedStore {
  readonly directory: string;
  readonly mapBytes: number;
  readonly #handle: number;
  readonly #readOnly: boolean;
  #open = true;

  constructor(directory: string, options: { readonly mapBytes: number; readonly readOnly: boolean }) {
    this.directory = directory;
    this.mapBytes = options.mapBytes;
    this.#readOnly = options.readOnly;
    this.#handle = native.openStore(directory, options.mapBytes);
  }

  /** True when writes are refused. */
  get readOnly(): boolean {
    return this.#readOnly;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    native.closeStore(this.#handle);
  }

  /** Newest version at or before `asOf`; a tombstone has an empty value. */
  get(key: Uint8Array, asOf: Timestamp): { readonly timestamp: Timestamp; readonly value: Uint8Array } | undefined {
    return native.storeGet(this.#handle, key, asOf) ?? undefined;
  }

  /** @throws SpanvaultError SV_NOT_SUPPORTED when the cluster is open read-only. */
  commit(change: Commit): void {
    this.#assertWritable();
    const meta = (change.meta ?? []).map(({ key, value }) => ({
      key,
      value: value === undefined ? null : encoder.encode(JSON.stringify(value)),
    }));
    native.storeCommit(this.#handle, change.batch ?? null, change.clearSpans ?? [], meta);
  }

  /** Bulk put of a sorted batch; durable only after sync. */
  ingest(batch: Batch): void {
    this.#assertWritable();
    native.storeIngest(this.#handle, batch.bytes, batch.offsets, batch.count);
  }

  /** Erases every version of spans in bounded steps; durable when it returns. */
  erase(...spans: readonly Span[]): void {
    this.#assertWritable();
    for (const span of spans) {
      for (let from: Uint8Array | null = span.key; from !== null; ) {
        from = native.storeErase(this.#handle, from, span.endKey, ERASE_STEP_BYTES);
      }
    }
    this.sync();
  }

  sync(): void {
    native.storeSync(this.#handle);
  }

  /** As sync, for much that was ingested: the wait for the disk is not on this thread. */
  async syncAside(): Promise<void> {
    const data = await open(join(this.directory, 'data.mdb'), 'r+');
    try {
      await data.datasync();
    } catch (error) {
      throw new SpanvaultError('SV_STORAGE_IO', `cluster ${this.directory} cannot be synced`, { cause: error });
    } finally {
      await data.close();
    }
    this.sync();
  }

  /** Begins the change index where there is none; no version may be newer than `since`. */
  beginChanges(since: Timestamp): void {
    this.#assertWritable();
    native.storeBeginChanges(this.#handle, since);
  }

  /** Lets a window that begins now read nothing of the change index that is older. */
  cutChanges(): void {
    native.storeCutChanges(this.#handle);
  }

  /** The greatest garbage-collection threshold of any key of a span; undefined when nothing of it was collected. */
  threshold({ key, endKey }: Span): Timestamp | undefined {
    return native.storeThreshold(this.#handle, key, endKey) ?? undefined;
  }

  /** Raises the threshold of a span that is about to be erased. Durable after sync. */
  raiseThreshold({ key, endKey }: Span, threshold: Timestamp): void {
    this.#assertWritable();
    native.storeRaiseThreshold(this.#handle, key, endKey, threshold);
  }

  /** One bounded step of a garbage collection; go on at `resumeKey` until it is null. Durable after sync. */
  collect(span: Span, from: Uint8Array | null, threshold: Timestamp, limitBytes: number): NativeCollected {
    this.#assertWritable();
    return native.storeCollect(this.#handle, span.key, span.endKey, from, threshold, limitBytes);
  }

  /** One bounded step of dropping what the change index knows of a time; true when there is more to drop. Durable after sync. */
  forgetChanges(through: Timestamp, limit: number): boolean {
    this.#assertWritable();
    return native.storeForgetChanges(this.#handle, through, limit);
  }

  /** Scans what a reader at `asOf` sees of a span. */
  scanAt({ key, endKey }: Span, asOf: Timestamp): NativeScan {
    return this.scan({ startKey: key, endKey, asOf, after: null, mode: 'latest', dropTombstones: true });
  }

  scan(options: NativeScanOptions): NativeScan {
    return native.storeScan(this.#handle, options);
  }

  /** One bounded step of a walk over a span, on another thread; go on at `resumeKey` until it is null. */
  stats(
    span: Span,
    splitBytes: number,
    limitBytes: number,
  ): Promise<SpanStats & { readonly resumeKey: Uint8Array | null }> {
    return native.storeStats(this.#handle, span.key, span.endKey, splitBytes, limitBytes);
  }

  /** @throws SpanvaultError SV_CORRUPT_STORE when the record is not JSON. */
  metaGet<T>(key: string): T | undefined {
    const bytes = native.storeMetaGet(this.#handle, key);
    return bytes === null ? undefined : parse<T>(key, bytes);
  }

  /** Records whose key begins with `prefix`, in key order. */
  metaList<T>(prefix: string): { readonly key: string; readonly value: T }[] {
    return native.storeMetaList(this.#handle, prefix).map(({ key, value }) => ({ key, value: parse<T>(key, value) }));
  }

  #assertWritable(): void {
    if (this.#readOnly) throw new SpanvaultError('SV_NOT_SUPPORTED', `cluster ${this.directory} is open read-only`);
  }
}

function parse<T>(key: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(decoder.decode(bytes)) as T;
  } catch (error) {
    throw new SpanvaultError('SV_CORRUPT_STORE', `metadata record ${key} is not JSON: ${printKey(bytes)}`, {
      cause: error,
    });
  }
}
