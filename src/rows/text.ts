import { SpanvaultError } from '../fault/index.js';
import { toHex } from '../keys/index.js';
import type { ArrayDatum, Box2dDatum, Datum, TaggedDatum, TupleDatum } from './datum.js';
import { decimalText } from './decimal.js';
import { floatElementText, floatPlainText, floatText } from './float_text.js';
import { inetText } from './inet.js';
import { jsonText } from './json.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';
import { dateText, intervalText, timestampText, timeText, timeTzText } from './time_text.js';

/**
 * The text that CockroachDB's `datum::STRING` prints; NULL is the bare word. `type` matters only for vectors
 * (INT2VECTOR, OIDVECTOR), which print without braces.
 */
export function datumText(datum: Datum, type?: ColumnType): string {
  if (datum === null) return 'NULL';
  switch (typeof datum) {
    case 'string':
      return datum;
    case 'bigint':
      return datum.toString();
    case 'boolean':
      return datum ? 'true' : 'false';
    case 'number':
      return floatText(datum);
    default:
      return datum instanceof Uint8Array ? bytesText(datum) : taggedText(datum, type);
  }
}

/** `\x00ff`. */
export function bytesText(bytes: Uint8Array): string {
  return `\\x${toHex(bytes)}`;
}

function uuidText(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function boxText({ loX, loY, hiX, hiY }: Box2dDatum): string {
  return `BOX(${[loX, loY].map(floatPlainText).join(' ')},${[hiX, hiY].map(floatPlainText).join(' ')})`;
}

function taggedText(datum: TaggedDatum, type: ColumnType | undefined): string {
  switch (datum.kind) {
    case 'decimal':
      return decimalText(datum);
    case 'date':
      return dateText(datum.days);
    case 'time':
      return timeText(datum.micros);
    case 'timetz':
      return timeTzText(datum);
    case 'timestamp':
    case 'timestamptz':
      return timestampText(datum);
    case 'interval':
      return intervalText(datum);
    case 'uuid':
      return uuidText(datum.bytes);
    case 'inet':
      return inetText(datum);
    case 'json':
      return jsonText(datum.value);
    case 'array':
      return arrayText(datum, type);
    case 'tuple':
      return tupleText(datum);
    case 'enum':
      return datum.logical ?? bytesText(datum.physical);
    case 'bits':
      return datum.bits;
    case 'geo':
      return toHex(datum.ewkb).toUpperCase();
    case 'oid':
      return datum.oid.toString();
    case 'box2d':
      return boxText(datum);
    case 'collated':
      return datum.text;
    case 'void':
      return '';
    case 'unknown':
      throw new SpanvaultError('SV_NOT_SUPPORTED', `a value cannot be printed: ${datum.reason}`);
  }
}

const ARRAY_QUOTED = /^$|^null$|[ \t\v\f\r\n{},"\\]/i;
const TUPLE_QUOTED = /^$|[ \t\v\f\r\n(),"\\]/;

function arrayText({ elements }: ArrayDatum, type: ColumnType | undefined): string {
  if (type?.family === TYPE_FAMILY.int2vector || type?.family === TYPE_FAMILY.oidvector || isVectorOid(type)) {
    return elements.map((element) => datumText(element)).join(' ');
  }
  return `{${elements.map(arrayElementText).join(',')}}`;
}

function isVectorOid(type: ColumnType | undefined): boolean {
  return type?.oid === 22 || type?.oid === 30;
}

/** Text of an element before quoting: booleans are one letter, floats always show that they are floats. */
function elementText(element: Exclude<Datum, null>): string {
  if (typeof element === 'boolean') return element ? 't' : 'f';
  if (typeof element === 'number') return floatElementText(element);
  return datumText(element);
}

function arrayElementText(element: Datum): string {
  if (element === null) return 'NULL';
  if (element instanceof Uint8Array) return `"\\${bytesText(element)}"`;
  const text = elementText(element);
  return ARRAY_QUOTED.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
}

function tupleText({ elements }: TupleDatum): string {
  const parts = elements.map((element) => {
    if (element === null) return '';
    if (element instanceof Uint8Array) return `"\\${bytesText(element)}"`;
    const text = elementText(element);
    return TUPLE_QUOTED.test(text) ? `"${text.replace(/["\\]/g, '$&$&')}"` : text;
  });
  return `(${parts.join(',')})`;
}
