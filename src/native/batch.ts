import { invariant, SpanvaultError } from '../fault/index.js';
import type { Batch } from './contract.js';

/** Bytes that a batch can hold: its offsets are 32 bits wide. */
export const MAX_BATCH_BYTES = 2 ** 32 - 1;
/** A good size of one batch: large against the cost of a call, small against memory and a few milliseconds. */
export const DEFAULT_BATCH_BYTES = 4 * 1024 * 1024;
/** Entries of such a batch when they are small. */
export const DEFAULT_BATCH_ENTRIES = 64 * 1024;

/** Memory that native code fills; `offsets` has room for `entries`. */
export interface BatchMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/**
 * Memory for one batch of at most `bytes` bytes and `entries` entries; each array owns its ArrayBuffer, so that it can be
 * transferred. @throws SpanvaultError SV_LIMIT
 */
export function allocateBatch(bytes = DEFAULT_BATCH_BYTES, entries = DEFAULT_BATCH_ENTRIES): BatchMemory {
  const whole = Number.isSafeInteger(bytes) && Number.isSafeInteger(entries) && bytes >= 0 && entries > 0;
  if (!whole || bytes > MAX_BATCH_BYTES || entries > MAX_BATCH_BYTES / 2) {
    throw new SpanvaultError('SV_LIMIT', `a batch of ${bytes} bytes and ${entries} entries is out of bounds`);
  }
  return { bytes: new Uint8Array(bytes), offsets: new Uint32Array(2 * entries + 1) };
}

/** The batch that native code has filled memory with. */
export function filledBatch(memory: BatchMemory, count: number): Batch {
  return { bytes: memory.bytes, offsets: memory.offsets, count };
}

/** One entry of a batch as JavaScript objects. */
export interface BatchEntry {
  /** Engine key. */
  readonly key: Uint8Array;
  /** MVCC value; empty = tombstone. */
  readonly value: Uint8Array;
}

/**
 * Packs entries in the order given. The slow path, about 100 ns an entry: for rows of statements and catalogs, not
 * for bulk data. @throws SpanvaultError SV_LIMIT
 */
export function packBatch(entries: readonly BatchEntry[]): Batch {
  const size = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  const { bytes, offsets } = allocateBatch(size, Math.max(entries.length, 1));
  let used = 0;
  for (const [index, { key, value }] of entries.entries()) {
    bytes.set(key, used);
    used += key.length;
    offsets[2 * index + 1] = used;
    bytes.set(value, used);
    used += value.length;
    offsets[2 * index + 2] = used;
  }
  return { bytes, offsets, count: entries.length };
}

/** The entries of a batch in order; keys and values are views into its bytes. The slow path, as packBatch. */
export function* iterateBatch(batch: Batch): Generator<BatchEntry, void, undefined> {
  const { bytes, offsets, count } = batch;
  invariant(offsets.length > 2 * count, 'a batch has fewer offsets than entries');
  for (let index = 0; index < count; index++) {
    const [start, middle, end] = offsets.subarray(2 * index, 2 * index + 3);
    yield { key: bytes.subarray(start, middle), value: bytes.subarray(middle, end) };
  }
}
