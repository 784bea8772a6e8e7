import { SpanvaultError } from '../fault/index.js';
import type { ByteReader } from './byte_reader.js';
import type { ByteWriter } from './byte_writer.js';
import { readInet } from './inet.js';
import { readOrderedFloat } from './scalar_codec.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';

/*
 * Value tags: what stands before every column value inside TUPLE and BYTES values (crdb-format.md 5.4).
 */

/** Types of value tags. */
export const COLUMN_TAG = {
  null: 1,
  notNull: 2,
  int: 3,
  float: 4,
  decimal: 5,
  bytes: 6,
  time: 8,
  duration: 9,
  true: 10,
  false: 11,
  uuid: 12,
  array: 13,
  inet: 14,
  json: 15,
  tuple: 16,
  bits: 17,
  timetz: 19,
  geo: 20,
  box2d: 24,
  void: 25,
  tsquery: 26,
  tsvector: 27,
  pgvector: 44,
  ltree: 45,
} as const;

const HAS_LARGE_TYPE = 15;

/** A value tag: type of the payload, and difference of the column id to the one before (0 = no column id). */
export interface ValueTag {
  readonly type: number;
  readonly delta: number;
}

/** @throws SpanvaultError SV_CORRUPT_VALUE */
export function readValueTag(reader: ByteReader): ValueTag {
  const tag = reader.nsu();
  const low = tag % 16;
  return { delta: Math.floor(tag / 16), type: low === HAS_LARGE_TYPE ? reader.nsu() : low };
}

export function writeValueTag(writer: ByteWriter, delta: number, type: number): void {
  if (type >= HAS_LARGE_TYPE) {
    writer.nsu(delta * 16 + HAS_LARGE_TYPE);
    writer.nsu(type);
  } else {
    writer.nsu(delta * 16 + type);
  }
}

/** Moves over one payload of tag type `tag`. @throws SpanvaultError SV_CORRUPT_VALUE for a tag of unknown length */
export function skipPayload(reader: ByteReader, tag: number): void {
  switch (tag) {
    case COLUMN_TAG.null:
    case COLUMN_TAG.notNull:
    case COLUMN_TAG.true:
    case COLUMN_TAG.false:
    case COLUMN_TAG.void:
      return;
    case COLUMN_TAG.int:
      reader.svarint();
      return;
    case COLUMN_TAG.float:
      reader.skip(8, 'float');
      return;
    case COLUMN_TAG.time:
    case COLUMN_TAG.timetz:
      reader.svarint();
      reader.svarint();
      return;
    case COLUMN_TAG.duration:
      for (let index = 0; index < 3; index++) reader.svarint();
      return;
    case COLUMN_TAG.uuid:
      reader.skip(16, 'uuid');
      return;
    case COLUMN_TAG.inet:
      readInet(reader);
      return;
    case COLUMN_TAG.bits:
      reader.skip(8 * Math.ceil(reader.nsu() / 64), 'bit array');
      return;
    case COLUMN_TAG.box2d:
      for (let index = 0; index < 4; index++) readOrderedFloat(reader, false);
      return;
    case COLUMN_TAG.tuple:
      skipTuple(reader);
      return;
    case COLUMN_TAG.decimal:
    case COLUMN_TAG.bytes:
    case COLUMN_TAG.array:
    case COLUMN_TAG.json:
    case COLUMN_TAG.geo:
    case COLUMN_TAG.tsquery:
    case COLUMN_TAG.tsvector:
    case COLUMN_TAG.pgvector:
    case COLUMN_TAG.ltree:
      reader.skip(reader.nsu(), 'value');
      return;
    default:
      throw new SpanvaultError('SV_CORRUPT_VALUE', `value tag ${tag} at byte ${reader.pos} is not known`);
  }
}

/** Nested tuples are counted, not recursed into: their depth is the data's. */
function skipTuple(reader: ByteReader): void {
  for (let pending = reader.nsu(); pending > 0; pending--) {
    const { type } = readValueTag(reader);
    if (type === COLUMN_TAG.tuple) pending += reader.nsu();
    else skipPayload(reader, type);
  }
}

/** The value tag that a column type's non-NULL values carry; the element tag of its arrays. */
export function tagOfType(type: ColumnType): number {
  switch (type.family) {
    case TYPE_FAMILY.bool:
      return COLUMN_TAG.true;
    case TYPE_FAMILY.int:
    case TYPE_FAMILY.date:
    case TYPE_FAMILY.time:
    case TYPE_FAMILY.oid:
      return COLUMN_TAG.int;
    case TYPE_FAMILY.float:
      return COLUMN_TAG.float;
    case TYPE_FAMILY.decimal:
      return COLUMN_TAG.decimal;
    case TYPE_FAMILY.timestamp:
    case TYPE_FAMILY.timestamptz:
      return COLUMN_TAG.time;
    case TYPE_FAMILY.interval:
      return COLUMN_TAG.duration;
    case TYPE_FAMILY.uuid:
      return COLUMN_TAG.uuid;
    case TYPE_FAMILY.inet:
      return COLUMN_TAG.inet;
    case TYPE_FAMILY.json:
      return COLUMN_TAG.json;
    case TYPE_FAMILY.timetz:
      return COLUMN_TAG.timetz;
    case TYPE_FAMILY.bit:
      return COLUMN_TAG.bits;
    case TYPE_FAMILY.geometry:
    case TYPE_FAMILY.geography:
      return COLUMN_TAG.geo;
    case TYPE_FAMILY.box2d:
      return COLUMN_TAG.box2d;
    case TYPE_FAMILY.array:
    case TYPE_FAMILY.int2vector:
    case TYPE_FAMILY.oidvector:
      return COLUMN_TAG.array;
    case TYPE_FAMILY.tuple:
      return COLUMN_TAG.tuple;
    case TYPE_FAMILY.void:
      return COLUMN_TAG.void;
    default:
      return COLUMN_TAG.bytes;
  }
}
