import protobuf from 'protobufjs/minimal.js';
import { SpanvaultError } from '../fault/index.js';
import { concatBytes, type Timestamp } from '../keys/index.js';
import { plainBytes } from './wire_values.js';

/*
 * The little that a manifest must know of the descriptors it carries, taken from their bytes: an id, and one repair.
 * Everything else about descriptors is the catalog's.
 */

/** Fields of sqlbase.Descriptor, and where each kind keeps its id (crdb-format.md 5.5). */
const ID_FIELDS: ReadonlyMap<number, number> = new Map([
  [1, 3],
  [2, 2],
  [3, 4],
  [4, 3],
  [5, 2],
]);
const TABLE = 1;
const TABLE_NAME = 1;
const TABLE_ID = 3;
const TABLE_VERSION = 5;
const TABLE_MODIFICATION_TIME = 7;
const VARINT = 0;
const LENGTH_DELIMITED = 2;

interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  /** Payload of a length-delimited field. */
  readonly bytes: Uint8Array | undefined;
  /** Low 32 bits of a varint, and whether all 64 are zero. */
  readonly value: number | undefined;
  readonly zero: boolean;
}

function fieldsOf(bytes: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const payload = reader.pos;
    const content = (tag & 7) === LENGTH_DELIMITED ? reader.bytes() : undefined;
    const value = (tag & 7) === VARINT ? reader.uint32() : undefined;
    if (content === undefined && value === undefined) reader.skipType(tag & 7);
    const zero = value !== undefined && bytes.subarray(payload, reader.pos).every((byte) => (byte & 0x7f) === 0);
    fields.push({ number: tag >>> 3, start, end: reader.pos, bytes: content, value, zero });
  }
  return fields;
}

function malformed(descriptor: Uint8Array, cause: unknown): SpanvaultError {
  return new SpanvaultError('SV_CORRUPT_MANIFEST', `a descriptor of ${descriptor.length} bytes is malformed or cut`, {
    cause,
  });
}

/** Id of a marshalled sqlbase.Descriptor of any kind. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function descriptorId(descriptor: Uint8Array): number {
  try {
    for (const field of fieldsOf(descriptor)) {
      const idField = ID_FIELDS.get(field.number);
      if (idField === undefined || field.bytes === undefined) continue;
      const id = fieldsOf(field.bytes).findLast((inner) => inner.number === idField)?.value;
      if (id !== undefined) return id;
    }
  } catch (cause) {
    throw malformed(descriptor, cause);
  }
  throw malformed(descriptor, new Error('it has no id'));
}

/**
 * The change that CockroachDB makes to descriptors when it reads a manifest (crdb-format.md 2.2, step 4): a table of
 * version 1 without a modification time gets the time of one nanosecond. The same object when there is nothing to do.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST
 */
export function fixDescriptor(descriptor: Uint8Array): Uint8Array {
  try {
    const table = fieldsOf(descriptor).find((field) => field.number === TABLE)?.bytes;
    if (table === undefined) return descriptor;
    const fields = fieldsOf(table);
    if (fields.findLast((field) => field.number === TABLE_VERSION)?.value !== 1) return descriptor;
    const times = fields.filter((field) => field.number === TABLE_MODIFICATION_TIME);
    if (times.some(({ bytes }) => bytes === undefined || !fieldsOf(bytes).every((inner) => inner.zero)))
      return descriptor;
    const kept = fields
      .filter((field) => field.number !== TABLE_MODIFICATION_TIME)
      .map((field) => table.subarray(field.start, field.end));
    return tableDescriptor(concatBytes(...kept, modificationTime({ wall: 1n, logical: 0 })));
  } catch (cause) {
    throw malformed(descriptor, cause);
  }
}

/** A table of id 1 and version 1 that stands where a reader must never look (crdb-format.md 2.6). */
export function placeholderDescriptor(name: string, modified: Timestamp): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32((TABLE_NAME << 3) | LENGTH_DELIMITED).string(name);
  writer.uint32(TABLE_ID << 3).uint32(1);
  writer.uint32(TABLE_VERSION << 3).uint32(1);
  return tableDescriptor(concatBytes(writer.finish(), modificationTime(modified)));
}

function tableDescriptor(table: Uint8Array): Uint8Array {
  return plainBytes(
    protobuf.Writer.create()
      .uint32((TABLE << 3) | LENGTH_DELIMITED)
      .bytes(table)
      .finish(),
  );
}

/** TableDescriptor.modification_time with its tag. */
function modificationTime(ts: Timestamp): Uint8Array {
  const time = protobuf.Writer.create()
    .uint32(1 << 3)
    .int64(ts.wall.toString());
  if (ts.logical !== 0) time.uint32(2 << 3).int32(ts.logical);
  return protobuf.Writer.create()
    .uint32((TABLE_MODIFICATION_TIME << 3) | LENGTH_DELIMITED)
    .bytes(time.finish())
    .finish();
}
