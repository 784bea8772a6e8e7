import { isSpanvaultError } from '../fault/index.js';
import { compareBytes, equalBytes, printKey } from './bytes.js';
import { decodeUvarintAscending } from './ordered.js';

/** Half-open key range [key, endKey). */
export interface Span {
  readonly key: Uint8Array;
  readonly endKey: Uint8Array;
}

export function compareSpans(a: Span, b: Span): number {
  return compareBytes(a.key, b.key) || compareBytes(a.endKey, b.endKey);
}

export function containsKey(span: Span, key: Uint8Array): boolean {
  return compareBytes(span.key, key) <= 0 && compareBytes(key, span.endKey) < 0;
}

export function containsSpan(outer: Span, inner: Span): boolean {
  return compareBytes(outer.key, inner.key) <= 0 && compareBytes(inner.endKey, outer.endKey) <= 0;
}

export function overlaps(a: Span, b: Span): boolean {
  return compareBytes(a.key, b.endKey) < 0 && compareBytes(b.key, a.endKey) < 0;
}

/** The common part of two spans, or undefined when there is none. */
export function intersectSpans(a: Span, b: Span): Span | undefined {
  const key = compareBytes(a.key, b.key) > 0 ? a.key : b.key;
  const endKey = compareBytes(a.endKey, b.endKey) < 0 ? a.endKey : b.endKey;
  return compareBytes(key, endKey) < 0 ? { key, endKey } : undefined;
}

/** The same keys as sorted, disjoint spans; adjacent spans are joined. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of [...spans].sort(compareSpans)) {
    const last = merged.at(-1);
    if (last !== undefined && compareBytes(span.key, last.endKey) <= 0) {
      if (compareBytes(span.endKey, last.endKey) > 0)
        merged[merged.length - 1] = { key: last.key, endKey: span.endKey };
    } else if (compareBytes(span.key, span.endKey) < 0) {
      merged.push(span);
    }
  }
  return merged;
}

/** The keys of `spans` that are in none of `removed`, as sorted, disjoint spans. */
export function subtractSpans(spans: readonly Span[], removed: readonly Span[]): Span[] {
  let rest = mergeSpans(spans);
  for (const hole of mergeSpans(removed)) {
    rest = rest.flatMap((span) => {
      if (!overlaps(span, hole)) return [span];
      const parts: Span[] = [];
      if (compareBytes(span.key, hole.key) < 0) parts.push({ key: span.key, endKey: hole.key });
      if (compareBytes(hole.endKey, span.endKey) < 0) parts.push({ key: hole.endKey, endKey: span.endKey });
      return parts;
    });
  }
  return rest;
}

export function equalSpans(a: Span, b: Span): boolean {
  return equalBytes(a.key, b.key) && equalBytes(a.endKey, b.endKey);
}

/** Where a span begins, as CockroachDB prints ranges: `/Table/771`, `/Table/771/2`; other keys as bytes. */
export function printStart({ key }: Span): string {
  if (key.length === 0) return '/Min';
  try {
    const table = decodeUvarintAscending(key);
    if (table.offset === key.length) return `/Table/${table.value}`;
    const index = decodeUvarintAscending(key, table.offset);
    return index.offset === key.length ? `/Table/${table.value}/${index.value}` : printKey(key);
  } catch (error) {
    if (isSpanvaultError(error)) return printKey(key);
    throw error;
  }
}

/** A span for messages. */
export function printSpan(span: Span): string {
  return `[${printKey(span.key)}, ${printKey(span.endKey)})`;
}
