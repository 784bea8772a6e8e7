import { SpanvaultError } from '../fault/index.js';
import type { Datum } from './datum.js';
import { floatElementText } from './float_text.js';
import { parseDatum } from './parse.js';
import { type ColumnType, TYPE_FAMILY } from './schema.js';
import { datumText } from './text.js';

/*
 * Constants inside serialized expressions, as CockroachDB 21.1 stores a DEFAULT: every constant with its type, `7:::INT8`,
 * `e'it\'s':::STRING`, `ARRAY[1:::INT8,2:::INT8]:::INT8[]`.
 */

/** Names that annotate a constant: those of the family, without width or precision. */
const ANNOTATIONS: Readonly<Record<number, string>> = {
  [TYPE_FAMILY.int]: 'INT8',
  [TYPE_FAMILY.float]: 'FLOAT8',
  [TYPE_FAMILY.decimal]: 'DECIMAL',
  [TYPE_FAMILY.date]: 'DATE',
  [TYPE_FAMILY.time]: 'TIME',
  [TYPE_FAMILY.timetz]: 'TIMETZ',
  [TYPE_FAMILY.timestamp]: 'TIMESTAMP',
  [TYPE_FAMILY.timestamptz]: 'TIMESTAMPTZ',
  [TYPE_FAMILY.interval]: 'INTERVAL',
  [TYPE_FAMILY.string]: 'STRING',
  [TYPE_FAMILY.name]: 'NAME',
  [TYPE_FAMILY.bytes]: 'BYTES',
  [TYPE_FAMILY.uuid]: 'UUID',
  [TYPE_FAMILY.inet]: 'INET',
  [TYPE_FAMILY.json]: 'JSONB',
  [TYPE_FAMILY.oid]: 'OID',
};

const LETTERS: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
  "'": "\\'",
};

/** A string literal as CockroachDB writes it: bare when it is plain ASCII without quotes, else `e'…'` with escapes. */
export function encodeSqlString(text: string): string {
  if (/^[\x20-\x26\x28-\x5b\x5d-\x7e]*$/.test(text)) return `'${text}'`;
  const escaped = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    if (LETTERS[character] !== undefined) return LETTERS[character];
    if (code >= 0x20 && code < 0x7f) return character;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    const hex = code.toString(16).toUpperCase();
    return code < 0x800 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
  return `e'${escaped.join('')}'`;
}

/** The type that annotates constants of a column: its own without width, precision and scale. */
export function unboundedType(type: ColumnType): ColumnType {
  const { arrayContents } = type;
  if (type.family === TYPE_FAMILY.int) return { ...type, width: 64 };
  return {
    ...type,
    width: 0,
    precision: 0,
    timePrecisionIsSet: false,
    ...(arrayContents === undefined ? {} : { arrayContents: unboundedType(arrayContents) }),
  };
}

function annotation(type: ColumnType): string {
  if (type.arrayContents !== undefined) return `${annotation(type.arrayContents)}[]`;
  const name = ANNOTATIONS[type.family];
  if (name === undefined)
    throw new SpanvaultError('SV_NOT_SUPPORTED', `constants of type family ${type.family} are not written yet`);
  return name;
}

/** A number; one that begins with a minus needs parentheses before its type. */
function numberText(text: string): string {
  if (!/^[+-]?[\d.]/.test(text)) return `'${text}'`;
  return text.startsWith('-') ? `(${text})` : text;
}

