import { SpanvaultError } from '../fault/index.js';
import type { Datum } from './datum.js';
import { limitDecimal, parseDecimal } from './decimal.js';
import { parseInet } from './inet.js';
import { parseJson } from './json_parse.js';
import { parseArrayText } from './parse_array.js';
import { parseInterval } from './parse_interval.js';
import { parseDate, parseTime, parseTimestamp, parseTimeTz } from './parse_time.js';
import { type ColumnType, TYPE_FAMILY, TYPE_OID } from './schema.js';
import { typeName } from './type_name.js';

/**
 * The datum that a SQL literal's text (quotes and escapes already undone) denotes in a column of this type: the inverse
 * of datumText. Widths, scales and precisions are applied as an INSERT does.
 * @throws SpanvaultError SV_USAGE when the text does not parse, SV_CONSTRAINT when the value does not fit the type,
 * SV_NOT_SUPPORTED for types without literals here (GEOMETRY, GEOGRAPHY, BOX2D, tuples and newer ones)
 */
export function parseDatum(text: string, type: ColumnType): Datum {
  switch (type.family) {
    case TYPE_FAMILY.bool:
      return parseBool(text);
    case TYPE_FAMILY.int:
      return parseInt64(text, type);
    case TYPE_FAMILY.float:
      return parseFloat64(text);
    case TYPE_FAMILY.decimal:
      return limitDecimal(parseDecimal(text), type.precision, type.width);
    case TYPE_FAMILY.date:
      return parseDate(text);
    case TYPE_FAMILY.time:
      return parseTime(text, type);
    case TYPE_FAMILY.timetz:
      return parseTimeTz(text, type);
    case TYPE_FAMILY.timestamp:
      return parseTimestamp(text, 'timestamp', type);
    case TYPE_FAMILY.timestamptz:
      return parseTimestamp(text, 'timestamptz', type);
    case TYPE_FAMILY.interval:
      return parseInterval(text);
    case TYPE_FAMILY.string:
      return limitText(text, type);
    case TYPE_FAMILY.name:
      return text;
    case TYPE_FAMILY.collatedString:
      return { kind: 'collated', text: limitText(text, type), sortKey: undefined };
    case TYPE_FAMILY.bytes:
      return parseBytes(text);
    case TYPE_FAMILY.uuid:
      return parseUuid(text);
    case TYPE_FAMILY.inet:
      return parseInet(text);
    case TYPE_FAMILY.json:
      return { kind: 'json', value: parseJson(text) };
    case TYPE_FAMILY.oid:
      return { kind: 'oid', oid: parseOid(text) };
    case TYPE_FAMILY.enum:
      return parseEnum(text, type);
    case TYPE_FAMILY.bit:
      return parseBits(text, type);
    case TYPE_FAMILY.array:
      return parseArray(text, type);
    default:
      throw new SpanvaultError('SV_NOT_SUPPORTED', `literals of type ${typeName(type)} are not supported yet`);
  }
}

