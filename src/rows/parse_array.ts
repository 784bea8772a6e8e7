import { SpanvaultError } from '../fault/index.js';

// Only ASCII blanks separate; other Unicode spaces are part of an element.
const UNQUOTED = /[^{},"\\ \t-\r][^{},"\\]*/y;
const TRAILING_BLANKS = /[ \t-\r]+$/;

function malformed(text: string): SpanvaultError {
  return new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as type array: malformed array`);
}

/** Elements of `{a,"b c",NULL}` as texts, null for an unquoted NULL. Nested arrays are refused. @throws SpanvaultError SV_USAGE */
export function parseArrayText(text: string): (string | null)[] {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) throw malformed(text);
  const elements: (string | null)[] = [];
  let at = skipSpace(trimmed, 1);
  if (at === trimmed.length - 1) return elements;
  for (;;) {
    const { element, next } = readElement(trimmed, at, text);
    elements.push(element);
    at = skipSpace(trimmed, next);
    if (trimmed[at] === '}' && at === trimmed.length - 1) return elements;
    if (trimmed[at] !== ',') throw malformed(text);
    at = skipSpace(trimmed, at + 1);
  }
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && /[ \t-\r]/.test(text[at]!)) at++;
  return at;
}

function readElement(
  text: string,
  at: number,
  whole: string,
): { readonly element: string | null; readonly next: number } {
  if (text[at] === '"') return readQuoted(text, at + 1, whole);
  UNQUOTED.lastIndex = at;
  const found = UNQUOTED.exec(text)?.[0].replace(TRAILING_BLANKS, '');
  if (found === undefined) throw malformed(whole);
  return { element: /^null$/i.test(found) ? null : found, next: at + found.length };
}

function readQuoted(text: string, at: number, whole: string): { readonly element: string; readonly next: number } {
  let element = '';
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') return { element, next: at + 1 };
    if (char === '\\') at++;
    element += text[at] ?? '';
  }
  throw malformed(whole);
}
