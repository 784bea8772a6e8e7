import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSpanvaultError } from '#src/fault/index.js';
import {
  parseStatement,
  parseStatements,
  printStatement,
  type Statement,
  splitStatements,
} from '#src/statements/index.js';
import { runScript } from '../support/datadriven.js';
import { statements } from './arbitrary.js';

const TESTDATA = join(import.meta.dirname, 'testdata');
const SEED = resolve(import.meta.dirname, '../../../shared/reference/seed-locality-aware-backups.md');

function json(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
}

function parsed(text: string): string {
  try {
    return parseStatements(text)
      .map(({ statement }) => json(statement))
      .join('\n');
  } catch (error) {
    if (!isSpanvaultError(error)) throw error;
    const source = error.details.source;
    const hint = error.hint === undefined ? '' : `\nhint: ${error.hint}`;
    return `${error.code} ${error.message}${hint}${source === undefined ? '' : `\n${source}`}`;
  }
}

/** `parse` shows the typed statements or the whole error, `print` the canonical redacted text, `split` pieces and rest. */
const COMMANDS: Readonly<Record<string, (text: string) => string>> = {
  parse: parsed,
  print: (text) =>
    parseStatements(text)
      .map(({ statement }) => printStatement(statement))
      .join('\n'),
  split: (text) => json(splitStatements(text)),
};

describe('scripts', () => {
  test.each(readdirSync(TESTDATA))('%s', (name) => {
    const wrong = runScript(join(TESTDATA, name), ({ command, input }) => COMMANDS[command]!(input.join('\n')));
    expect(wrong).toEqual([]);
  });
});

test('a printed statement parses back to an equal one', () => {
  fc.assert(
    fc.property(statements, (statement) => {
      expect(parseStatement(printStatement(statement, { redact: false }))).toEqual(statement);
    }),
    { numRuns: 500 },
  );
});

test('a statement is the same in any case of its words, with any white space and comments between them', () => {
  const space = fc.constantFrom(' ', '\n', '\t ', ' -- note; still a comment\n', '/* a /* nested */ ; */', ' \\\n  ');
  fc.assert(
    fc.property(
      statements,
      fc.array(space, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (statement, spaces, lower) => {
        let next = 0;
        const text = printStatement(statement, { redact: false })
          .split(/('(?:[^']|'')*'|"(?:[^"]|"")*"| )/)
          .map((part) => {
            if (part === ' ') return spaces[next++ % spaces.length]!;
            return lower && !/^['"]/.test(part) && !part.includes('x') ? part.toLowerCase() : part;
          })
          .join('');
        expect(parseStatement(`${text};`)).toEqual(statement);
      },
    ),
    { numRuns: 300 },
  );
});

test('any text gives statements or a syntax error, and splitting loses nothing', () => {
  const word = fc.constantFrom(
    'BACKUP',
    'INTO',
    'SELECT',
    "'a'",
    '"b"',
    '(',
    ')',
    ',',
    ';',
    '*',
    'FROM',
    'x',
    '1',
    "'",
    '"',
    '/*',
    '*/',
    '--',
    '\n',
    'é',
    '{',
    'WITH',
    '\\',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      ),
      (text) => {
        const { complete, rest } = splitStatements(text);
        for (const piece of complete) expect(piece.endsWith(';')).toBe(true);
        expect(text.endsWith(rest) || rest === '').toBe(true);
        try {
          for (const one of parseStatements(text)) expect(text.startsWith(one.text, one.offset)).toBe(true);
        } catch (error) {
          expect(isSpanvaultError(error) && error.class).toBe('usage');
        }
      },
    ),
    { numRuns: 500 },
  );
});

/** The document's own statements: its `sql` blocks without the markers around them. */
function seedStatements(): string[] {
  const text = readFileSync(SEED, 'utf8');
  return [...text.matchAll(/^\s*~~~ ?sql\n([\s\S]*?)^\s*~~~$/gm)].map((match) => match[1]!);
}

function readable(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

describe.skipIf(!readable(SEED))('the seed document (skipped where ../shared is absent)', () => {
  test('every statement parses verbatim', () => {
    const blocks = seedStatements();
    const kinds = blocks.flatMap((block) =>
      parseStatements(block).map(({ statement }: { statement: Statement }) => statement.kind),
    );
    expect(blocks.length).toBe(16);
    expect(kinds).toEqual([
      'backup',
      'restore',
      'showLocality',
      ...['configureZone', 'configureZone', 'configureZone'],
      ...['backup', 'restore', 'backup', 'backup', 'backup', 'backup', 'restore'],
      ...['unsupported', 'restore', 'insert', 'dropTables', 'unsupported'],
    ]);
  });
});
