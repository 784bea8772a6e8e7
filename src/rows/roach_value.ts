import { crc32 } from 'node:zlib';
import { SpanvaultError } from '../fault/index.js';
import { printKey } from '../keys/index.js';

/*
 * roachpb.Value framing: 4-byte checksum, tag, data; and the MVCC header that may stand before it (crdb-format.md 4.2, 4.3).
 */

/** Tags of roachpb.Value. */
export const VALUE_TAG = {
  unknown: 0,
  int: 1,
  float: 2,
  bytes: 3,
  time: 4,
  decimal: 5,
  duration: 6,
  tuple: 10,
  bitArray: 11,
  timetz: 12,
  geo: 13,
  box2d: 14,
} as const;

const EXTENDED_SENTINEL = 0x65;

/**
 * Where the roachpb.Value of an MVCC value that occupies [start, end) of `bytes` begins; `end` for a tombstone.
 * @throws SpanvaultError SV_CORRUPT_VALUE when the header or the frame is cut
 */
export function valueStart(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return end;
  if (length < 5)
    throw new SpanvaultError('SV_CORRUPT_VALUE', `value of ${length} bytes is too short for checksum and tag`);
  if (bytes[start + 4] !== EXTENDED_SENTINEL) return start;
  const header =
    ((bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>> 0;
  if (header > length - 5) {
    throw new SpanvaultError(
      'SV_CORRUPT_VALUE',
      `extended value header of ${header} bytes does not fit a value of ${length} bytes`,
    );
  }
  const inner = start + 5 + header;
  if (inner !== end && end - inner < 5) {
    throw new SpanvaultError(
      'SV_CORRUPT_VALUE',
      `extended value holds ${end - inner} bytes, too short for checksum and tag`,
    );
  }
  return inner;
}

/** CRC-32 (IEEE) over user key, tag and data; never 0. `tagged` is the frame from the tag on. */
export function valueChecksum(key: Uint8Array, tagged: Uint8Array): number {
  return crc32(tagged, crc32(key)) || 1;
}

/** A framed value; the checksum is computed over `key`, or 0 (not computed) when `key` is null. */
export function frameValue(key: Uint8Array | null, tag: number, data: Uint8Array): Uint8Array {
  const value = new Uint8Array(5 + data.length);
  value[4] = tag;
  value.set(data, 5);
  if (key !== null) {
    const checksum = valueChecksum(key, value.subarray(4));
    for (let index = 0; index < 4; index++) value[index] = checksum >>> (24 - 8 * index);
  }
  return value;
}

/**
 * Checks a value's checksum against its user key. Returns false when none was computed (stored 0) and for tombstones.
 * @throws SpanvaultError SV_CORRUPT_VALUE when it is wrong
 */
export function verifyValueChecksum(key: Uint8Array, value: Uint8Array): boolean {
  const start = valueStart(value, 0, value.length);
  if (start === value.length) return false;
  const frame = Buffer.from(value.buffer, value.byteOffset + start, value.length - start);
  const stored = frame.readUInt32BE(0);
  if (stored === 0) return false;
  const computed = valueChecksum(key, frame.subarray(4));
  if (computed === stored) return true;
  throw new SpanvaultError(
    'SV_CORRUPT_VALUE',
    `value of key ${printKey(key)} has checksum ${stored.toString(16)}, computed ${computed.toString(16)}`,
  );
}
