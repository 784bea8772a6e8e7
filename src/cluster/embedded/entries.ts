import { decodeEngineKey, isEmptyTimestamp, type Span, type Timestamp } from '../../keys/index.js';
import type { NativeScan } from '../../native/contract.js';
import type { EmbeddedStore } from './store.js';

/** One version of a key; of reads at a time, the newest one. */
export interface Entry {
  readonly key: Uint8Array;
  readonly timestamp: Timestamp;
  readonly value: Uint8Array;
}

const BATCH_BYTES = 256 * 1024;
const BATCH_ENTRIES = 4096;

/**
 * Reads the live entries of a span at a time, in key order, a packed batch at a go. The snapshot is taken by the first
 * step; keys and values stay valid after later steps.
 */
export function readEntries(store: EmbeddedStore, span: Span, asOf: Timestamp): Generator<Entry, void, undefined> {
  return entriesOf(store.scanAt(span, asOf));
}

/** Reads every version in (after, upTo], tombstones included, newest first for each key; an empty `after` = from the beginning. */
export function readVersions(
  store: EmbeddedStore,
  span: Span,
  after: Timestamp,
  upTo: Timestamp,
): Generator<Entry, void, undefined> {
  return entriesOf(
    store.scan({
      startKey: span.key,
      endKey: span.endKey,
      asOf: upTo,
      after: isEmptyTimestamp(after) ? null : after,
      mode: 'all',
      dropTombstones: false,
    }),
  );
}

function* entriesOf(scan: NativeScan): Generator<Entry, void, undefined> {
  try {
    let size = BATCH_BYTES;
    for (;;) {
      const bytes = new Uint8Array(size);
      const offsets = new Uint32Array(2 * BATCH_ENTRIES + 1);
      const step = scan.next(bytes, offsets);
      if (step.kind === 'done') return;
      if (step.kind === 'grow') {
        size = step.bytes;
        continue;
      }
      size = BATCH_BYTES;
      for (let index = 0; index < step.count; index++) {
        const { key, timestamp } = decodeEngineKey(bytes.subarray(offsets[2 * index], offsets[2 * index + 1]));
        yield { key, timestamp, value: bytes.subarray(offsets[2 * index + 1], offsets[2 * index + 2]) };
      }
    }
  } finally {
    scan.close();
  }
}
