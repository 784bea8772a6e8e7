import { SpanvaultError } from '../fault/index.js';
import { concatBytes, equalBytes } from '../keys/index.js';

/*
 * Protobuf at the level of the wire: fields are cut out, replaced or dropped by number, and everything that no rule
 * names survives byte for byte, known or not, whatever order it came in.
 */

/** One field of a message: its number, wire type, and where it lies in the message's bytes. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  /** First byte of the tag, and the byte after the field. */
  readonly start: number;
  readonly end: number;
  /** The payload: the varint's bytes, the fixed bytes, or what follows the length. */
  readonly valueStart: number;
}

/** What to do with every occurrence of a field. A rule that changes nothing leaves the field's own bytes in place. */
export type FieldRule =
  /** A varint, or each varint of a packed list; undefined drops it. */
  | { readonly varint: (value: number) => number | undefined }
  /** A string. */
  | { readonly text: (value: string) => string }
  /** A sub-message with rules of its own. */
  | { readonly message: WireRules }
  /** A sub-message that a function replaces; undefined drops it. */
  | { readonly replace: (value: Uint8Array) => Uint8Array | undefined };

/** Rules by field number. */
export type WireRules = Readonly<Record<number, FieldRule>>;

function malformed(what: string, offset: number, length: number): SpanvaultError {
  return new SpanvaultError(
    'SV_CORRUPT_MANIFEST',
    `descriptor ${what} at byte ${offset} of ${length} is malformed or cut`,
  );
}

/** Reads a varint of at most 10 bytes; values from 2^53 on lose precision, which no caller of numbers here meets. */
export function readVarint(bytes: Uint8Array, offset: number): { readonly value: number; readonly offset: number } {
  let value = 0;
  let scale = 1;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined) break;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, offset: offset + index + 1 };
    scale *= 128;
  }
  throw malformed('varint', offset, bytes.length);
}

/** The minimal varint of a safe, non-negative integer. */
export function writeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  while (value >= 0x80) {
    bytes.push((value % 128) | 0x80);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return Uint8Array.from(bytes);
}

/** All fields of a message in wire order. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function readFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const start = offset;
    const tag = readVarint(bytes, offset);
    const number = Math.floor(tag.value / 8);
    const wireType = tag.value % 8;
    let valueStart = tag.offset;
    let end: number;
    if (wireType === 0) end = readVarint(bytes, valueStart).offset;
    else if (wireType === 1) end = valueStart + 8;
    else if (wireType === 5) end = valueStart + 4;
    else if (wireType === 2) {
      const length = readVarint(bytes, valueStart);
      valueStart = length.offset;
      end = valueStart + length.value;
    } else throw malformed(`field of wire type ${wireType}`, start, bytes.length);
    if (number === 0 || end > bytes.length) throw malformed(`field ${number}`, start, bytes.length);
    fields.push({ number, wireType, start, end, valueStart });
    offset = end;
  }
  return fields;
}

/** A varint field. */
export function varintField(number: number, value: number): Uint8Array {
  return concatBytes(writeVarint(number * 8), writeVarint(value));
}

/** A length-delimited field: string, bytes or sub-message. */
export function bytesField(number: number, value: Uint8Array): Uint8Array {
  return concatBytes(writeVarint(number * 8 + 2), writeVarint(value.length), value);
}

function editVarints(
  bytes: Uint8Array,
  field: WireField,
  map: (value: number) => number | undefined,
): Uint8Array | undefined {
  if (field.wireType === 0) {
    const { value } = readVarint(bytes, field.valueStart);
    const mapped = map(value);
    if (mapped === undefined) return undefined;
    return mapped === value ? bytes.subarray(field.start, field.end) : varintField(field.number, mapped);
  }
  const values: Uint8Array[] = [];
  for (let offset = field.valueStart; offset < field.end; ) {
    const item = readVarint(bytes, offset);
    const mapped = map(item.value);
    if (mapped !== undefined)
      values.push(mapped === item.value ? bytes.subarray(offset, item.offset) : writeVarint(mapped));
    offset = item.offset;
  }
  const payload = concatBytes(...values);
  if (equalBytes(payload, bytes.subarray(field.valueStart, field.end))) return bytes.subarray(field.start, field.end);
  return values.length === 0 ? undefined : bytesField(field.number, payload);
}

function editField(bytes: Uint8Array, field: WireField, rule: FieldRule): Uint8Array | undefined {
  if ('varint' in rule) {
    if (field.wireType !== 0 && field.wireType !== 2)
      throw malformed(`field ${field.number}`, field.start, bytes.length);
    return editVarints(bytes, field, rule.varint);
  }
  if (field.wireType !== 2) throw malformed(`field ${field.number}`, field.start, bytes.length);
  const value = bytes.subarray(field.valueStart, field.end);
  let edited: Uint8Array | undefined;
  if ('message' in rule) edited = editMessage(value, rule.message);
  else if ('replace' in rule) edited = rule.replace(value);
  else {
    const text = Buffer.from(value).toString('utf8');
    const mapped = rule.text(text);
    edited = mapped === text ? value : Buffer.from(mapped, 'utf8');
  }
  if (edited === undefined) return undefined;
  return equalBytes(edited, value) ? bytes.subarray(field.start, field.end) : bytesField(field.number, edited);
}

/** The message with `rules` applied; the very same array when nothing changed. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function editMessage(bytes: Uint8Array, rules: WireRules): Uint8Array {
  const parts: Uint8Array[] = [];
  let changed = false;
  for (const field of readFields(bytes)) {
    const rule = rules[field.number];
    const original = bytes.subarray(field.start, field.end);
    const part = rule === undefined ? original : editField(bytes, field, rule);
    if (part === undefined) changed = true;
    else {
      if (part.byteOffset !== original.byteOffset || part.buffer !== original.buffer) changed = true;
      parts.push(part);
    }
  }
  return changed ? concatBytes(...parts) : bytes;
}

/**
 * The message with exactly one occurrence of a varint field, of this value: replaced where it stood, else inserted
 * before the first field of a greater number. `present` false removes it.
 */
export function setVarint(bytes: Uint8Array, number: number, value: number, present = true): Uint8Array {
  return setField(bytes, number, present ? varintField(number, value) : undefined);
}

/** As setVarint, for an encoded field; undefined removes the field. */
export function setField(bytes: Uint8Array, number: number, encoded: Uint8Array | undefined): Uint8Array {
  const fields = readFields(bytes);
  const parts: Uint8Array[] = [];
  const known = fields.some((field) => field.number === number);
  let pending = encoded;
  for (const field of fields) {
    const here = field.number === number;
    if (pending !== undefined && (here || (!known && field.number > number))) {
      parts.push(pending);
      pending = undefined;
    }
    if (!here) parts.push(bytes.subarray(field.start, field.end));
  }
  if (pending !== undefined) parts.push(pending);
  const edited = concatBytes(...parts);
  return equalBytes(edited, bytes) ? bytes : edited;
}

/** Every value of a repeated varint field, packed or not. */
export function readVarints(bytes: Uint8Array, number: number): number[] {
  const values: number[] = [];
  for (const field of readFields(bytes)) {
    if (field.number !== number) continue;
    for (let offset = field.valueStart; offset < field.end; ) {
      const item = readVarint(bytes, offset);
      values.push(item.value);
      offset = item.offset;
      if (field.wireType === 0) break;
    }
  }
  return values;
}
