import type { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import type { Box2dDatum, Datum, UnknownDatum } from './datum.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';

/*
 * Pieces that key, value and single-column encodings share: which datum a payload is for a column's type, ordered
 * floats, bit words.
 */

/** A payload that is kept as found because it is not decoded; `tag` 0 when it had none. */
export function unknownDatum(reason: string, bytes: Uint8Array, tag = 0): UnknownDatum {
  return { kind: 'unknown', reason, tag, bytes };
}

/** Text of the next `length` bytes; bytes that are not UTF-8 become an unknown datum that keeps them. */
export function readText(reader: ByteReader, length: number): Datum {
  const start = reader.pos;
  const text = reader.utf8(length);
  if (text.includes('\ufffd') && Buffer.byteLength(text) !== length) {
    return unknownDatum('text is not valid UTF-8', reader.bytes.slice(start, start + length));
  }
  return text;
}

/** The datum of an ENUM with these physical bytes. */
export function enumDatum(type: ColumnType, physical: Uint8Array): Datum {
  const member = type.enumMembers?.find((candidate) => Buffer.compare(candidate.physical, physical) === 0);
  return { kind: 'enum', physical, logical: member?.logical };
}

/** The datum of the next `length` bytes in a column of text, bytes, enum or collated text. */
export function bytesDatum(reader: ByteReader, length: number, type: ColumnType): Datum {
  switch (type.family) {
    case TYPE_FAMILY.bytes:
      return reader.take(length, 'bytes');
    case TYPE_FAMILY.enum:
      return enumDatum(type, reader.take(length, 'enum'));
    case TYPE_FAMILY.string:
    case TYPE_FAMILY.name:
      return readText(reader, length);
    case TYPE_FAMILY.collatedString: {
      const text = readText(reader, length);
      return typeof text === 'string' ? { kind: 'collated', text, sortKey: undefined } : text;
    }
    default:
      return unknownDatum(`bytes in a column of type family ${type.family}`, reader.take(length));
  }
}

function intDatum(value: bigint, type: ColumnType): Datum | undefined {
  switch (type.family) {
    case TYPE_FAMILY.int:
      return value;
    case TYPE_FAMILY.date:
      return { kind: 'date', days: value };
    case TYPE_FAMILY.time:
      return { kind: 'time', micros: value };
    case TYPE_FAMILY.oid:
      return { kind: 'oid', oid: value };
    default:
      return undefined;
  }
}

/** INT payload of a column; other families keep the raw payload. */
export function intOrUnknown(value: bigint, type: ColumnType): Datum {
  if (type.family === TYPE_FAMILY.bool) return value !== 0n;
  const datum = intDatum(value, type);
  if (datum !== undefined) return datum;
  const writer = new ByteWriter(16);
  writer.svarint(value);
  return unknownDatum(`integer in a column of type family ${type.family}`, writer.finish());
}

/** Seconds and nanoseconds of a timestamp as a datum. */
export function timestampDatum(seconds: bigint, nanos: bigint, type: ColumnType): Datum {
  const kind = type.family === TYPE_FAMILY.timestamptz ? 'timestamptz' : 'timestamp';
  return { kind, nanos: seconds * 1_000_000_000n + nanos };
}

/** Splits unix nanoseconds into seconds and nanoseconds 0 to 999,999,999. */
export function splitNanos(nanos: bigint): { readonly seconds: bigint; readonly rest: bigint } {
  const rest = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: (nanos - rest) / 1_000_000_000n, rest };
}

/** Reads `count` bits stored as 64-bit words, first bit = highest. */
export function readBitWords(reader: ByteReader, count: number): Datum {
  const words = Math.ceil(count / 64);
  if (8 * words > reader.remaining) throw reader.fail('bit array');
  let bits = '';
  for (let index = 0; index < words; index++) bits += reader.u64be().toString(2).padStart(64, '0');
  return { kind: 'bits', bits: bits.slice(0, count) };
}

/** Four floats in the order LoX, HiX, LoY, HiY. */
export function box2dDatum(nextFloat: () => number): Box2dDatum {
  const loX = nextFloat();
  const hiX = nextFloat();
  const loY = nextFloat();
  return { kind: 'box2d', loX, hiX, loY, hiY: nextFloat() };
}

/** Appends bits as 64-bit words, first bit highest, the last word padded with zeros. */
export function writeBitWords(writer: ByteWriter, bits: string): void {
  for (let index = 0; index < bits.length; index += 64) writer.u64be(bitWord(bits, index));
}

/** The word of the 64 bits from `index` on. */
export function bitWord(bits: string, index: number): bigint {
  return BigInt(`0b${bits.slice(index, index + 64).padEnd(64, '0')}`);
}

const FLOAT_NAN = 0x02;
const FLOAT_NEGATIVE = 0x03;
const FLOAT_ZERO = 0x04;
const FLOAT_POSITIVE = 0x05;
const FLOAT_NAN_DESCENDING = 0x06;
const U64_MASK = 2n ** 64n - 1n;

const scratch = new DataView(new ArrayBuffer(8));

/** Ordered float (crdb-format.md 5.2); -0 becomes 0. Descending order encodes -f. */
export function writeOrderedFloat(writer: ByteWriter, value: number, descending: boolean): void {
  if (Number.isNaN(value)) {
    writer.byte(descending ? FLOAT_NAN_DESCENDING : FLOAT_NAN);
    return;
  }
  const signed = descending ? -value : value;
  if (signed === 0) {
    writer.byte(FLOAT_ZERO);
    return;
  }
  scratch.setFloat64(0, signed);
  const bits = scratch.getBigUint64(0);
  writer.byte(signed < 0 ? FLOAT_NEGATIVE : FLOAT_POSITIVE);
  writer.u64be(signed < 0 ? bits ^ U64_MASK : bits);
}

/** Inverse of writeOrderedFloat; a descending zero reads as -0, as CockroachDB reads it. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readOrderedFloat(reader: ByteReader, descending: boolean): number {
  const marker = reader.byte();
  if (marker === FLOAT_NAN || marker === FLOAT_NAN_DESCENDING) return Number.NaN;
  if (marker === FLOAT_ZERO) return descending ? -0 : 0;
  if (marker !== FLOAT_NEGATIVE && marker !== FLOAT_POSITIVE) throw reader.fail('ordered float');
  const bits = reader.u64be();
  scratch.setBigUint64(0, marker === FLOAT_NEGATIVE ? bits ^ U64_MASK : bits);
  const value = scratch.getFloat64(0);
  return descending ? -value : value;
}
