import { isSpanvaultError, SpanvaultError } from '../fault/index.js';
import * as grammar from './generated/grammar.js';
import type { Statement } from './statement.js';
import { syntaxError } from './syntax.js';

/** A statement with the text it was read from. */
export interface ParsedStatement {
  readonly statement: Statement;
  /** Without its semicolon. */
  readonly text: string;
  /** Of the text's first character in the input. */
  readonly offset: number;
}

/** What the generated parser throws. */
interface GrammarFault {
  readonly name: 'SyntaxError';
  readonly location: { readonly start: { readonly offset: number } };
  readonly expected: readonly { readonly type: string; readonly description?: string; readonly text?: string }[] | null;
}

function isGrammarFault(error: unknown): error is GrammarFault {
  return error instanceof grammar.SyntaxError && 'location' in error && 'expected' in error;
}

/** Longest text that is parsed; statements are typed or generated, never data. */
const MAX_TEXT = 4 * 1024 * 1024;

/** What a hint lists at most; a longer list helps nobody. */
const MAX_EXPECTED = 14;

/** Names of grammar rules that no hint needs: what may stand anywhere, and what would not run. */
const QUIET = ['', 'white space', 'another clause', 'another statement'] as const;

/** What a hint lists where any statement may begin. */
const STATEMENTS = [
  'BACKUP',
  'RESTORE',
  'SHOW',
  'SELECT',
  'INSERT',
  'UPSERT',
  'UPDATE',
  'DELETE',
  'CREATE',
  'ALTER',
  'TRUNCATE',
  'DROP',
  'USE',
] as const;

/**
 * Parses a text of any number of statements, all of it before anything runs.
 * @throws SpanvaultError SV_SYNTAX with position and what was expected; SV_USAGE for a bad time; SV_LIMIT for a text over 4 MiB
 */
export function parseStatements(text: string): readonly ParsedStatement[] {
  if (text.length > MAX_TEXT) {
    throw new SpanvaultError(
      'SV_LIMIT',
      `a text of ${text.length} characters exceeds the limit of ${MAX_TEXT} for statements`,
    );
  }
  try {
    return grammar.parse(text) as readonly ParsedStatement[];
  } catch (error) {
    if (isSpanvaultError(error)) throw error;
    if (isGrammarFault(error)) throw syntaxError(text, error.location.start.offset, expectedNames(error));
    throw new SpanvaultError('SV_INTERNAL', 'the parser failed on a text', { cause: error });
  }
}

/**
 * Parses exactly one statement; its semicolon is optional.
 * @throws SpanvaultError as parseStatements, and SV_SYNTAX when there is none or more than one
 */
export function parseStatement(text: string): Statement {
  const [first, second] = parseStatements(text);
  if (first === undefined) throw syntaxError(text, text.length, ['a statement']);
  if (second !== undefined) throw syntaxError(text, second.offset, ['the end'], 'one statement at a time');
  return first.statement;
}

/** What may stand at the offset, the likeliest names only. */
function expectedNames(fault: GrammarFault): readonly string[] {
  const names = new Set(
    (fault.expected ?? []).map((one) => (one.type === 'end' ? 'the end' : (one.description ?? one.text ?? ''))),
  );
  for (const quiet of QUIET) names.delete(quiet);
  if (names.has('BACKUP') && names.has('SELECT')) return STATEMENTS;
  const sorted = [...names].sort((a, b) => Number(/^[A-Z]/.test(a)) - Number(/^[A-Z]/.test(b)) || (a < b ? -1 : 1));
  return sorted.length <= MAX_EXPECTED ? sorted : [...sorted.slice(0, MAX_EXPECTED - 1), 'others'];
}
