import { compareBytes } from '../keys/index.js';
import type { Decimal } from './datum.js';
import { decimalText } from './decimal.js';

/** A JSON value; numbers keep their exact decimal. */
export type Json = null | boolean | string | Decimal | readonly Json[] | JsonObject;

/** Members sorted by the bytes of their keys, each key once. */
export interface JsonObject {
  readonly kind: 'object';
  readonly entries: readonly (readonly [string, Json])[];
}

/** Sorts members as CockroachDB stores them; of equal keys the last one stays. */
export function makeJsonObject(entries: readonly (readonly [string, Json])[]): JsonObject {
  const byKey = new Map<string, Json>();
  for (const [key, value] of entries) byKey.set(key, value);
  const sorted = [...byKey.entries()].map(([key, value]) => ({ bytes: Buffer.from(key), key, value }));
  sorted.sort((a, b) => compareBytes(a.bytes, b.bytes));
  return { kind: 'object', entries: sorted.map(({ key, value }) => [key, value] as const) };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that JSON escapes
const ESCAPED = /["\\\u0000-\u001f]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A quoted string; control characters other than \n \r \t become \u00xx (CockroachDB knows no \b and \f). */
function stringText(text: string): string {
  return `"${text.replace(ESCAPED, (c) => SHORT_ESCAPES[c] ?? `\\u00${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}

/** The text that CockroachDB prints: `{"a": [1, 2], "b": null}`. */
export function jsonText(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return stringText(value);
  if (isJsonArray(value)) return `[${value.map(jsonText).join(', ')}]`;
  if (value.kind === 'decimal') return value.form === 'finite' ? decimalText(value) : `"${decimalText(value)}"`;
  return `{${value.entries.map(([key, member]) => `${stringText(key)}: ${jsonText(member)}`).join(', ')}}`;
}

/** Narrowing that Array.isArray does not give for readonly arrays. */
export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
