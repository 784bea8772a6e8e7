import type { Span, Timestamp } from '../../keys/index.js';
import { type IndexSchema, type Row, RowDecoder, type TableSchema } from '../../rows/index.js';
import type { EmbeddedStore } from './store.js';

const BATCH_BYTES = 1024 * 1024;
const BATCH_ENTRIES = 16 * 1024;

/** Rows of an index in a span as they were at a time, in key order, a packed batch at a go. */
export function* scanRows(
  store: EmbeddedStore,
  schema: TableSchema,
  index: IndexSchema,
  span: Span,
  asOf: Timestamp,
): Generator<Row[], void, undefined> {
  const decoder = new RowDecoder(schema, index);
  const scan = store.scanAt(span, asOf);
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
