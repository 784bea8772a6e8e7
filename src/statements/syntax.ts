import { SpanvaultError } from '../fault/index.js';

/** One token for messages and for finding a statement's end; comments and white space are tokens of kind `space`. */
interface Token {
  readonly kind: 'space' | 'text' | 'semicolon' | 'open';
  readonly start: number;
  readonly end: number;
}

const TOKEN =
  /(?<space>[\s\u00a0\ufeff]+|--[^\n]*|\\[ \t]*\r?\n)|(?<semicolon>;)|(?<text>[eE]'(?:[^'\\]|\\[\s\S]|'')*'|(?:[bBxX])?'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[\d.]+(?:[eE][+-]?\d+)?|[^'"])/uy;

/** The token at `start`; `open` when a quote or a comment is not closed before the end of the text. */
function tokenAt(text: string, start: number): Token {
  if (text.startsWith('/*', start)) {
    const end = commentEnd(text, start);
    return end < 0 ? { kind: 'open', start, end: text.length } : { kind: 'space', start, end };
  }
  TOKEN.lastIndex = start;
  const groups = TOKEN.exec(text)?.groups;
  if (groups === undefined) return { kind: 'open', start, end: text.length };
  const kind = groups.space !== undefined ? 'space' : groups.semicolon !== undefined ? 'semicolon' : 'text';
  return { kind, start, end: TOKEN.lastIndex };
}

/** End of the block comment at `start` (they nest), or -1. */
function commentEnd(text: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return -1;
}

/** Finished statements of a growing input and what is left over, for prompts that read line by line. */
export interface Split {
  /** Texts up to and with their semicolon, blank ones left out. */
  readonly complete: readonly string[];
  /** What follows the last semicolon; empty when only white space and comments do. */
  readonly rest: string;
}

/** Cuts a text at its top-level semicolons; those inside quotes and comments do not count. */
export function splitStatements(text: string): Split {
  const complete: string[] = [];
  let start = 0;
  let blank = true;
  for (let at = 0; at < text.length; ) {
    const token = tokenAt(text, at);
    at = token.end;
    if (token.kind === 'semicolon') {
      if (!blank) complete.push(text.slice(start, at).trim());
      start = at;
      blank = true;
    } else if (token.kind !== 'space') blank = false;
  }
  return { complete, rest: blank ? '' : text.slice(start).trimStart() };
}

/** Line and column, both from 1, of an offset. */
function position(
  text: string,
  offset: number,
): { readonly line: number; readonly column: number; readonly lineText: string } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  const lineEnd = text.indexOf('\n', offset);
  return {
    line: before.split('\n').length,
    column: offset - lineStart + 1,
    lineText: text.slice(lineStart, lineEnd < 0 ? text.length : lineEnd).replaceAll('\t', ' '),
  };
}

/** The word or symbol at an offset, for `at or near "…"`. */
function wordAt(text: string, offset: number): string {
  if (offset >= text.length) return 'EOF';
  const token = tokenAt(text, offset);
  const word = text.slice(offset, token.end);
  return word.length > 40 ? `${word.slice(0, 40)}…` : word;
}

/** Hides what a syntax error must not print, keeping every column in place: query parameters of URIs, and passphrases. */
function redactLine(line: string): string {
  const hide = (secret: string): string => '…'.repeat(secret.length);
  return line
    .replace(/\?([^'"\s)]+)/g, (_, query: string) => `?${hide(query)}`)
    .replace(/(passphrase\s*=\s*e?')([^']*)/gi, (_, lead: string, secret: string) => `${lead}${hide(secret)}`);
}

/**
 * A syntax error in CockroachDB's words. The hint lists what was expected; `details` has line, column (from 1) and a
 * picture of the source with a caret.
 */
export function syntaxError(
  source: string,
  offset: number,
  expected: readonly string[],
  reason?: string,
): SpanvaultError {
  const { line, column, lineText } = position(source, offset);
  if (reason === undefined && offset < source.length && tokenAt(source, offset).kind === 'open') {
    reason = source.startsWith('/*', offset) ? 'unterminated comment' : 'unterminated quote';
  }
  const sentence = `at or near "${redactLine(wordAt(source, offset))}": syntax error${reason === undefined ? '' : `: ${reason}`} (line ${line}, column ${column})`;
  return new SpanvaultError('SV_SYNTAX', sentence, {
    details: { line, column, source: `${redactLine(lineText)}\n${' '.repeat(column - 1)}^` },
    ...(expected.length === 0 ? {} : { hint: `expected ${orList(expected)}` }),
  });
}

/** `a, b or c`; punctuation is quoted. */
function orList(expected: readonly string[]): string {
  const names = expected.map((name) => (/\w/.test(name) ? name : `"${name}"`));
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
