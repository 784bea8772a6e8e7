import type { ByteReader } from './byte_reader.js';
import type { ByteWriter } from './byte_writer.js';
import type { Decimal } from './datum.js';
import { DECIMAL_INFINITY, DECIMAL_NAN, DECIMAL_NEGATIVE_INFINITY, makeDecimal, negateDecimal } from './decimal.js';

/*
 * The two byte forms of DECIMAL: ordered, for keys (crdb-format.md 5.2), and non-sorting, for values (5.4).
 */

const NAN = 0x18;
const NEGATIVE_INFINITY = 0x19;
const NEGATIVE_LARGE = 0x1a;
const NEGATIVE_MEDIUM = 0x25;
const NEGATIVE_SMALL = 0x26;
const ZERO = 0x27;
const POSITIVE_SMALL = 0x28;
const POSITIVE_MEDIUM = 0x29;
const POSITIVE_LARGE = 0x34;
const INFINITY = 0x35;
const NAN_DESCENDING = 0x36;

/** Exponents of a stored decimal fit 32 bits; larger ones are damage. */
const MAX_EXPONENT = 2n ** 31n;

/** Writes the ordered form; descending order encodes the negated value. The scale and the sign of zero are lost. */
export function writeOrderedDecimal(writer: ByteWriter, value: Decimal, descending: boolean): void {
  if (value.form === 'nan') {
    writer.byte(descending ? NAN_DESCENDING : NAN);
    return;
  }
  const { negative, coefficient, exponent, form } = descending ? negateDecimal(value) : value;
  if (form === 'infinite') {
    writer.byte(negative ? NEGATIVE_INFINITY : INFINITY);
    return;
  }
  if (coefficient === 0n) {
    writer.byte(ZERO);
    return;
  }
  const text = coefficient.toString();
  const digits = text.replace(/0+$/, '');
  const point = exponent + text.length;
  const power = Math.ceil(point / 2);
  writeOrderedExponent(writer, negative, power);
  const padded = `${point % 2 === 0 ? '' : '0'}${digits}`;
  const even = padded.length % 2 === 0 ? padded : `${padded}0`;
  for (let index = 0; index < even.length; index += 2) {
    const pair = 2 * Number(even.slice(index, index + 2)) + (index + 2 < even.length ? 1 : 0);
    writer.byte(negative ? 255 - pair : pair);
  }
  writer.byte(0);
}

function writeOrderedExponent(writer: ByteWriter, negative: boolean, power: number): void {
  if (power < 0) {
    writer.byte(negative ? NEGATIVE_SMALL : POSITIVE_SMALL);
    if (negative) writer.uvarint(BigInt(-power));
    else writer.uvarintDescending(BigInt(-power));
  } else if (power <= 10) {
    writer.byte(negative ? NEGATIVE_MEDIUM - power : POSITIVE_MEDIUM + power);
  } else {
    writer.byte(negative ? NEGATIVE_LARGE : POSITIVE_LARGE);
    if (negative) writer.uvarintDescending(BigInt(power));
    else writer.uvarint(BigInt(power));
  }
}