function unparsed(text: string, type: string): SpanvaultError {
  return new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as type ${type}`);
}

function parseBool(text: string): boolean {
  switch (text.trim().toLowerCase()) {
    case 'true':
    case 't':
    case 'yes':
    case 'y':
    case 'on':
    case '1':
      return true;
    case 'false':
    case 'f':
    case 'no':
    case 'n':
    case 'off':
    case '0':
      return false;
    default:
      throw unparsed(text, 'bool');
  }
}

function parseInt64(text: string, type: ColumnType): bigint {
  const trimmed = text.trim();
  if (!/^[+-]?\d{1,40}$/.test(trimmed)) throw unparsed(text, 'int');
  const value = trimmed.startsWith('+') ? BigInt(trimmed.slice(1)) : BigInt(trimmed);
  const bits = type.width > 0 && type.width < 64 ? type.width : 64;
  if (BigInt.asIntN(bits, value) !== value) {
    throw new SpanvaultError('SV_CONSTRAINT', `integer out of range for type int${bits / 8}`);
  }
  return value;
}

function parseOid(text: string): bigint {
  const trimmed = text.trim();
  if (!/^-?\d{1,19}$/.test(trimmed)) throw unparsed(text, 'oid');
  const value = BigInt(trimmed);
  if (value < -(2n ** 31n) || value >= 2n ** 32n)
    throw new SpanvaultError('SV_CONSTRAINT', `OID out of range: ${value}`);
  return BigInt.asUintN(32, value);
}

function parseFloat64(text: string): number {
  const trimmed = text.trim().toLowerCase();
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(trimmed);
  if (special !== null) {
    if (special[2] === 'nan') return Number.NaN;
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(trimmed)) throw unparsed(text, 'float');
  const value = Number(trimmed);
  if (!Number.isFinite(value)) throw unparsed(text, 'float');
  return value;
}

/** Counts characters, as CockroachDB does; CHAR drops trailing blanks. */
function limitText(text: string, type: ColumnType): string {
  const kept = type.oid === TYPE_OID.bpchar ? text.replace(/ +$/, '') : text;
  if (type.width > 0 && kept.length > type.width && [...kept].length > type.width) {
    throw new SpanvaultError('SV_CONSTRAINT', `value too long for type ${typeName(type)}`);
  }
  return kept;
}

/** `\x00ff` is hexadecimal; otherwise `\\` is a backslash, `\ooo` an octal byte, the rest UTF-8. */
function parseBytes(text: string): Uint8Array {
  if (/^\\x/i.test(text)) {
    const hex = text.slice(2);
    if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(hex)) throw unparsed(text, 'bytes');
    return Uint8Array.from(Buffer.from(hex, 'hex'));
  }
  const parts: Uint8Array[] = [];
  for (const [piece] of text.matchAll(/[^\\]+|\\\\|\\[0-3][0-7]{2}|\\/g)) {
    if (piece === '\\') throw unparsed(text, 'bytes');
    if (piece === '\\\\') parts.push(Uint8Array.of(0x5c));
    else if (piece.startsWith('\\')) parts.push(Uint8Array.of(Number.parseInt(piece.slice(1), 8)));
    else parts.push(Buffer.from(piece));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function parseUuid(text: string): Datum {
  const bare = text
    .trim()
    .replace(/^urn:uuid:/i, '')
    .replace(/^\{(.*)\}$/, '$1')
    .replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(bare)) throw unparsed(text, 'uuid');
  return { kind: 'uuid', bytes: Uint8Array.from(Buffer.from(bare, 'hex')) };
}

function parseEnum(text: string, type: ColumnType): Datum {
  const member = type.enumMembers?.find(({ logical }) => logical === text);
  if (member === undefined) {
    throw new SpanvaultError('SV_USAGE', `invalid input value for enum: ${JSON.stringify(text)}`);
  }
  return { kind: 'enum', physical: member.physical, logical: member.logical };
}

function parseBits(text: string, type: ColumnType): Datum {
  const bits = text.trim();
  if (!/^[01]*$/.test(bits)) throw unparsed(text, 'varbit');
  if (type.width > 0 && type.oid === TYPE_OID.varbit && bits.length > type.width) {
    throw new SpanvaultError('SV_CONSTRAINT', `bit string length ${bits.length} too large for type ${typeName(type)}`);
  }
  if (type.width > 0 && type.oid !== TYPE_OID.varbit && bits.length !== type.width) {
    throw new SpanvaultError('SV_CONSTRAINT', `bit string length ${bits.length} does not match type ${typeName(type)}`);
  }
  return { kind: 'bits', bits };
}

function parseArray(text: string, type: ColumnType): Datum {
  const { arrayContents } = type;
  if (arrayContents === undefined)
    throw new SpanvaultError('SV_NOT_SUPPORTED', 'an array without element type is not supported');
  const elements = parseArrayText(text).map((element) =>
    element === null ? null : parseDatum(element, arrayContents),
  );
  return { kind: 'array', elements };
}
