import type { ByteReader } from './byte_reader.js';
import { ByteWriter } from './byte_writer.js';
import { readValueDecimal, writeValueDecimal } from './decimal_codec.js';
import { isJsonArray, type Json, type JsonObject } from './json.js';

/*
 * JSON binary (crdb-format.md 5.4): container header, one u32 entry per item, data. A number is NSU(length) and the
 * non-sorting decimal, as real backups show.
 */

const ARRAY = 0x80000000;
const OBJECT = 0x40000000;
const SCALAR = 0x20000000;
const COUNT_MASK = 0x1fffffff;
const IS_OFFSET = 0x80000000;
const LENGTH_MASK = 0x0fffffff;
const OFFSET_STRIDE = 32;
/** Containers nested deeper than this are damage or an attack: CockroachDB's own parser stops earlier. */
const MAX_DEPTH = 1000;

const ENTRY = { null: 0, string: 1, number: 2, false: 3, true: 4, container: 5 } as const;

interface Entry {
  readonly type: number;
  readonly length: number;
}

/** Reads JSON binary from the next `length` bytes. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readJson(reader: ByteReader, length: number): Json {
  const start = reader.skip(length, 'json');
  const end = reader.pos;
  reader.pos = start;
  const outer = reader.end;
  reader.end = end;
  const header = reader.u32be();
  const value = (header & 0xe0000000) >>> 0 === SCALAR ? readScalar(reader) : readContainer(reader, header, 0);
  if (reader.pos !== end) throw reader.fail('json');
  reader.end = outer;
  return value;
}

function readScalar(reader: ByteReader): Json {
  const [entry] = readEntries(reader, 1, 0).entries;
  return readItem(reader, entry!, 0);
}

/** Entries hold lengths, but every 32nd holds the end offset in the data, which runs on over keys and values. */
function readEntries(reader: ByteReader, count: number, offset: number): { entries: Entry[]; offset: number } {
  if (count * 4 > reader.remaining) throw reader.fail('json entries');
  const entries: Entry[] = [];
  for (let index = 0; index < count; index++) {
    const word = reader.u32be();
    const field = word & LENGTH_MASK;
    const length = word >= IS_OFFSET ? field - offset : field;
    if (length < 0) throw reader.fail('json entry');
    offset += length;
    entries.push({ type: (word >>> 28) & 7, length });
  }
  return { entries, offset };
}

function readContainer(reader: ByteReader, header: number, depth: number): Json {
  if (depth > MAX_DEPTH) throw reader.fail('json nested too deep');
  const kind = (header & 0xe0000000) >>> 0;
  const count = header & COUNT_MASK;
  if (kind === ARRAY) {
    return readEntries(reader, count, 0).entries.map((entry) => readItem(reader, entry, depth));
  }
  if (kind !== OBJECT) throw reader.fail('json container header');
  const keys = readEntries(reader, count, 0);
  const values = readEntries(reader, count, keys.offset);
  const names = keys.entries.map((entry) => reader.utf8(entry.length));
  const entries = names.map((name, index) => [name, readItem(reader, values.entries[index]!, depth)] as const);
  return { kind: 'object', entries } satisfies JsonObject;
}

function readItem(reader: ByteReader, entry: Entry, depth: number): Json {
  switch (entry.type) {
    case ENTRY.null:
    case ENTRY.true:
    case ENTRY.false:
      if (entry.length !== 0) throw reader.fail('json literal');
      return entry.type === ENTRY.null ? null : entry.type === ENTRY.true;
    case ENTRY.string:
      return reader.utf8(entry.length);
    case ENTRY.number: {
      const end = reader.pos + entry.length;
      const value = readValueDecimal(reader, reader.nsu());
      if (reader.pos !== end) throw reader.fail('json number');
      return value;
    }
    case ENTRY.container: {
      const end = reader.pos + entry.length;
      const value = readContainer(reader, reader.u32be(), depth + 1);
      if (reader.pos !== end) throw reader.fail('json container');
      return value;
    }
    default:
      throw reader.fail('json entry type');
  }
}

/** Appends JSON binary. */
export function writeJson(writer: ByteWriter, value: Json): void {
  if (isContainer(value)) {
    writeContainer(writer, value);
    return;
  }
  writer.u32be(SCALAR);
  const at = writer.length;
  writer.u32be(0);
  const type = writeItem(writer, value);
  // The one entry of a scalar holds its length; only entries of containers hold offsets.
  writer.patchU32be(at, type * 0x10000000 + (writer.length - at - 4));
}

function isContainer(value: Json): value is readonly Json[] | JsonObject {
  return typeof value === 'object' && value !== null && (isJsonArray(value) || value.kind === 'object');
}

function writeContainer(writer: ByteWriter, value: readonly Json[] | JsonObject): void {
  const isArray = isJsonArray(value);
  const count = isArray ? value.length : value.entries.length;
  writer.u32be((isArray ? ARRAY : OBJECT) + count);
  const at = writer.length;
  for (let index = 0; index < (isArray ? count : 2 * count); index++) writer.u32be(0);
  const dataStart = writer.length;
  const write = (item: Json): { type: number; end: number } => {
    const type = writeItem(writer, item);
    return { type, end: writer.length - dataStart };
  };
  if (isArray) {
    patchEntries(writer, at, value.map(write), 0);
    return;
  }
  const keys = value.entries.map(([key]) => write(key));
  const keysEnd = writer.length - dataStart;
  patchEntries(writer, at, keys, 0);
  patchEntries(
    writer,
    at + 4 * count,
    value.entries.map(([, member]) => write(member)),
    keysEnd,
  );
}

function patchEntries(
  writer: ByteWriter,
  at: number,
  entries: readonly { type: number; end: number }[],
  offset: number,
): void {
  entries.forEach(({ type, end }, index) => {
    const word = index % OFFSET_STRIDE === 0 ? IS_OFFSET + end : end - offset;
    writer.patchU32be(at + 4 * index, type * 0x10000000 + word);
    offset = end;
  });
}

function writeItem(writer: ByteWriter, value: Json): number {
  if (value === null) return ENTRY.null;
  if (typeof value === 'boolean') return value ? ENTRY.true : ENTRY.false;
  if (typeof value === 'string') {
    writer.raw(Buffer.from(value));
    return ENTRY.string;
  }
  if (isContainer(value)) {
    writeContainer(writer, value);
    return ENTRY.container;
  }
  const number = new ByteWriter(32);
  writeValueDecimal(number, value);
  writer.nsu(number.length);
  writer.raw(number.view());
  return ENTRY.number;
}
