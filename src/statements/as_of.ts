import { SpanvaultError } from '../fault/index.js';
import { compareTimestamps, printDecimal, type Timestamp } from '../keys/index.js';
import { parseInterval } from './interval.js';
import type { Literal } from './statement.js';

/** AS OF SYSTEM TIME as written; it becomes a timestamp when the statement runs. */
export type AsOf =
  /** Added to the statement's time; negative in every valid statement. Nanoseconds. */
  | { readonly kind: 'interval'; readonly nanos: bigint }
  | { readonly kind: 'time'; readonly wall: bigint; readonly logical: number }
  | { readonly kind: 'followerRead' }
  /** A bounded-staleness function. */
  | { readonly kind: 'unsupported'; readonly name: string };

/** A literal or a function call, as the grammar reads it. */
export type WrittenAsOf = Literal | { readonly kind: 'call'; readonly name: string; readonly args: readonly Literal[] };

/** How far in the past follower_read_timestamp() lies, with CockroachDB's default settings. */
const FOLLOWER_READ_NANOS = 4_200_000_000n;

/**
 * Reads what follows AS OF SYSTEM TIME.
 * @throws SpanvaultError SV_USAGE when it is neither a timestamp, nor a decimal, nor an interval
 */
export function readAsOf(written: WrittenAsOf): AsOf {
  if (written.kind === 'call') {
    return written.name.endsWith('follower_read_timestamp')
      ? { kind: 'followerRead' }
      : { kind: 'unsupported', name: written.name };
  }
  const text = written.kind === 'number' ? written.text : written.kind === 'string' ? written.value.trim() : '';
  const read = readDecimal(text) ?? (written.kind === 'string' ? (readTime(text) ?? readRelative(text)) : undefined);
  if (read === undefined) {
    throw new SpanvaultError('SV_USAGE', 'AS OF SYSTEM TIME: value is neither timestamp, decimal, nor interval', {
      details: { value: text },
      hint: "write '-10s', '2023-02-23 15:09:25' or 1677164965000000000.0000000000",
    });
  }
  if (read.kind === 'time' && read.wall === 0n && read.logical === 0) {
    throw new SpanvaultError('SV_USAGE', 'AS OF SYSTEM TIME: zero timestamp is invalid');
  }
  return read;
}

/**
 * AS OF SYSTEM TIME given as plain text, as a command's option is.
 * @throws SpanvaultError SV_USAGE
 */
export function parseAsOf(text: string): AsOf {
  return readAsOf({ kind: 'string', value: text });
}

/** Nanoseconds, optionally a point and ten digits of the logical counter. */
function readDecimal(text: string): AsOf | undefined {
  const match = /^(\d{1,19})(?:\.(\d{1,10}))?$/.exec(text);
  if (match === null) return undefined;
  const wall = BigInt(match[1]!);
  const logical = Number((match[2] ?? '').padEnd(10, '0'));
  return wall < 2n ** 63n && logical < 2 ** 31 ? { kind: 'time', wall, logical } : undefined;
}

/** A date, or a date and a time with up to nine decimals, in UTC unless an offset follows. */
function readTime(text: string): AsOf | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2}(?::\d{2})?)?)?$/i.exec(
      text,
    );
  if (match === null) return undefined;
  const [, date, clock = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  const millis = Date.parse(`${date}T${clock}:${seconds}Z`);
  if (Number.isNaN(millis) || !new Date(millis).toISOString().startsWith(date!)) return undefined;
  const wall = BigInt(millis) * 1_000_000n + BigInt(fraction.padEnd(9, '0')) - zoneNanos(zone);
  return wall >= 0n ? { kind: 'time', wall, logical: 0 } : undefined;
}

function zoneNanos(zone: string): bigint {
  const match = /^([+-])(\d{2}):?(\d{2})?/.exec(zone);
  if (match === null) return 0n;
  const minutes = BigInt(match[2]!) * 60n + BigInt(match[3] ?? '0');
  return minutes * 60_000_000_000n * (match[1] === '-' ? -1n : 1n);
}

function readRelative(text: string): AsOf | undefined {
  const nanos = parseInterval(text);
  if (nanos === undefined) return undefined;
  if (nanos > -1000n && nanos < 1000n) {
    throw new SpanvaultError(
      'SV_USAGE',
      `AS OF SYSTEM TIME: interval value '${text}' too small, absolute value must be >= 1µs`,
    );
  }
  return { kind: 'interval', nanos };
}

/**
 * The timestamp that a statement reads at; `now` is the statement's own time.
 * @throws SpanvaultError SV_USAGE for a time in the future, SV_NOT_SUPPORTED for bounded staleness
 */
export function resolveAsOf(asOf: AsOf, now: Timestamp): Timestamp {
  if (asOf.kind === 'unsupported')
    throw new SpanvaultError('SV_NOT_SUPPORTED', `AS OF SYSTEM TIME ${asOf.name}() is not supported yet`);
  const ts: Timestamp =
    asOf.kind === 'time'
      ? { wall: asOf.wall, logical: asOf.logical }
      : { wall: now.wall + (asOf.kind === 'interval' ? asOf.nanos : -FOLLOWER_READ_NANOS), logical: 0 };
  if (compareTimestamps(ts, now) > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      `AS OF SYSTEM TIME: cannot specify timestamp in the future (${printDecimal(ts)} > ${printDecimal(now)})`,
      asOf.kind === 'interval' ? { hint: "an interval into the past begins with a minus sign: '-10s'" } : {},
    );
  }
  if (ts.wall <= 0n)
    throw new SpanvaultError('SV_USAGE', `AS OF SYSTEM TIME: timestamp before 1970-01-01 (${printDecimal(ts)})`);
  return ts;
}
