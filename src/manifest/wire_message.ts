import protobuf from 'protobufjs/minimal.js';
import { SpanvaultError } from '../fault/index.js';
import { concatBytes } from '../keys/index.js';
import { plainBytes } from './wire_values.js';

/*
 * Whole messages of proto/backup.proto and the errors of their bytes: what every codec of this room decodes with.
 */

/** Decodes with every unknown field kept. `name` is the file, for messages. */
export function decode<M>(type: { decode(reader: protobuf.Reader): M }, bytes: Uint8Array, name: string): M {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  reader.discardUnknown = false;
  try {
    return type.decode(reader);
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
}

/** The error of bytes that a reader stopped at. */
export function undecodable(reader: protobuf.Reader, bytes: Uint8Array, name: string, cause: unknown): SpanvaultError {
  return new SpanvaultError(
    'SV_CORRUPT_MANIFEST',
    `${name} does not decode: byte ${reader.pos} of ${bytes.length} is malformed or cut`,
    { cause },
  );
}

/** Values of the enumeration `mvcc_filter`, by number. */
export const MVCC_FILTERS = ['latest', 'all'] as const;

/** The member of an enumeration that a message names by number. @throws SpanvaultError SV_UNSUPPORTED_FORMAT */
export function member<T>(values: readonly T[], index: number, what: string, name: string): T {
  const value = values[index];
  if (value === undefined)
    throw new SpanvaultError('SV_UNSUPPORTED_FORMAT', `${name} has the unknown ${what} ${index}`);
  return value;
}

/** A message without some of its fields: their bytes are skipped. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function withoutFields(bytes: Uint8Array, dropped: ReadonlySet<number>, name: string): Uint8Array {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  const kept: Uint8Array[] = [];
  let from = 0;
  try {
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.uint32();
      reader.skipType(tag & 7);
      if (!dropped.has(tag >>> 3)) continue;
      if (from < start) kept.push(bytes.subarray(from, start));
      from = reader.pos;
    }
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
  return concatBytes(...kept, bytes.subarray(from));
}

/** Converts a repeated field; an empty one is not written. */
export function list<T>(convert: (value: T) => unknown): (values: readonly T[]) => unknown[] | undefined {
  return (values) => (values.length === 0 ? undefined : values.map(convert));
}

/** Of fields that are the same here and there. */
export const same = <T>(value: T): T => value;
