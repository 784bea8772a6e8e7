/** Hybrid-logical timestamp: nanoseconds since 1970 and a counter within the nanosecond. Zero/zero is "empty". */
export interface Timestamp {
  readonly wall: bigint;
  readonly logical: number;
}

export const EMPTY_TIMESTAMP: Timestamp = { wall: 0n, logical: 0 };
export const MAX_TIMESTAMP: Timestamp = { wall: 2n ** 63n - 1n, logical: 2 ** 31 - 1 };

export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  if (a.wall !== b.wall) return a.wall < b.wall ? -1 : 1;
  return a.logical - b.logical;
}

export function equalTimestamps(a: Timestamp, b: Timestamp): boolean {
  return a.wall === b.wall && a.logical === b.logical;
}

export function isEmptyTimestamp(ts: Timestamp): boolean {
  return ts.wall === 0n && ts.logical === 0;
}

/** The next greater timestamp. */
export function nextTimestamp(ts: Timestamp): Timestamp {
  return ts.logical < 2 ** 31 - 1 ? { wall: ts.wall, logical: ts.logical + 1 } : { wall: ts.wall + 1n, logical: 0 };
}

/** Decimal form `<nanos>.<logical as ten digits>`, as cluster_logical_timestamp() prints it. */
export function printDecimal(ts: Timestamp): string {
  return `${ts.wall}.${String(ts.logical).padStart(10, '0')}`;
}

const NANOS_PER_SECOND = 1_000_000_000n;

/** `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC: a SQL TIMESTAMP of microseconds, trailing zeros dropped. */
export function printTimestamp(ts: Timestamp): string {
  const seconds = ts.wall / NANOS_PER_SECOND;
  const micros = Number((ts.wall % NANOS_PER_SECOND) / 1000n);
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  const fraction = micros === 0 ? '' : `.${String(micros).padStart(6, '0').replace(/0+$/, '')}`;
  return `${text}${fraction}`;
}

/** UTC calendar parts for directory names; hundredths are truncated, not rounded (crdb-format.md 1.2). */
export function calendarParts(ts: Timestamp): {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly clock: string;
} {
  const iso = new Date(Number(ts.wall / 1_000_000n)).toISOString();
  const hundredths = iso.slice(20, 22);
  return {
    year: iso.slice(0, 4),
    month: iso.slice(5, 7),
    day: iso.slice(8, 10),
    clock: `${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}.${hundredths}`,
  };
}
