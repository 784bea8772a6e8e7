import { SpanvaultError } from '../fault/index.js';
import type { IntervalDatum } from './datum.js';

/*
 * INTERVAL literals: PostgreSQL units (`1 year 2 mons 3 days 04:05:06.789`, `-1 day ago` not), ISO 8601 (`P1Y2M3DT4H`),
 * SQL standard (`1-2`, `3 04:05:06`).
 */

const NANOS = { hour: 3_600_000_000_000n, minute: 60_000_000_000n, second: 1_000_000_000n } as const;
const NANOS_PER_DAY = 24n * NANOS.hour;

/** Months, days or nanoseconds of one of each unit. */
interface Unit {
  readonly months: bigint;
  readonly days: bigint;
  readonly nanos: bigint;
}

const months = (count: bigint): Unit => ({ months: count, days: 0n, nanos: 0n });
const days = (count: bigint): Unit => ({ months: 0n, days: count, nanos: 0n });
const nanos = (count: bigint): Unit => ({ months: 0n, days: 0n, nanos: count });

const UNITS: ReadonlyMap<string, Unit> = new Map(
  (
    [
      [['millennium', 'millennia', 'millenniums', 'mil', 'mils'], months(12_000n)],
      [['century', 'centuries', 'cent', 'c'], months(1200n)],
      [['decade', 'decades', 'dec', 'decs'], months(120n)],
      [['year', 'years', 'yr', 'yrs', 'y'], months(12n)],
      [['month', 'months', 'mon', 'mons'], months(1n)],
      [['week', 'weeks', 'w'], days(7n)],
      [['day', 'days', 'd'], days(1n)],
      [['hour', 'hours', 'hr', 'hrs', 'h'], nanos(NANOS.hour)],
      [['minute', 'minutes', 'min', 'mins', 'm'], nanos(NANOS.minute)],
      [['second', 'seconds', 'sec', 'secs', 's'], nanos(NANOS.second)],
      [['millisecond', 'milliseconds', 'msec', 'msecs', 'ms'], nanos(1_000_000n)],
      [['microsecond', 'microseconds', 'usec', 'usecs', 'us'], nanos(1000n)],
    ] as const
  ).flatMap(([names, unit]) => names.map((name): [string, Unit] => [name, unit])),
);

const ISO_DATE_UNITS: Readonly<Record<string, Unit>> = { Y: months(12n), M: months(1n), W: days(7n), D: days(1n) };
const ISO_TIME_UNITS: Readonly<Record<string, Unit>> = {
  H: nanos(NANOS.hour),
  M: nanos(NANOS.minute),
  S: nanos(NANOS.second),
};

class Sum {
  months = 0n;
  days = 0n;
  nanos = 0n;

  /** Adds `sign · whole.fraction` of a unit; fractions of months become days of 30 per month, those of days time. */
  add(negative: boolean, whole: string, fraction: string, unit: Unit): void {
    const scale = 10n ** BigInt(fraction.length);
    const amount = (negative ? -1n : 1n) * BigInt(`${whole === '' ? '0' : whole}${fraction}`);
    const monthsScaled = amount * unit.months;
    this.months += monthsScaled / scale;
    const daysScaled = amount * unit.days + (monthsScaled % scale) * 30n;
    this.days += daysScaled / scale;
    this.nanos += (amount * unit.nanos + (daysScaled % scale) * NANOS_PER_DAY) / scale;
  }
}

const TOKEN =
  /\s*(?:([+-]?)(\d+):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?|([+-]?)(\d+)-(\d{1,2})(?!\d)|([+-]?)(\d*)(?:\.(\d{1,12}))?\s*([a-z]*))/iy;
const ISO = /^([+-]?)P(?=.)((?:[+-]?\d+(?:\.\d+)?[YMWD])*)(?:T((?:[+-]?\d+(?:\.\d+)?[HMS])+))?$/i;
const ISO_FIELD = /([+-]?)(\d+)(?:\.(\d+))?([A-Z])/gi;

/** @throws SpanvaultError SV_USAGE */
export function parseInterval(text: string): IntervalDatum {
  const sum = new Sum();
  const trimmed = text.trim();
  const iso = ISO.exec(trimmed);
  const known = iso !== null ? addIso(sum, iso) : addTokens(sum, trimmed);
  const rounded = roundToMicros(sum.nanos);
  for (const part of [sum.months, sum.days, rounded]) {
    if (BigInt.asIntN(64, part) !== part)
      throw new SpanvaultError('SV_USAGE', `interval ${JSON.stringify(text)} is out of range`);
  }
  if (!known) throw new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as type interval`);
  return { kind: 'interval', months: sum.months, days: sum.days, nanos: rounded };
}

/** Half away from zero. */
function roundToMicros(value: bigint): bigint {
  return ((value + (value < 0n ? -500n : 500n)) / 1000n) * 1000n;
}

function addIso(sum: Sum, [, sign, date, time]: RegExpExecArray): boolean {
  for (const [fields, units] of [
    [date ?? '', ISO_DATE_UNITS],
    [time ?? '', ISO_TIME_UNITS],
  ] as const) {
    for (const [, own, whole, fraction, letter] of fields.matchAll(ISO_FIELD)) {
      sum.add((own === '-') !== (sign === '-'), whole!, fraction ?? '', units[letter!.toUpperCase()]!);
    }
  }
  return true;
}

function addTokens(sum: Sum, text: string): boolean {
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null || match[0].trim() === '') return false;
    at = TOKEN.lastIndex;
    if (!addToken(sum, match, /^\s+\S/.test(text.slice(at)))) return false;
  }
  return text !== '';
}

function addToken(sum: Sum, match: RegExpExecArray, more: boolean): boolean {
  const [
    ,
    clockSign,
    hours,
    minutes,
    seconds,
    secondFraction,
    pairSign,
    pairYears,
    pairMonths,
    sign,
    whole,
    fraction,
    name,
  ] = match;
  if (hours !== undefined) {
    if (Number(minutes) > 59 || Number(seconds ?? '0') > 60) return false;
    const negative = clockSign === '-';
    sum.add(negative, hours, '', nanos(NANOS.hour));
    sum.add(negative, minutes!, '', nanos(NANOS.minute));
    sum.add(negative, seconds ?? '0', secondFraction ?? '', nanos(NANOS.second));
    return true;
  }
  if (pairYears !== undefined) {
    if (Number(pairMonths) > 11) return false;
    sum.add(pairSign === '-', pairYears, '', months(12n));
    sum.add(pairSign === '-', pairMonths!, '', months(1n));
    return true;
  }
  if ((whole ?? '') === '' && (fraction ?? '') === '') return false;
  // A bare number is days before a clock ("3 04:05:06") and seconds at the end.
  const unit =
    name === '' || name === undefined ? (more ? days(1n) : nanos(NANOS.second)) : UNITS.get(name.toLowerCase());
  if (unit === undefined) return false;
  sum.add(sign === '-', whole ?? '', fraction ?? '', unit);
  return true;
}
