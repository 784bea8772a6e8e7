import { SpanvaultError } from '../fault/index.js';
import { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import type { Datum, TaggedDatum } from './datum.js';
import { readOrderedDecimal, writeOrderedDecimal } from './decimal_codec.js';
import { readSpatialObject } from './geo.js';
import { readInet, writeInet } from './inet.js';
import { readBits, readEscaped, readEscapedText, writeBits, writeEscaped } from './key_bytes.js';
import {
  expectMarker,
  readInt,
  readOrderedInterval,
  readOrderedTimestamp,
  readOrderedTimeTz,
  writeInt,
  writeOrderedInterval,
  writeOrderedTimestamp,
  writeOrderedTimeTz,
} from './ordered_time.js';
import {
  box2dDatum,
  enumDatum,
  intOrUnknown,
  readOrderedFloat,
  unknownDatum,
  writeOrderedFloat,
} from './scalar_codec.js';
import { type ColumnType, type KeyDirection, TYPE_FAMILY } from './schema.js';

/*
 * Ordered encodings of key columns by type (crdb-format.md 5.2), ascending and descending.
 */

const NULL_ASCENDING = 0x00;
const NULL_DESCENDING = 0xff;
const BYTES_ASCENDING = 0x12;
const BYTES_DESCENDING = 0x13;
const BITS_ASCENDING = 0x3a;
const BITS_DESCENDING = 0x3b;
const GEO_ASCENDING = 0x3d;
const GEO_DESCENDING = 0x3e;
const ARRAY_ASCENDING = 0x3f;
const ARRAY_DESCENDING = 0x40;
const BOX2D = 0x41;
const VOID = 0x44;
const JSON_FIRST = 0x45;
const JSON_LAST = 0x54;

const U64_MASK = 2n ** 64n - 1n;

/** True when the next key column is NULL in the given direction. */
function isNull(reader: ByteReader, descending: boolean): boolean {
  return reader.peek() === (descending ? NULL_DESCENDING : NULL_ASCENDING);
}

/**
 * Reads one key column. Collated strings come back with an empty text: the text is in the row's value.
 * @throws SpanvaultError SV_CORRUPT_VALUE, or SV_NOT_SUPPORTED for JSON keys (23.2+)
 */
export function readKeyDatum(reader: ByteReader, type: ColumnType, direction: KeyDirection): Datum {
  const descending = direction === 'desc';
  if (isNull(reader, descending)) {
    reader.pos++;
    return null;
  }
  switch (type.family) {
    case TYPE_FAMILY.bool:
    case TYPE_FAMILY.int:
    case TYPE_FAMILY.date:
    case TYPE_FAMILY.time:
    case TYPE_FAMILY.oid:
      return intOrUnknown(readInt(reader, descending), type);
    case TYPE_FAMILY.float:
      return readOrderedFloat(reader, descending);
    case TYPE_FAMILY.decimal:
      return readOrderedDecimal(reader, descending);
    case TYPE_FAMILY.timestamp:
    case TYPE_FAMILY.timestamptz:
      return readOrderedTimestamp(reader, descending, type);
    case TYPE_FAMILY.interval:
      return readOrderedInterval(reader, descending);
    case TYPE_FAMILY.timetz:
      return readOrderedTimeTz(reader, descending);
    case TYPE_FAMILY.bit:
      expectMarker(reader, descending ? BITS_DESCENDING : BITS_ASCENDING, 'ordered bit array');
      return readBits(reader, descending);
    case TYPE_FAMILY.box2d:
      expectMarker(reader, BOX2D, 'ordered box');
      return box2dDatum(() => readOrderedFloat(reader, descending));
    case TYPE_FAMILY.geometry:
    case TYPE_FAMILY.geography: {
      expectMarker(reader, descending ? GEO_DESCENDING : GEO_ASCENDING, 'ordered spatial object');
      const index = reader.u64be() ^ (descending ? U64_MASK : 0n);
      return readSpatialObject(readEscaped(reader, descending), index);
    }
    case TYPE_FAMILY.array:
      expectMarker(reader, descending ? ARRAY_DESCENDING : ARRAY_ASCENDING, 'ordered array');
      return readKeyArray(reader, type, direction);
    case TYPE_FAMILY.void:
      expectMarker(reader, VOID, 'ordered void');
      return { kind: 'void' };
    default:
      return readBytesKey(reader, type, descending);
  }
}

function readBytesKey(reader: ByteReader, type: ColumnType, descending: boolean): Datum {
  const marker = reader.peek();
  if (marker >= JSON_FIRST && marker <= JSON_LAST && type.family === TYPE_FAMILY.json) {
    throw new SpanvaultError('SV_NOT_SUPPORTED', 'keys that hold JSON are not supported yet');
  }
  expectMarker(reader, descending ? BYTES_DESCENDING : BYTES_ASCENDING, 'ordered byte string');
  if (type.family === TYPE_FAMILY.string || type.family === TYPE_FAMILY.name)
    return readEscapedText(reader, descending);
  const bytes = readEscaped(reader, descending);
  switch (type.family) {
    case TYPE_FAMILY.bytes:
      return bytes;
    case TYPE_FAMILY.uuid:
      if (bytes.length !== 16) throw reader.fail('uuid');
      return { kind: 'uuid', bytes };
    case TYPE_FAMILY.inet: {
      const inner = new ByteReader(bytes);
      const datum = readInet(inner);
      if (inner.remaining > 0) throw reader.fail('inet');
      return datum;
    }
    case TYPE_FAMILY.enum:
      return enumDatum(type, bytes);
    case TYPE_FAMILY.collatedString:
      return { kind: 'collated', text: '', sortKey: bytes };
    default:
      return unknownDatum(`key bytes of type family ${type.family}`, bytes);
  }
}

function readKeyArray(reader: ByteReader, type: ColumnType, direction: KeyDirection): Datum {
  const descending = direction === 'desc';
  const end = descending ? 0xff : 0x00;
  const nullMarker = descending ? 0xfe : 0x01;
  const elementType = type.arrayContents;
  if (elementType === undefined) throw new SpanvaultError('SV_CORRUPT_VALUE', 'an array type has no element type');
  const elements: Datum[] = [];
  for (;;) {
    const marker = reader.peek();
    if (marker === end) break;
    if (marker === nullMarker) {
      reader.pos++;
      elements.push(null);
    } else {
      elements.push(readKeyDatum(reader, elementType, direction));
    }
  }
  reader.pos++;
  return { kind: 'array', elements };
}

/** Appends one key column. @throws SpanvaultError SV_NOT_SUPPORTED for values whose ordered form cannot be computed here */
export function writeKeyDatum(writer: ByteWriter, datum: Datum, type: ColumnType, direction: KeyDirection): void {
  const descending = direction === 'desc';
  if (datum === null) writer.byte(descending ? NULL_DESCENDING : NULL_ASCENDING);
  else if (typeof datum === 'boolean') writeInt(writer, datum ? 1n : 0n, descending);
  else if (typeof datum === 'bigint') writeInt(writer, datum, descending);
  else if (typeof datum === 'number') writeOrderedFloat(writer, datum, descending);
  else if (typeof datum === 'string') writeKeyBytes(writer, Buffer.from(datum), descending);
  else if (datum instanceof Uint8Array) writeKeyBytes(writer, datum, descending);
  else writeTaggedKey(writer, datum, type, direction);
}

function writeKeyBytes(writer: ByteWriter, bytes: Uint8Array, descending: boolean): void {
  writer.byte(descending ? BYTES_DESCENDING : BYTES_ASCENDING);
  writeEscaped(writer, bytes, descending);
}

function writeTaggedKey(writer: ByteWriter, datum: TaggedDatum, type: ColumnType, direction: KeyDirection): void {
  const descending = direction === 'desc';
  switch (datum.kind) {
    case 'date':
      writeInt(writer, datum.days, descending);
      return;
    case 'time':
      writeInt(writer, datum.micros, descending);
      return;
    case 'oid':
      writeInt(writer, datum.oid, descending);
      return;
    case 'decimal':
      writeOrderedDecimal(writer, datum, descending);
      return;
    case 'timestamp':
    case 'timestamptz':
      writeOrderedTimestamp(writer, datum, descending);
      return;
    case 'interval':
      writeOrderedInterval(writer, datum, descending);
      return;
    case 'timetz':
      writeOrderedTimeTz(writer, datum, descending);
      return;
    case 'bits':
      writer.byte(descending ? BITS_DESCENDING : BITS_ASCENDING);
      writeBits(writer, datum.bits, descending);
      return;
    case 'box2d':
      writer.byte(BOX2D);
      for (const edge of [datum.loX, datum.hiX, datum.loY, datum.hiY]) writeOrderedFloat(writer, edge, descending);
      return;
    case 'uuid':
      writeKeyBytes(writer, datum.bytes, descending);
      return;
    case 'enum':
      writeKeyBytes(writer, datum.physical, descending);
      return;
    case 'inet': {
      const inner = new ByteWriter(24);
      writeInet(inner, datum);
      writeKeyBytes(writer, inner.view(), descending);
      return;
    }
    case 'array':
      writeKeyArray(writer, datum.elements, type, direction);
      return;
    case 'void':
      writer.byte(VOID);
      return;
    case 'geo':
      if (datum.curveIndex === undefined) break;
      writer.byte(descending ? GEO_DESCENDING : GEO_ASCENDING);
      writer.u64be(datum.curveIndex ^ (descending ? U64_MASK : 0n));
      writeEscaped(writer, datum.spatialObject, descending);
      return;
    case 'collated':
      if (datum.sortKey === undefined) break;
      writeKeyBytes(writer, datum.sortKey, descending);
      return;
    case 'unknown':
      writeKeyBytes(writer, datum.bytes, descending);
      return;
    case 'json':
    case 'tuple':
      break;
  }
  throw new SpanvaultError('SV_NOT_SUPPORTED', `writing keys of type ${datum.kind} is not supported yet`);
}

function writeKeyArray(
  writer: ByteWriter,
  elements: readonly Datum[],
  type: ColumnType,
  direction: KeyDirection,
): void {
  const descending = direction === 'desc';
  writer.byte(descending ? ARRAY_DESCENDING : ARRAY_ASCENDING);
  for (const element of elements) {
    if (element === null) writer.byte(descending ? 0xfe : 0x01);
    else writeKeyDatum(writer, element, type.arrayContents ?? type, direction);
  }
  writer.byte(descending ? 0xff : 0x00);
}
