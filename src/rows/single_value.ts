import { SpanvaultError } from '../fault/index.js';
import type { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import type { Datum, TaggedDatum } from './datum.js';
import { isTagged } from './datum.js';
import { readValueDecimal, writeValueDecimal } from './decimal_codec.js';
import { readSpatialObject } from './geo.js';
import { readInet, writeInet } from './inet.js';
import { readJson, writeJson } from './json_codec.js';
import {
  readOrderedInterval,
  readOrderedTimestamp,
  readOrderedTimeTz,
  writeOrderedInterval,
  writeOrderedTimestamp,
  writeOrderedTimeTz,
} from './ordered_time.js';
import { VALUE_TAG } from './roach_value.js';
import { box2dDatum, bytesDatum, intOrUnknown, readBitWords, unknownDatum, writeBitWords } from './scalar_codec.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';
import { readArray, writeArray } from './value_codec.js';

/*
 * A column that is alone in its family: the value is the column itself, with a tag of roachpb.Value (crdb-format.md 4.3).
 */

/** Reads the datum that fills the reader's window. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readSingleValue(reader: ByteReader, tag: number, type: ColumnType): Datum {
  const datum = readByTag(reader, tag, type);
  if (reader.remaining !== 0) throw reader.fail('value of a single column');
  return datum;
}

function readByTag(reader: ByteReader, tag: number, type: ColumnType): Datum {
  switch (tag) {
    case VALUE_TAG.int:
      return intOrUnknown(reader.svarint(), type);
    case VALUE_TAG.float:
      return reader.f64be();
    case VALUE_TAG.bytes:
      return readBytesTag(reader, type);
    case VALUE_TAG.time:
      return readOrderedTimestamp(reader, false, type);
    case VALUE_TAG.decimal:
      return readValueDecimal(reader, reader.remaining);
    case VALUE_TAG.duration:
      return readOrderedInterval(reader, false);
    case VALUE_TAG.bitArray:
      return readBitWords(reader, reader.nsu());
    case VALUE_TAG.timetz:
      return readOrderedTimeTz(reader, false);
    case VALUE_TAG.geo:
      return readSpatialObject(reader.take(reader.remaining), undefined);
    case VALUE_TAG.box2d:
      return box2dDatum(() => reader.f64be());
    default:
      return unknownDatum(`value tag ${tag}`, reader.take(reader.remaining), tag);
  }
}

function readBytesTag(reader: ByteReader, type: ColumnType): Datum {
  switch (type.family) {
    case TYPE_FAMILY.uuid:
      return { kind: 'uuid', bytes: reader.take(16, 'uuid') };
    case TYPE_FAMILY.inet:
      return readInet(reader);
    case TYPE_FAMILY.json:
      return { kind: 'json', value: readJson(reader, reader.remaining) };
    case TYPE_FAMILY.array:
    case TYPE_FAMILY.int2vector:
    case TYPE_FAMILY.oidvector:
      return readArray(reader, reader.remaining, type);
    default:
      return bytesDatum(reader, reader.remaining, type);
  }
}

/** Tag and data of a non-NULL datum stored alone. @throws SpanvaultError SV_NOT_SUPPORTED for types that CockroachDB never stores so */
export function writeSingleValue(datum: Datum, type: ColumnType): { readonly tag: number; readonly data: Uint8Array } {
  const writer = new ByteWriter();
  const tag = writeByKind(writer, datum, type);
  return { tag, data: writer.finish() };
}

function writeByKind(writer: ByteWriter, datum: Datum, type: ColumnType): number {
  if (typeof datum === 'boolean') {
    writer.svarint(datum ? 1n : 0n);
    return VALUE_TAG.int;
  }
  if (typeof datum === 'bigint') {
    writer.svarint(datum);
    return VALUE_TAG.int;
  }
  if (typeof datum === 'number') {
    writer.f64be(datum);
    return VALUE_TAG.float;
  }
  if (typeof datum === 'string' || datum instanceof Uint8Array) {
    writer.raw(typeof datum === 'string' ? Buffer.from(datum) : datum);
    return VALUE_TAG.bytes;
  }
  if (!isTagged(datum)) throw new SpanvaultError('SV_INTERNAL', 'NULL is not stored as the value of a single column');
  return writeTagged(writer, datum, type);
}

function writeTagged(writer: ByteWriter, datum: TaggedDatum, type: ColumnType): number {
  switch (datum.kind) {
    case 'date':
      writer.svarint(datum.days);
      return VALUE_TAG.int;
    case 'time':
      writer.svarint(datum.micros);
      return VALUE_TAG.int;
    case 'oid':
      writer.svarint(datum.oid);
      return VALUE_TAG.int;
    case 'decimal':
      writeValueDecimal(writer, datum);
      return VALUE_TAG.decimal;
    case 'timestamp':
    case 'timestamptz':
      writeOrderedTimestamp(writer, datum, false);
      return VALUE_TAG.time;
    case 'interval':
      writeOrderedInterval(writer, datum, false);
      return VALUE_TAG.duration;
    case 'timetz':
      writeOrderedTimeTz(writer, datum, false);
      return VALUE_TAG.timetz;
    case 'bits':
      writer.nsu(datum.bits.length);
      writeBitWords(writer, datum.bits);
      return VALUE_TAG.bitArray;
    case 'geo':
      writer.raw(datum.spatialObject);
      return VALUE_TAG.geo;
    case 'box2d':
      for (const edge of [datum.loX, datum.hiX, datum.loY, datum.hiY]) writer.f64be(edge);
      return VALUE_TAG.box2d;
    case 'uuid':
      writer.raw(datum.bytes);
      return VALUE_TAG.bytes;
    case 'inet':
      writeInet(writer, datum);
      return VALUE_TAG.bytes;
    case 'json':
      writeJson(writer, datum.value);
      return VALUE_TAG.bytes;
    case 'array':
      writeArray(writer, datum.elements, type);
      return VALUE_TAG.bytes;
    case 'enum':
      writer.raw(datum.physical);
      return VALUE_TAG.bytes;
    case 'collated':
      writer.raw(Buffer.from(datum.text));
      return VALUE_TAG.bytes;
    case 'unknown':
      writer.raw(datum.bytes);
      return datum.tag === 0 ? VALUE_TAG.bytes : datum.tag;
    default:
      throw new SpanvaultError(
        'SV_NOT_SUPPORTED',
        `a column of type ${datum.kind} alone in a family is not supported yet`,
      );
  }
}