/** A constant as 21.1 stores it in an expression. @throws SpanvaultError SV_NOT_SUPPORTED for types without literals */
export function constantText(datum: Datum, type: ColumnType): string {
  if (datum === null) return 'NULL';
  if (typeof datum === 'boolean') return String(datum);
  if (typeof datum === 'object' && 'kind' in datum) {
    if (datum.kind === 'bits') return `B'${datum.bits}'`;
    if (datum.kind === 'collated') return `${encodeSqlString(datum.text)} COLLATE ${type.locale}`;
    if (datum.kind === 'array') {
      const element = type.arrayContents ?? type;
      return `ARRAY[${datum.elements.map((one) => constantText(one, element)).join(',')}]:::${annotation(type)}`;
    }
    if (datum.kind === 'decimal' || datum.kind === 'oid')
      return `${numberText(datumText(datum, type))}:::${annotation(type)}`;
  }
  if (typeof datum === 'bigint') return `${numberText(datum.toString())}:::${annotation(type)}`;
  if (typeof datum === 'number') return `${numberText(floatElementText(datum))}:::${annotation(type)}`;
  // Bytes are hexadecimal, whose backslash CockroachDB does not escape.
  if (datum instanceof Uint8Array) return `'${datumText(datum)}':::${annotation(type)}`;
  return `${encodeSqlString(datumText(datum, type))}:::${annotation(type)}`;
}

const TOKEN =
  /\s*(?:(?<open>\()|(?<array>ARRAY\s*\[)|(?<bits>B'[01]*')|(?<text>[eE]?'(?:[^'\\]|''|\\.)*')|(?<word>[-+]?[\d.]+(?:[eE][+-]?\d+)?|true\b|false\b|NULL\b))/sy;
const CAST = /\s*(?::::?\s*[A-Za-z][\w ]*(?:\([\d, ]*\))?(?:\[\])?|\s+COLLATE\s+[\w-]+)/y;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))|''/gs;
const CONTROL: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** Reads one constant; `undefined` when the text is another kind of expression. */
class ConstantReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(type: ColumnType): Datum | undefined {
    const datum = this.#value(type);
    return datum !== undefined && this.#text.slice(this.#at).trim() === '' ? datum : undefined;
  }

  #value(type: ColumnType): Datum | undefined {
    const datum = this.#bare(type);
    CAST.lastIndex = this.#at;
    for (let cast = CAST.exec(this.#text); cast !== null; cast = CAST.exec(this.#text)) this.#at = CAST.lastIndex;
    return datum;
  }

  #bare(type: ColumnType): Datum | undefined {
    TOKEN.lastIndex = this.#at;
    const groups = TOKEN.exec(this.#text)?.groups;
    if (groups === undefined) return undefined;
    this.#at = TOKEN.lastIndex;
    if (groups.open !== undefined) {
      const inner = this.#value(type);
      return this.#skip(')') ? inner : undefined;
    }
    if (groups.array !== undefined) return this.#elements(type);
    if (groups.bits !== undefined) return parseDatum(groups.bits.slice(2, -1), type);
    if (groups.text !== undefined) return parseDatum(unquote(groups.text), type);
    if (groups.word !== undefined) return groups.word === 'NULL' ? null : parseDatum(groups.word, type);
    return undefined;
  }

  #elements(type: ColumnType): Datum | undefined {
    if (type.arrayContents === undefined) return undefined;
    const elements: Datum[] = [];
    if (this.#skip(']')) return { kind: 'array', elements };
    do {
      const element = this.#value(type.arrayContents);
      if (element === undefined) return undefined;
      elements.push(element);
    } while (this.#skip(','));
    return this.#skip(']') ? { kind: 'array', elements } : undefined;
  }

  #skip(character: string): boolean {
    const rest = this.#text.slice(this.#at);
    const at = rest.search(/\S/);
    if (at < 0 || rest[at] !== character) return false;
    this.#at += at + 1;
    return true;
  }
}

function unquote(literal: string): string {
  if (literal.startsWith("'")) return literal.slice(1, -1).replaceAll("''", "'");
  return literal.slice(2, -1).replace(ESCAPE, (whole, x, u, wide, octal, letter: string | undefined) => {
    const hex: string | undefined = x ?? u ?? wide;
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    return letter === undefined ? whole.slice(1) : (CONTROL[letter] ?? letter);
  });
}

/**
 * The value of a serialized constant in a column, undefined when the expression is no constant.
 * @throws SpanvaultError SV_USAGE, SV_CONSTRAINT when the constant does not fit the type
 */
export function readConstant(expression: string, type: ColumnType): Datum | undefined {
  return new ConstantReader(expression).whole(type);
}
