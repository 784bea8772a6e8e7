import { compareBytes, containsKey, type Span, toHex } from '../../keys/index.js';
import type { Placement } from './allocator.js';

/** Why a range begins where it does: only 'boundary' splits go away by themselves while their table lives. */
export type SplitCause = 'boundary' | 'size' | 'manual';

/** A range of the embedded cluster; ranges are sorted, disjoint and cover the whole keyspace ["", ff ff). */
export interface RangeRecord extends Placement {
  readonly rangeId: number;
  readonly span: Span;
  /** Key+value bytes of every version when they were last counted, plus what was committed since. */
  readonly bytes: number;
  readonly startCause: SplitCause;
}

export const MIN_KEY = new Uint8Array(0);
export const MAX_KEY = Uint8Array.of(0xff, 0xff);

/** Index of the range that holds `key`. */
export function rangeIndexAt(ranges: readonly RangeRecord[], key: Uint8Array): number {
  let low = 0;
  let high = ranges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (compareBytes(ranges[middle]!.span.key, key) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Splits at every key that is not a start yet. The right part inherits placement, so a split moves nothing; bytes are
 * shared out evenly until they are counted again.
 */
export function splitRanges(
  ranges: readonly RangeRecord[],
  keys: readonly Uint8Array[],
  cause: SplitCause,
  nextId: () => number,
): RangeRecord[] {
  const sorted = [...keys].sort(compareBytes);
  const result: RangeRecord[] = [];
  let next = 0;
  for (const range of ranges) {
    const cuts: Uint8Array[] = [];
    while (next < sorted.length && compareBytes(sorted[next]!, range.span.endKey) < 0) {
      const key = sorted[next++]!;
      if (compareBytes(key, cuts.at(-1) ?? range.span.key) > 0) cuts.push(key);
    }
    const starts = [range.span.key, ...cuts];
    const bytes = Math.ceil(range.bytes / starts.length);
    for (const [index, key] of starts.entries()) {
      const span = { key, endKey: starts[index + 1] ?? range.span.endKey };
      if (index === 0) result.push({ ...range, span, bytes });
      else result.push({ ...range, rangeId: nextId(), span, bytes, startCause: cause });
    }
  }
  return result;
}

/**
 * Joins a range to its left neighbour when nothing asks for the split any more: a boundary that is not in `boundaries`,
 * or a split by size or by hand in no span of `tables` (its table is gone).
 */
export function mergeRanges(
  ranges: readonly RangeRecord[],
  boundaries: readonly Uint8Array[],
  tables: readonly Span[],
): RangeRecord[] {
  const wanted = new Set(boundaries.map(toHex));
  const result: RangeRecord[] = [];
  for (const range of ranges) {
    const left = result.at(-1);
    const key = range.span.key;
    const keep =
      left === undefined ||
      wanted.has(toHex(key)) ||
      (range.startCause !== 'boundary' && tables.some((table) => containsKey(table, key)));
    if (keep || left === undefined) result.push(range);
    else
      result[result.length - 1] = {
        ...left,
        span: { key: left.span.key, endKey: range.span.endKey },
        bytes: left.bytes + range.bytes,
      };
  }
  return result;
}

/** True when both records say the same. */
export function equalRecords(a: RangeRecord, b: RangeRecord): boolean {
  return (
    a.rangeId === b.rangeId &&
    a.bytes === b.bytes &&
    a.leaseholder === b.leaseholder &&
    a.startCause === b.startCause &&
    a.replicas.join() === b.replicas.join() &&
    compareBytes(a.span.key, b.span.key) === 0 &&
    compareBytes(a.span.endKey, b.span.endKey) === 0
  );
}
