import { decodeEngineKey, type Span, type Timestamp } from '../../keys/index.js';
import type { EmbeddedStore } from './store.js';

/** One key's newest version at the time of a read. */
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
export function* readEntries(store: EmbeddedStore, span: Span, asOf: Timestamp): Generator<Entry, void, undefined> {
  const scan = store.scan({
    startKey: span.key,
    endKey: span.endKey,
    asOf,
    after: null,
    mode: 'latest',
    dropTombstones: true,
  });
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
