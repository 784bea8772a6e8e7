import { SpanvaultError } from '../fault/index.js';
import { frameValue, VALUE_TAG, valueStart } from './roach_value.js';

/** Bytes of a store of one's own as the MVCC value that a backup holds: tag BYTES, checksum not computed (crdb-format.md 4.3). */
export function bytesValue(data: Uint8Array): Uint8Array {
  return frameValue(null, VALUE_TAG.bytes, data);
}

/** Inverse of bytesValue; undefined for a tombstone. @throws SpanvaultError SV_CORRUPT_VALUE for a value of another tag */
export function valueBytes(value: Uint8Array): Uint8Array | undefined {
  const start = valueStart(value, 0, value.length);
  if (start === value.length) return undefined;
  if (value[start + 4] !== VALUE_TAG.bytes) {
    throw new SpanvaultError(
      'SV_CORRUPT_VALUE',
      `value has tag ${value[start + 4]}, expected ${VALUE_TAG.bytes} (BYTES)`,
    );
  }
  return value.subarray(start + 5);
}
