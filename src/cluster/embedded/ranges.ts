import { SpanvaultError } from '../../fault/index.js';
import { compareBytes, fromHex, overlaps, type Span, toHex } from '../../keys/index.js';
import { equalRecords, MAX_KEY, MIN_KEY, type RangeRecord, rangeIndexAt, type SplitCause } from './range_map.js';
import type { EmbeddedStore, MetaPut } from './store.js';

const RANGE_PREFIX = 'range/';
const NEXT_ID_KEY = 'next/range';

interface StoredRange {
  readonly start: string;
  readonly end: string;
  readonly replicas: readonly number[];
  readonly leaseholder: number;
  readonly bytes: number;
  readonly cause: SplitCause;
}

/** The ranges of a cluster, as records of the store. Only placement is simulated: their data lies in the store once. */
export class RangeRegistry {
  readonly #store: EmbeddedStore;
  /** Undefined until read; never kept by a read-only opener, whose writer is another process. */
  #ranges: readonly RangeRecord[] | undefined;
  #nextId = 1;

  constructor(store: EmbeddedStore) {
    this.#store = store;
  }

  /** Every range, in key order. @throws SpanvaultError SV_CORRUPT_STORE when they do not cover the keyspace */
  all(): readonly RangeRecord[] {
    if (this.#ranges !== undefined && !this.#store.readOnly) return this.#ranges;
    const ranges = this.#store.metaList<StoredRange>(RANGE_PREFIX).map(({ key, value }) => ({
      rangeId: Number(key.slice(RANGE_PREFIX.length)),
      span: { key: fromHex(value.start), endKey: fromHex(value.end) },
      replicas: value.replicas,
      leaseholder: value.leaseholder,
      bytes: value.bytes,
      startCause: value.cause,
    }));
    ranges.sort((a, b) => compareBytes(a.span.key, b.span.key));
    assertCover(ranges);
    this.#nextId = this.#store.metaGet<number>(NEXT_ID_KEY) ?? ranges.length + 1;
    this.#ranges = ranges;
    return ranges;
  }

  /** Ranges that overlap any of `spans`, in key order. */
  overlapping(spans: readonly Span[]): RangeRecord[] {
    return this.all().filter((range) => spans.some((span) => overlaps(range.span, span)));
  }

  at(key: Uint8Array): RangeRecord {
    const ranges = this.all();
    return ranges[rangeIndexAt(ranges, key)]!;
  }

  /** A fresh range id; persisted with the next update. */
  readonly takeId = (): number => {
    this.all();
    return this.#nextId++;
  };

  /** The records that turn the present ranges into `ranges`; call `apply` once they are committed. */
  changes(ranges: readonly RangeRecord[]): { readonly meta: MetaPut[]; readonly apply: () => void } {
    const before = new Map(this.all().map((range) => [range.rangeId, range]));
    const meta: MetaPut[] = [];
    for (const range of ranges) {
      const old = before.get(range.rangeId);
      before.delete(range.rangeId);
      if (old === undefined || !equalRecords(old, range))
        meta.push({ key: rangeKey(range.rangeId), value: stored(range) });
    }
    for (const rangeId of before.keys()) meta.push({ key: rangeKey(rangeId), value: undefined });
    if (meta.length > 0) meta.push({ key: NEXT_ID_KEY, value: this.#nextId });
    return {
      meta,
      apply: () => {
        this.#ranges = ranges;
      },
    };
  }
}

/** The records of a new cluster: one range that covers everything. */
export function firstRange(): MetaPut[] {
  const range: RangeRecord = {
    rangeId: 1,
    span: { key: MIN_KEY, endKey: MAX_KEY },
    replicas: [1],
    leaseholder: 1,
    bytes: 0,
    startCause: 'boundary',
  };
  return [
    { key: rangeKey(1), value: stored(range) },
    { key: NEXT_ID_KEY, value: 2 },
  ];
}

function rangeKey(rangeId: number): string {
  return `${RANGE_PREFIX}${String(rangeId).padStart(10, '0')}`;
}

function stored(range: RangeRecord): StoredRange {
  const { span, replicas, leaseholder, bytes, startCause } = range;
  return { start: toHex(span.key), end: toHex(span.endKey), replicas, leaseholder, bytes, cause: startCause };
}

function assertCover(ranges: readonly RangeRecord[]): void {
  let end: Uint8Array = MIN_KEY;
  for (const { rangeId, span } of ranges) {
    if (compareBytes(span.key, end) !== 0)
      throw new SpanvaultError('SV_CORRUPT_STORE', `range ${rangeId} does not begin where the one before it ends`);
    end = span.endKey;
  }
  if (compareBytes(end, MAX_KEY) !== 0)
    throw new SpanvaultError('SV_CORRUPT_STORE', `${ranges.length} ranges do not cover the keyspace`);
}
