import { SpanvaultError } from '../fault/index.js';
import { concatBytes } from './bytes.js';

/*
 * The ordered encodings that keys and file names share (crdb-format.md 5.1). Encoders return fresh bytes; decoders
 * take an offset and return the value with the offset after it. 64-bit values are BigInt.
 */

const INT_ZERO = 0x88;
const SMALL_MAX = 109n;
const U64 = 2n ** 64n;

function bigEndian(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(value & 0xffn);
    value >>= 8n;
  }
  return bytes;
}

function readBigEndian(bytes: Uint8Array, offset: number, length: number): bigint {
  if (offset + length > bytes.length) throw truncated('integer', bytes, offset);
  let value = 0n;
  for (let index = 0; index < length; index++) value = (value << 8n) | BigInt(bytes[offset + index]!);
  return value;
}

function byteLength(value: bigint): number {
  let length = 1;
  while (value >> BigInt(8 * length) > 0n) length++;
  return length;
}

function truncated(what: string, bytes: Uint8Array, offset: number): SpanvaultError {
  return new SpanvaultError(
    'SV_CORRUPT_VALUE',
    `ordered ${what} at byte ${offset} of ${bytes.length} is malformed or cut`,
  );
}

/** UVA: ascending unsigned varint. */
export function encodeUvarintAscending(value: bigint | number): Uint8Array {
  const v = BigInt(value);
  if (v <= SMALL_MAX) return Uint8Array.of(INT_ZERO + Number(v));
  const length = byteLength(v);
  return concatBytes(Uint8Array.of(0xf5 + length), bigEndian(v, length));
}

/** UVD: descending unsigned varint. */
export function encodeUvarintDescending(value: bigint | number): Uint8Array {
  const v = BigInt(value);
  if (v === 0n) return Uint8Array.of(INT_ZERO);
  const length = byteLength(v);
  return concatBytes(
    Uint8Array.of(INT_ZERO - length),
    bigEndian((U64 - 1n - v) & ((1n << BigInt(8 * length)) - 1n), length),
  );
}

/** VA: ascending signed varint. */
export function encodeVarintAscending(value: bigint | number): Uint8Array {
  const v = BigInt(value);
  if (v >= 0n) return encodeUvarintAscending(v);
  let length = 1;
  while (length < 8 && v < -((1n << BigInt(8 * length)) - 1n)) length++;
  return concatBytes(Uint8Array.of(INT_ZERO - length), bigEndian(v & ((1n << BigInt(8 * length)) - 1n), length));
}

/** VA(~v): descending signed varint. */
export function encodeVarintDescending(value: bigint | number): Uint8Array {
  return encodeVarintAscending(~BigInt(value));
}

export interface Decoded<T> {
  readonly value: T;
  readonly offset: number;
}

/** Inverse of encodeVarintAscending (and of UVA for values below 2^63). @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeVarintAscending(bytes: Uint8Array, offset = 0): Decoded<bigint> {
  const tag = bytes[offset];
  if (tag === undefined || tag < 0x80 || tag > 0xfd) throw truncated('integer', bytes, offset);
  if (tag < INT_ZERO) {
    const length = INT_ZERO - tag;
    return {
      value: readBigEndian(bytes, offset + 1, length) - (1n << BigInt(8 * length)),
      offset: offset + 1 + length,
    };
  }
  if (tag <= 0xf5) return { value: BigInt(tag - INT_ZERO), offset: offset + 1 };
  const length = tag - 0xf5;
  return { value: readBigEndian(bytes, offset + 1, length), offset: offset + 1 + length };
}

/** Inverse of encodeVarintDescending. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeVarintDescending(bytes: Uint8Array, offset = 0): Decoded<bigint> {
  const { value, offset: next } = decodeVarintAscending(bytes, offset);
  return { value: ~value, offset: next };
}

/** Inverse of encodeUvarintAscending. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeUvarintAscending(bytes: Uint8Array, offset = 0): Decoded<bigint> {
  const decoded = decodeVarintAscending(bytes, offset);
  if (decoded.value < 0n) throw truncated('unsigned integer', bytes, offset);
  return decoded;
}

/** Inverse of encodeUvarintDescending. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeUvarintDescending(bytes: Uint8Array, offset = 0): Decoded<bigint> {
  const tag = bytes[offset];
  if (tag === undefined || tag < 0x80 || tag > INT_ZERO) throw truncated('unsigned integer', bytes, offset);
  const length = INT_ZERO - tag;
  if (length === 0) return { value: 0n, offset: offset + 1 };
  const mask = (1n << BigInt(8 * length)) - 1n;
  return { value: ~readBigEndian(bytes, offset + 1, length) & mask, offset: offset + 1 + length };
}

/** Escapes 00 as 00 ff and ends with 00 01, without a marker. */
export function escapeBytes(data: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (const byte of data) {
    out.push(byte);
    if (byte === 0) out.push(0xff);
  }
  out.push(0, 1);
  return Uint8Array.from(out);
}

/** `12 ‖ escaped ‖ 00 01`. */
export function encodeBytesAscending(data: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0x12), escapeBytes(data));
}

/** `13 ‖ complement of (escaped ‖ 00 01)`. */
export function encodeBytesDescending(data: Uint8Array): Uint8Array {
  const escaped = escapeBytes(data);
  return concatBytes(
    Uint8Array.of(0x13),
    escaped.map((byte) => byte ^ 0xff),
  );
}

function unescapeBytes(bytes: Uint8Array, offset: number, flip: number): Decoded<Uint8Array> {
  const out: number[] = [];
  for (let index = offset; index < bytes.length; index++) {
    const byte = bytes[index]! ^ flip;
    if (byte !== 0) {
      out.push(byte);
      continue;
    }
    const next = bytes[index + 1];
    if (next === undefined) break;
    if ((next ^ flip) === 0x01) return { value: Uint8Array.from(out), offset: index + 2 };
    if ((next ^ flip) !== 0xff) break;
    out.push(0);
    index++;
  }
  throw truncated('byte string', bytes, offset);
}

/** Inverse of encodeBytesAscending. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeBytesAscending(bytes: Uint8Array, offset = 0): Decoded<Uint8Array> {
  if (bytes[offset] !== 0x12) throw truncated('byte string', bytes, offset);
  return unescapeBytes(bytes, offset + 1, 0);
}

/** Inverse of encodeBytesDescending. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeBytesDescending(bytes: Uint8Array, offset = 0): Decoded<Uint8Array> {
  if (bytes[offset] !== 0x13) throw truncated('byte string', bytes, offset);
  return unescapeBytes(bytes, offset + 1, 0xff);
}
