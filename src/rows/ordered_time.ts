import { SpanvaultError } from '../fault/index.js';
import type { ByteReader } from './byte_reader.js';
import type { ByteWriter } from './byte_writer.js';
import type { Datum, IntervalDatum, TimestampDatum, TimeTzDatum } from './datum.js';
import { splitNanos, timestampDatum } from './scalar_codec.js';
import type { ColumnType } from './schema.js';

/*
 * Ordered integers with a direction, and the ordered forms of timestamps, intervals and times with zone
 * (crdb-format.md 5.1, 5.2). Keys use them in both directions, single-column values ascending.
 */

const TIME = 0x14;
const DURATION = 0x16;
const TIMETZ = 0x3c;

const NANOS_PER_DAY = 86_400_000_000_000n;
const NANOS_PER_MONTH = 30n * NANOS_PER_DAY;

/** Ordered signed integer; descending order complements it. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readInt(reader: ByteReader, descending: boolean): bigint {
  const value = reader.varint();
  return descending ? ~value : value;
}

export function writeInt(writer: ByteWriter, value: bigint, descending: boolean): void {
  writer.varint(descending ? ~value : value);
}

/** Moves over a marker byte. @throws SpanvaultError SV_CORRUPT_VALUE when another byte stands there */
export function expectMarker(reader: ByteReader, marker: number, what: string): void {
  if (reader.byte() !== marker) {
    reader.pos--;
    throw reader.fail(what);
  }
}

/** `14 ‖ VA(seconds) ‖ VA(nanos)`. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readOrderedTimestamp(reader: ByteReader, descending: boolean, type: ColumnType): Datum {
  expectMarker(reader, TIME, 'ordered time');
  const seconds = readInt(reader, descending);
  return timestampDatum(seconds, readInt(reader, descending), type);
}

export function writeOrderedTimestamp(writer: ByteWriter, datum: TimestampDatum, descending: boolean): void {
  const { seconds, rest } = splitNanos(datum.nanos);
  writer.byte(TIME);
  writeInt(writer, seconds, descending);
  writeInt(writer, rest, descending);
}

/** `16 ‖ VA(sortNanos) ‖ VA(months) ‖ VA(days)`. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readOrderedInterval(reader: ByteReader, descending: boolean): IntervalDatum {
  expectMarker(reader, DURATION, 'ordered interval');
  const sortNanos = readInt(reader, descending);
  const months = readInt(reader, descending);
  const days = readInt(reader, descending);
  return { kind: 'interval', months, days, nanos: sortNanos - months * NANOS_PER_MONTH - days * NANOS_PER_DAY };
}

/** @throws SpanvaultError SV_NOT_SUPPORTED when the interval's length in nanoseconds exceeds 64 bits */
export function writeOrderedInterval(writer: ByteWriter, datum: IntervalDatum, descending: boolean): void {
  const sortNanos = datum.months * NANOS_PER_MONTH + datum.days * NANOS_PER_DAY + datum.nanos;
  if (BigInt.asIntN(64, sortNanos) !== sortNanos) {
    throw new SpanvaultError(
      'SV_NOT_SUPPORTED',
      `an interval of ${datum.months} months and ${datum.days} days is too long for a key`,
    );
  }
  writer.byte(DURATION);
  writeInt(writer, sortNanos, descending);
  writeInt(writer, datum.months, descending);
  writeInt(writer, datum.days, descending);
}

/** `3c ‖ VA(UTC microseconds) ‖ VA(offset seconds)`. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readOrderedTimeTz(reader: ByteReader, descending: boolean): TimeTzDatum {
  expectMarker(reader, TIMETZ, 'ordered time with zone');
  const utc = readInt(reader, descending);
  const offset = readInt(reader, descending);
  return { kind: 'timetz', micros: utc - offset * 1_000_000n, offsetWest: Number(offset) };
}

export function writeOrderedTimeTz(writer: ByteWriter, datum: TimeTzDatum, descending: boolean): void {
  const offset = BigInt(datum.offsetWest);
  writer.byte(TIMETZ);
  writeInt(writer, datum.micros + offset * 1_000_000n, descending);
  writeInt(writer, offset, descending);
}
