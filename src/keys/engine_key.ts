import { SpanvaultError } from '../fault/index.js';
import { compareBytes, concatBytes, printKey } from './bytes.js';
import { compareTimestamps, EMPTY_TIMESTAMP, isEmptyTimestamp, type Timestamp } from './timestamp.js';

/** A user key with its MVCC version; the empty timestamp means unversioned. */
export interface MvccKey {
  readonly key: Uint8Array;
  readonly timestamp: Timestamp;
}

/** Version bytes without the length byte: 8 bytes, or 12 when logical is not zero (crdb-format.md 4.1). */
export function encodeVersion(ts: Timestamp): Uint8Array {
  const bytes = Buffer.alloc(ts.logical === 0 ? 8 : 12);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, ts.wall), 0);
  if (ts.logical !== 0) bytes.writeUInt32BE(ts.logical, 8);
  return bytes;
}

/** `userkey ‖ 00` or `userkey ‖ 00 ‖ version ‖ length`. */
export function encodeEngineKey(key: Uint8Array, ts: Timestamp = EMPTY_TIMESTAMP): Uint8Array {
  if (isEmptyTimestamp(ts)) return concatBytes(key, Uint8Array.of(0));
  const version = encodeVersion(ts);
  return concatBytes(key, Uint8Array.of(0), version, Uint8Array.of(version.length + 1));
}

/** Inverse of encodeEngineKey; accepts versions of 8, 12 and 13 bytes. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeEngineKey(engineKey: Uint8Array): MvccKey {
  const length = engineKey.at(-1);
  if (length === 0) return { key: engineKey.subarray(0, -1), timestamp: EMPTY_TIMESTAMP };
  if (length !== undefined && (length === 9 || length === 13 || length === 14) && engineKey.length > length) {
    const start = engineKey.length - length;
    if (engineKey[start - 1] === 0) {
      const view = new DataView(engineKey.buffer, engineKey.byteOffset + start, length - 1);
      const logical = length === 9 ? 0 : view.getUint32(8);
      return { key: engineKey.subarray(0, start - 1), timestamp: { wall: view.getBigInt64(0), logical } };
    }
  }
  throw new SpanvaultError('SV_CORRUPT_VALUE', `engine key ${printKey(engineKey)} has no valid version`);
}

/** cockroach_comparator on decoded keys: user key ascending, unversioned first, then newest first. */
export function compareMvccKeys(a: MvccKey, b: MvccKey): number {
  const byKey = compareBytes(a.key, b.key);
  if (byKey !== 0) return byKey;
  const aBare = isEmptyTimestamp(a.timestamp);
  const bBare = isEmptyTimestamp(b.timestamp);
  if (aBare || bBare) return aBare === bBare ? 0 : aBare ? -1 : 1;
  return compareTimestamps(b.timestamp, a.timestamp);
}
