import { SpanvaultError } from '../fault/index.js';
import { concatBytes, isEmptyTimestamp, type Timestamp } from '../keys/index.js';
import { type Descriptor, type DescriptorKind, TIME_FIELDS, unwrapDescriptor, WRAPPER_FIELDS } from './descriptor.js';
import { bytesField, editMessage, readFields, readVarints, setField, setVarint, varintField } from './wire.js';

/*
 * Small edits of marshalled descriptors; all other bytes stay.
 */

const EMPTY = new Uint8Array(0);

/** A descriptor's wrapper around another body. */
export function wrapBody(descriptor: Descriptor, body: Uint8Array): Uint8Array {
  return editMessage(descriptor.raw, { [WRAPPER_FIELDS[descriptor.kind]]: { replace: () => body } });
}

function encodeTime(time: Timestamp): Uint8Array {
  if (isEmptyTimestamp(time)) return EMPTY;
  if (time.wall < 0n || time.wall >= 2n ** 63n)
    throw new SpanvaultError('SV_INTERNAL', `modification time ${time.wall} is out of range`);
  const wall: number[] = [];
  for (let rest = time.wall; ; rest >>= 7n) {
    if (rest < 0x80n) {
      wall.push(Number(rest));
      break;
    }
    wall.push(Number(rest & 0x7fn) | 0x80);
  }
  const logical = time.logical === 0 ? EMPTY : varintField(2, time.logical);
  return time.wall === 0n ? logical : concatBytes(Uint8Array.of(8), Uint8Array.from(wall), logical);
}

/** A body with another version and modification time. */
export function stampBody(
  kind: DescriptorKind,
  body: Uint8Array,
  stamp: { readonly version: number; readonly time: Timestamp },
): Uint8Array {
  const fields = TIME_FIELDS[kind];
  const versioned = setVarint(body, fields.version, stamp.version);
  return setField(versioned, fields.time, bytesField(fields.time, encodeTime(stamp.time)));
}

/** One descriptor with a new version and modification time; the rest as it is. */
export function stampDescriptor(descriptor: Descriptor, version: number, time: Timestamp): Uint8Array {
  const { kind, body } = unwrapDescriptor(descriptor.raw);
  return wrapBody(descriptor, stampBody(kind, body, { version, time }));
}

/** A database's descriptor with one more user-defined schema. */
export function addSchemaToDatabase(database: Descriptor, name: string, schemaId: number): Uint8Array {
  const { body } = unwrapDescriptor(database.raw);
  const info = concatBytes(varintField(1, schemaId), varintField(2, 0));
  const entry = bytesField(7, concatBytes(bytesField(1, Buffer.from(name, 'utf8')), bytesField(2, info)));
  const at = readFields(body).find(({ number }) => number > 7)?.start ?? body.length;
  return wrapBody(database, concatBytes(body.subarray(0, at), entry, body.subarray(at)));
}

/** A type's descriptor with further descriptors that use it. */
export function addReferencesToType(type: Descriptor, ids: readonly number[]): Uint8Array {
  const { body } = unwrapDescriptor(type.raw);
  const known = new Set(readVarints(body, 12));
  const fresh = ids.filter((id) => !known.has(id)).map((id) => varintField(12, id));
  const at = readFields(body).find(({ number }) => number > 12)?.start ?? body.length;
  return fresh.length === 0 ? type.raw : wrapBody(type, concatBytes(body.subarray(0, at), ...fresh, body.subarray(at)));
}