/** Reads the ordered form. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readOrderedDecimal(reader: ByteReader, descending: boolean): Decimal {
  const value = readOrderedAscending(reader);
  const isZero = value.form === 'finite' && value.coefficient === 0n;
  return descending && !isZero ? negateDecimal(value) : value;
}

function readOrderedAscending(reader: ByteReader): Decimal {
  const marker = reader.byte();
  if (marker === NAN || marker === NAN_DESCENDING) return DECIMAL_NAN;
  if (marker === NEGATIVE_INFINITY) return DECIMAL_NEGATIVE_INFINITY;
  if (marker === INFINITY) return DECIMAL_INFINITY;
  if (marker === ZERO) return makeDecimal(false, 0n, 0);
  if (marker < NEGATIVE_LARGE || marker > POSITIVE_LARGE) throw reader.fail('ordered decimal');
  const negative = marker < ZERO;
  const power = readOrderedExponent(reader, marker);
  let digits = '';
  for (;;) {
    const byte = reader.byte();
    if (byte === 0) break;
    const pair = negative ? 255 - byte : byte;
    if (pair > 199) throw reader.fail('ordered decimal digit');
    const two = pair >>> 1;
    digits += two < 10 ? `0${two}` : String(two);
  }
  const significant = digits.replace(/0+$/, '');
  if (significant === '') throw reader.fail('ordered decimal without digits');
  return makeDecimal(negative, BigInt(significant), 2 * power - significant.length);
}

function readOrderedExponent(reader: ByteReader, marker: number): number {
  let power: bigint;
  if (marker === NEGATIVE_LARGE) power = reader.uvarintDescending();
  else if (marker === POSITIVE_LARGE) power = reader.varint();
  else if (marker === NEGATIVE_SMALL) power = -reader.varint();
  else if (marker === POSITIVE_SMALL) power = -reader.uvarintDescending();
  else return marker < ZERO ? NEGATIVE_MEDIUM - marker : marker - POSITIVE_MEDIUM;
  if (power > MAX_EXPONENT || power < -MAX_EXPONENT) throw reader.fail('ordered decimal exponent');
  return Number(power);
}

/** Writes the non-sorting form, which runs to the end of its field. */
export function writeValueDecimal(writer: ByteWriter, value: Decimal): void {
  const { negative, coefficient, exponent, form } = value;
  if (form === 'nan') {
    writer.byte(NAN);
  } else if (form === 'infinite') {
    writer.byte(negative ? NEGATIVE_INFINITY : INFINITY);
  } else if (coefficient === 0n && !negative && exponent === 0) {
    writer.byte(ZERO);
  } else {
    const power = coefficient.toString().length + exponent;
    if (power > 0) writer.byte(negative ? NEGATIVE_LARGE : POSITIVE_LARGE);
    else if (power === 0) writer.byte(negative ? NEGATIVE_MEDIUM : POSITIVE_MEDIUM);
    else writer.byte(negative ? NEGATIVE_SMALL : POSITIVE_SMALL);
    if (power !== 0) writer.uvarint(BigInt(Math.abs(power)));
    if (coefficient !== 0n) {
      const hex = coefficient.toString(16);
      writer.raw(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
    }
  }
}

/** Reads the non-sorting form from the next `length` bytes. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readValueDecimal(reader: ByteReader, length: number): Decimal {
  const start = reader.skip(length, 'decimal');
  const end = reader.pos;
  if (length === 0) throw reader.fail('empty decimal');
  reader.pos = start;
  const marker = reader.byte();
  const done = (value: Decimal): Decimal => {
    if (reader.pos !== end) throw reader.fail('decimal');
    return value;
  };
  if (marker === NAN) return done(DECIMAL_NAN);
  if (marker === NEGATIVE_INFINITY) return done(DECIMAL_NEGATIVE_INFINITY);
  if (marker === INFINITY) return done(DECIMAL_INFINITY);
  if (marker === ZERO) return done(makeDecimal(false, 0n, 0));
  const negative = marker < ZERO;
  let power = 0n;
  if (marker === NEGATIVE_LARGE || marker === POSITIVE_LARGE) power = reader.varint();
  else if (marker === NEGATIVE_SMALL || marker === POSITIVE_SMALL) power = -reader.varint();
  else if (marker !== NEGATIVE_MEDIUM && marker !== POSITIVE_MEDIUM) throw reader.fail('decimal marker');
  const bytes = end - reader.pos;
  if (bytes < 0 || power > MAX_EXPONENT || power < -MAX_EXPONENT) throw reader.fail('decimal exponent');
  const coefficient = readCoefficient(reader, bytes);
  const digits = coefficient < 10n ? 1 : coefficient.toString().length;
  return makeDecimal(negative, coefficient, Number(power) - digits);
}

function readCoefficient(reader: ByteReader, length: number): bigint {
  if (length === 0) return 0n;
  if (length <= 8) return reader.unsigned(length);
  const start = reader.skip(length, 'decimal');
  return BigInt(`0x${Buffer.from(reader.bytes.buffer, reader.bytes.byteOffset + start, length).toString('hex')}`);
}
