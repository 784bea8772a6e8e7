import { join } from 'node:path';
import { expect, test } from 'vitest';
import { printBytes, printDuration } from '#src/cli/quantities.js';
import { csvField, type Format, renderResult } from '#src/cli/render.js';
import type { Result } from '#src/statements/index.js';
import { runScript, type ScriptCase } from '../support/datadriven.js';

const TESTDATA = join(import.meta.dirname, 'testdata');

function resultOf(input: readonly string[]): Result {
  const [head = '', ...lines] = input;
  const columns = head
    .split('|')
    .map((name) => (name.endsWith('#') ? { name: name.slice(0, -1), numeric: true } : { name }));
  const cell = (text: string): string | null =>
    text === '∅' ? null : text.replaceAll('⏎', '\n').replaceAll('⇥', '\t');
  return { columns, rows: lines.map((line) => line.split('|').map(cell)), tag: 'SELECT', notices: [] };
}

async function rendered(result: Result, format: Format): Promise<string> {
  let text = '';
  for await (const piece of renderResult(result, format)) text += piece;
  // A script's output cannot hold an empty line; none of the formats writes one.
  return text.replace(/\n$/, '');
}

test('render.txt', async () => {
  const path = join(TESTDATA, 'render.txt');
  const outputs = new Map<string, string>();
  const keyOf = ({ command, args, input }: ScriptCase): string => [command, ...args, ...input].join('\n');
  const cases: ScriptCase[] = [];
  runScript(path, (one) => {
    cases.push(one);
    return one.expected;
  });
  for (const one of cases) {
    const result =
      one.command === 'tag' ? { columns: [], rows: [], tag: one.input[0]!, notices: [] } : resultOf(one.input);
    outputs.set(keyOf(one), await rendered(result, one.args[0] as Format));
  }
  expect(runScript(path, (one) => outputs.get(keyOf(one))!)).toEqual([]);
});

test('a CSV field reads back as it was', () => {
  const unquote = (field: string): string => (field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
  for (const text of ['', 'a', 'a"b', 'a,b', '\n', ' x', '"', '""', '\\.', 'NULL'])
    expect(unquote(csvField(text))).toBe(text);
  expect(csvField(null)).toBe('NULL');
});

test('rows of an asynchronous result are written as they come', async () => {
  const seen: string[] = [];
  async function* rows() {
    for (const id of ['1', '2']) {
      seen.push(`made ${id}`);
      yield [id];
    }
  }
  for await (const text of renderResult({ columns: [{ name: 'id' }], rows: rows(), tag: '', notices: [] }, 'csv'))
    seen.push(text);
  expect(seen).toEqual(['id\n', 'made 1', '1\n', 'made 2', '2\n']);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [9_994_999, '9.99 MB'],
  [12_345_678, '12.3 MB'],
  [999_600_000, '1.00 GB'],
])('%d bytes print as %s', (bytes, text) => {
  expect(printBytes(bytes)).toBe(text);
});

test.each([
  [0.04, '0.0 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.6, '1 min 0 s'],
  [3725, '1 h 2 min'],
])('%d seconds print as %s', (seconds, text) => {
  expect(printDuration(seconds)).toBe(text);
});
