import { SpanvaultError } from '../fault/index.js';
import { DATE_INFINITY, DATE_MAX, DATE_MIN, DATE_NEGATIVE_INFINITY, type Datum, type TimestampDatum } from './datum.js';
import type { ColumnType } from './schema.js';
import { civilDay, dayNumber } from './time_text.js';

/*
 * Literals of DATE, TIME, TIMETZ, TIMESTAMP and TIMESTAMPTZ: ISO dates and times, BC, infinity, numeric zones. What
 * depends on a clock or on named zones ('now', 'tomorrow', 'Europe/Rome') is refused.
 */

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_DAY = 86_400n * NANOS_PER_SECOND;

const DATE = /^([+-]?\d{1,7})-(\d{1,2})-(\d{1,2})(?=$|[T\s])/i;
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?/;
const ZONE = /^(?:(z|utc|gmt)|([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?)$/i;

function unparsed(text: string, type: string): SpanvaultError {
  return new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as type ${type}`);
}

interface Parts {
  readonly days: bigint | undefined;
  readonly clockNanos: bigint | undefined;
  /** Seconds east of UTC. */
  readonly zone: number | undefined;
}

/** Splits `[date][ T][clock][zone][ BC]`; every part may be missing, but not all. */
function splitParts(text: string, type: string): Parts {
  let rest = text.trim();
  const bc = /\s+BC$/i.test(rest);
  if (bc) rest = rest.replace(/\s+BC$/i, '');
  const date = DATE.exec(rest);
  let days: bigint | undefined;
  if (date !== null) {
    days = parseDay(date, bc, text, type);
    rest = rest.slice(date[0].length).replace(/^[T\s]\s*/i, '');
  } else if (bc) {
    throw unparsed(text, type);
  }
  const clock = CLOCK.exec(rest);
  const clockNanos = clock === null ? undefined : parseClock(clock, text, type);
  if (clock !== null) rest = rest.slice(clock[0].length);
  rest = rest.trim();
  let zone: number | undefined;
  if (rest !== '') {
    const match = ZONE.exec(rest);
    if (match === null || clock === null) throw unparsed(text, type);
    zone = parseZone(match);
  }
  if (days === undefined && clockNanos === undefined) throw unparsed(text, type);
  return { days, clockNanos, zone };
}

function parseDay(match: RegExpExecArray, bc: boolean, text: string, type: string): bigint {
  const shown = Number(match[1]);
  const year = bc ? 1 - shown : shown;
  const month = Number(match[2]);
  const day = Number(match[3]);
  const days = month >= 1 && month <= 12 && day >= 1 && day <= 31 ? dayNumber(year, month, day) : undefined;
  // A day that the month lacks comes back as another date.
  if (days === undefined || civilDay(days).day !== day || (bc && shown < 1)) throw unparsed(text, type);
  return days;
}

function parseClock(match: RegExpExecArray, text: string, type: string): bigint {
  const hours = Number(match[1]);
  const minutes = Number(match[2]);
  const seconds = Number(match[3] ?? '0');
  const fraction = BigInt((match[4] ?? '').padEnd(9, '0').slice(0, 9));
  const nanos = BigInt(hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND + fraction;
  if (minutes > 59 || seconds > 60 || nanos > NANOS_PER_DAY) throw unparsed(text, type);
  return nanos;
}

function parseZone(match: RegExpExecArray): number {
  if (match[1] !== undefined) return 0;
  const seconds = Number(match[3]) * 3600 + Number(match[4] ?? '0') * 60 + Number(match[5] ?? '0');
  return match[2] === '-' ? -seconds : seconds;
}

/** Rounds half up to the type's fractional digits; six when it does not say. */
function roundNanos(nanos: bigint, type: ColumnType): bigint {
  const digits = type.precision > 0 || type.timePrecisionIsSet === true ? Math.min(type.precision, 6) : 6;
  const unit = 10n ** BigInt(9 - digits);
  const shifted = nanos + unit / 2n;
  const rest = ((shifted % unit) + unit) % unit;
  return shifted - rest;
}

/** @throws SpanvaultError SV_USAGE */
export function parseDate(text: string): Datum {
  const word = text.trim().toLowerCase();
  if (word === 'infinity') return { kind: 'date', days: DATE_INFINITY };
  if (word === '-infinity') return { kind: 'date', days: DATE_NEGATIVE_INFINITY };
  if (word === 'epoch') return { kind: 'date', days: 0n };
  const { days } = splitParts(text, 'date');
  if (days === undefined) throw unparsed(text, 'date');
  if (days < DATE_MIN || days > DATE_MAX)
    throw new SpanvaultError('SV_USAGE', `date ${JSON.stringify(text)} is out of range`);
  return { kind: 'date', days };
}

/** @throws SpanvaultError SV_USAGE */
export function parseTime(text: string, type: ColumnType): Datum {
  const { days, clockNanos, zone } = splitParts(text, 'time');
  if (clockNanos === undefined || days !== undefined || zone !== undefined) throw unparsed(text, 'time');
  return { kind: 'time', micros: roundNanos(clockNanos, type) / 1000n };
}

/** A time without a zone is in UTC. @throws SpanvaultError SV_USAGE */
export function parseTimeTz(text: string, type: ColumnType): Datum {
  const { days, clockNanos, zone } = splitParts(text, 'timetz');
  if (clockNanos === undefined || days !== undefined) throw unparsed(text, 'timetz');
  if (Math.abs(zone ?? 0) > 57_540 + 59) throw unparsed(text, 'timetz');
  return { kind: 'timetz', micros: roundNanos(clockNanos, type) / 1000n, offsetWest: 0 - (zone ?? 0) };
}

/** First and last supported timestamp, 4714-11-24 BC and 294276-12-31 23:59:59.999999. */
const MIN_NANOS = DATE_MIN * NANOS_PER_DAY;
const MAX_NANOS = (dayNumber(294277, 1, 1) * 86_400_000_000n - 1n) * 1000n;

/** A TIMESTAMP drops a zone, a TIMESTAMPTZ without one is in UTC. @throws SpanvaultError SV_USAGE */
export function parseTimestamp(text: string, kind: TimestampDatum['kind'], type: ColumnType): Datum {
  const word = text.trim().toLowerCase();
  if (word === 'infinity') return { kind, nanos: MAX_NANOS };
  if (word === '-infinity') return { kind, nanos: MIN_NANOS };
  if (word === 'epoch') return { kind, nanos: 0n };
  const { days, clockNanos, zone } = splitParts(text, kind);
  if (days === undefined) throw unparsed(text, kind);
  const east = kind === 'timestamptz' ? BigInt(zone ?? 0) * NANOS_PER_SECOND : 0n;
  const nanos = roundNanos(days * NANOS_PER_DAY + (clockNanos ?? 0n) - east, type);
  if (nanos < MIN_NANOS || nanos > MAX_NANOS) {
    throw new SpanvaultError('SV_USAGE', `timestamp ${JSON.stringify(text)} exceeds supported timestamp bounds`);
  }
  return { kind, nanos };
}
