import type { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import type { Datum, TaggedDatum } from './datum.js';
import { readValueDecimal, writeValueDecimal } from './decimal_codec.js';
import { readSpatialObject } from './geo.js';
import { readInet, writeInet } from './inet.js';
import { readJson, writeJson } from './json_codec.js';
import {
  box2dDatum,
  bytesDatum,
  intOrUnknown,
  readBitWords,
  readOrderedFloat,
  splitNanos,
  timestampDatum,
  unknownDatum,
  writeBitWords,
  writeOrderedFloat,
} from './scalar_codec.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';
import { COLUMN_TAG, readValueTag, skipPayload, tagOfType, writeValueTag } from './value_tag.js';

/*
 * Payloads of column values inside TUPLE and BYTES values (crdb-format.md 5.4).
 */

function unknownPayload(reader: ByteReader, tag: number, reason: string): Datum {
  const start = reader.pos;
  skipPayload(reader, tag);
  return unknownDatum(reason, reader.bytes.slice(start, reader.pos), tag);
}

/** Reads one payload as a datum of the column's type. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readPayload(reader: ByteReader, tag: number, type: ColumnType): Datum {
  switch (tag) {
    case COLUMN_TAG.null:
      return null;
    case COLUMN_TAG.true:
      return true;
    case COLUMN_TAG.false:
      return false;
    case COLUMN_TAG.void:
      return { kind: 'void' };
    case COLUMN_TAG.int:
      return intOrUnknown(reader.svarint(), type);
    case COLUMN_TAG.float:
      return reader.f64be();
    case COLUMN_TAG.decimal:
      return readValueDecimal(reader, reader.nsu());
    case COLUMN_TAG.bytes:
      return bytesDatum(reader, reader.nsu(), type);
    case COLUMN_TAG.time: {
      const seconds = reader.svarint();
      return timestampDatum(seconds, reader.svarint(), type);
    }
    case COLUMN_TAG.duration: {
      const months = reader.svarint();
      const days = reader.svarint();
      return { kind: 'interval', months, days, nanos: reader.svarint() };
    }
    case COLUMN_TAG.uuid:
      return { kind: 'uuid', bytes: reader.take(16, 'uuid') };
    case COLUMN_TAG.array:
      return readArray(reader, reader.nsu(), type);
    case COLUMN_TAG.inet:
      return readInet(reader);
    case COLUMN_TAG.json:
      return { kind: 'json', value: readJson(reader, reader.nsu()) };
    case COLUMN_TAG.tuple:
      return readTuple(reader, type);
    case COLUMN_TAG.bits:
      return readBitWords(reader, reader.nsu());
    case COLUMN_TAG.timetz: {
      const micros = reader.svarint();
      return { kind: 'timetz', micros, offsetWest: Number(reader.svarint()) };
    }
    case COLUMN_TAG.geo:
      return readSpatialObject(reader.take(reader.nsu(), 'spatial object'), undefined);
    case COLUMN_TAG.box2d:
      return box2dDatum(() => readOrderedFloat(reader, false));
    default:
      return unknownPayload(reader, tag, `value tag ${tag}`);
  }
}

const NO_TYPE: ColumnType = { family: TYPE_FAMILY.unknown, width: 0, precision: 0, oid: 0, locale: '' };

/** Without element types the tuple stays raw, so that nesting is bounded by the type and not by the data. */
function readTuple(reader: ByteReader, type: ColumnType): Datum {
  if (type.tupleContents === undefined) return unknownPayload(reader, COLUMN_TAG.tuple, 'tuple without element types');
  const count = reader.nsu();
  if (count > reader.remaining) throw reader.fail('tuple');
  const elements: Datum[] = [];
  for (let index = 0; index < count; index++) {
    const { type: tag } = readValueTag(reader);
    elements.push(readPayload(reader, tag, type.tupleContents[index] ?? NO_TYPE));
  }
  return { kind: 'tuple', elements };
}

/** Reads array binary from the next `length` bytes. */
export function readArray(reader: ByteReader, length: number, type: ColumnType): Datum {
  const start = reader.skip(length, 'array');
  const end = reader.pos;
  reader.pos = start;
  const outer = reader.end;
  reader.end = end;
  const header = reader.byte();
  const { type: tag } = readValueTag(reader);
  const count = reader.nsu();
  const bitmapBytes = (header & 0x10) === 0 ? 0 : Math.ceil(count / 8);
  const bitmap = reader.skip(bitmapBytes, 'array bitmap');
  // Each element but NULL takes a byte or more, except VOID, which arrays do not hold.
  if (count > 8 * bitmapBytes && count > reader.remaining) throw reader.fail('array');
  const elements: Datum[] = [];
  for (let index = 0; index < count; index++) {
    const isNull = bitmapBytes > 0 && ((reader.bytes[bitmap + (index >> 3)]! >> (index & 7)) & 1) === 1;
    elements.push(isNull ? null : readElement(reader, tag, type.arrayContents ?? NO_TYPE));
  }
  if (reader.pos !== end) throw reader.fail('array');
  reader.end = outer;
  return { kind: 'array', elements };
}

/** Booleans carry their own one-byte tag, all others the array's. */
function readElement(reader: ByteReader, tag: number, type: ColumnType): Datum {
  const own = type.family === TYPE_FAMILY.bool ? reader.byte() : tag;
  return readPayload(reader, own, type);
}

/** Appends value tag and payload of a non-NULL datum. */
export function writeColumnValue(writer: ByteWriter, delta: number, datum: Datum, type: ColumnType): void {
  writeValueTag(writer, delta, tagOfDatum(datum, type));
  writePayload(writer, datum, type);
}

/** BOOL has a tag per value, and a datum of unknown type the tag it was read with; all others the tag of their type. */
function tagOfDatum(datum: Datum, type: ColumnType): number {
  if (datum === null) return COLUMN_TAG.null;
  if (typeof datum === 'boolean') return datum ? COLUMN_TAG.true : COLUMN_TAG.false;
  if (typeof datum === 'object' && !(datum instanceof Uint8Array) && datum.kind === 'unknown' && datum.tag !== 0)
    return datum.tag;
  return tagOfType(type);
}

const scratch = new ByteWriter();

/** Appends NSU(length) and what `fill` writes. Not reentrant, so nested uses bring their own writer. */
function writeSized(writer: ByteWriter, fill: (into: ByteWriter) => void, into = scratch): void {
  into.reset();
  fill(into);
  writer.nsu(into.length);
  writer.raw(into.view());
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.nsu(bytes.length);
  writer.raw(bytes);
}

function writePayload(writer: ByteWriter, datum: Datum, type: ColumnType): void {
  if (datum === null || typeof datum === 'boolean') return;
  if (typeof datum === 'bigint') writer.svarint(datum);
  else if (typeof datum === 'number') writer.f64be(datum);
  else if (typeof datum === 'string') writer.sizedText(datum);
  else if (datum instanceof Uint8Array) writeBytes(writer, datum);
  else writeTagged(writer, datum, type);
}

function writeTagged(writer: ByteWriter, datum: TaggedDatum, type: ColumnType): void {
  switch (datum.kind) {
    case 'decimal':
      writeSized(writer, (into) => writeValueDecimal(into, datum));
      return;
    case 'date':
      writer.svarint(datum.days);
      return;
    case 'time':
      writer.svarint(datum.micros);
      return;
    case 'oid':
      writer.svarint(datum.oid);
      return;
    case 'timetz':
      writer.svarint(datum.micros);
      writer.svarint(BigInt(datum.offsetWest));
      return;
    case 'timestamp':
    case 'timestamptz': {
      const { seconds, rest } = splitNanos(datum.nanos);
      writer.svarint(seconds);
      writer.svarint(rest);
      return;
    }
    case 'interval':
      writer.svarint(datum.months);
      writer.svarint(datum.days);
      writer.svarint(datum.nanos);
      return;
    case 'uuid':
      writer.raw(datum.bytes);
      return;
    case 'inet':
      writeInet(writer, datum);
      return;
    case 'json':
      writeSized(writer, (into) => writeJson(into, datum.value));
      return;
    case 'array':
      writeSized(writer, (into) => writeArray(into, datum.elements, type), new ByteWriter());
      return;
    case 'tuple':
      writer.nsu(datum.elements.length);
      datum.elements.forEach((element, index) => {
        writeColumnValue(writer, 0, element, type.tupleContents?.[index] ?? NO_TYPE);
      });
      return;
    case 'enum':
      writeBytes(writer, datum.physical);
      return;
    case 'bits':
      writer.nsu(datum.bits.length);
      writeBitWords(writer, datum.bits);
      return;
    case 'geo':
      writeBytes(writer, datum.spatialObject);
      return;
    case 'box2d':
      for (const edge of [datum.loX, datum.hiX, datum.loY, datum.hiY]) writeOrderedFloat(writer, edge, false);
      return;
    case 'collated':
      writeBytes(writer, Buffer.from(datum.text));
      return;
    case 'void':
      return;
    case 'unknown':
      if (datum.tag === 0) writeBytes(writer, datum.bytes);
      else writer.raw(datum.bytes);
      return;
  }
}

/** Appends array binary. */
export function writeArray(writer: ByteWriter, elements: readonly Datum[], type: ColumnType): void {
  const elementType = type.arrayContents ?? NO_TYPE;
  const hasNulls = elements.includes(null);
  writer.byte(hasNulls ? 0x11 : 0x01);
  writeValueTag(writer, 0, tagOfType(elementType));
  writer.nsu(elements.length);
  if (hasNulls) {
    const bitmap = new Uint8Array(Math.ceil(elements.length / 8));
    elements.forEach((element, index) => {
      if (element === null) bitmap[index >> 3] = bitmap[index >> 3]! | (1 << (index & 7));
    });
    writer.raw(bitmap);
  }
  for (const element of elements) {
    if (typeof element === 'boolean') writer.byte(element ? COLUMN_TAG.true : COLUMN_TAG.false);
    else if (element !== null) writePayload(writer, element, elementType);
  }
}
