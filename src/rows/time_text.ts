import { DATE_MAX, DATE_MIN, type IntervalDatum, type TimestampDatum, type TimeTzDatum } from './datum.js';

/*
 * Dates, times and intervals as CockroachDB's cast to STRING prints them, in UTC. The calendar is proleptic Gregorian
 * and is computed in BigInt: years reach 5874897.
 */

const MICROS_PER_SECOND = 1_000_000n;
const NANOS_PER_SECOND = 1_000_000_000n;
const SECONDS_PER_DAY = 86_400n;
const MICROS_PER_DAY = SECONDS_PER_DAY * MICROS_PER_SECOND;

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

interface CalendarDay {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Civil date of a day number since 1970-01-01; astronomical years (0 is 1 BC). */
export function civilDay(days: bigint): CalendarDay {
  const shifted = days + 719468n;
  const era = floorDivide(shifted, 146097n);
  const dayOfEra = Number(shifted - era * 146097n);
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + Number(era) * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** Days since 1970-01-01 of a civil date. */
export function dayNumber(year: number, month: number, day: number): bigint {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return BigInt(era) * 146097n + BigInt(dayOfEra) - 719468n;
}

/** `2020-02-29`, `0044-03-15 BC`, `infinity`. */
export function dateText(days: bigint): string {
  if (days > DATE_MAX) return 'infinity';
  if (days < DATE_MIN) return '-infinity';
  const { year, month, day } = civilDay(days);
  const shown = year <= 0 ? 1 - year : year;
  return `${String(shown).padStart(4, '0')}-${two(month)}-${two(day)}${year <= 0 ? ' BC' : ''}`;
}

function fraction(micros: number): string {
  return micros === 0 ? '' : `.${String(micros).padStart(6, '0').replace(/0+$/, '')}`;
}

/** `04:05:06.789` of microseconds below a day. */
function clock(micros: bigint): string {
  const seconds = Number(micros / MICROS_PER_SECOND);
  const hours = Math.floor(seconds / 3600);
  return `${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction(Number(micros % MICROS_PER_SECOND))}`;
}

/** `12:34:56.789012`; the end of the day is `24:00:00`. */
export function timeText(micros: bigint): string {
  return micros >= MICROS_PER_DAY ? '24:00:00' : clock(micros);
}

/** Time, then the zone as ±hh:mm:ss east of UTC. */
export function timeTzText({ micros, offsetWest }: TimeTzDatum): string {
  const size = Math.abs(offsetWest);
  const sign = offsetWest > 0 ? '-' : '+';
  return `${timeText(micros)}${sign}${two(Math.floor(size / 3600))}:${two(Math.floor(size / 60) % 60)}:${two(size % 60)}`;
}

/** `2021-02-03 04:05:06.123456`, with `+00:00` for TIMESTAMPTZ; years before 1 AD are astronomical with a sign. */
export function timestampText({ kind, nanos }: TimestampDatum): string {
  const seconds = floorDivide(nanos, NANOS_PER_SECOND);
  const micros = (nanos - seconds * NANOS_PER_SECOND) / 1000n;
  const days = floorDivide(seconds, SECONDS_PER_DAY);
  const { year, month, day } = civilDay(days);
  const shown = `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}`;
  const time = clock((seconds - days * SECONDS_PER_DAY) * MICROS_PER_SECOND + micros);
  return `${shown}-${two(month)}-${two(day)} ${time}${kind === 'timestamptz' ? '+00:00' : ''}`;
}

const plural = (count: bigint): string => (count === 1n ? '' : 's');

/** `1 year 2 mons 3 days 04:05:06.789`; a part after a negative one carries its plus sign. */
export function intervalText({ months, days, nanos }: IntervalDatum): string {
  if (months === 0n && days === 0n && nanos === 0n) return '00:00:00';
  const parts: string[] = [];
  const years = months / 12n;
  const rest = months % 12n;
  if (years !== 0n) parts.push(`${years} year${plural(years)}`);
  if (rest !== 0n) parts.push(`${rest} mon${plural(rest)}`);
  let negative = months < 0n;
  if (days !== 0n) {
    parts.push(`${negative && days > 0n ? '+' : ''}${days} day${plural(days)}`);
    negative = days < 0n;
  }
  if (nanos !== 0n) parts.push(intervalClock(nanos, negative));
  return parts.join(' ');
}

function intervalClock(nanos: bigint, afterNegative: boolean): string {
  const sign = nanos <= -1000n ? '-' : afterNegative ? '+' : '';
  const micros = (nanos < 0n ? -nanos : nanos) / 1000n;
  const seconds = micros / MICROS_PER_SECOND;
  const hours = seconds / 3600n;
  const minutes = Number((seconds / 60n) % 60n);
  return `${sign}${String(hours).padStart(2, '0')}:${two(minutes)}:${two(Number(seconds % 60n))}${fraction(Number(micros % MICROS_PER_SECOND))}`;
}
