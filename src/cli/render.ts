import type { Cell, Column, Result, Row } from '../statements/index.js';
import { cellLines, padCell, textWidth } from './cells.js';

/** How rows are written. */
export const FORMATS = ['table', 'csv', 'json'] as const;
export type Format = (typeof FORMATS)[number];

/** Text pieces of a result, each ending in a newline. csv and json stream; a table waits for its last row to know its widths. */
export function renderResult(result: Result, format: Format): AsyncIterable<string> {
  if (format === 'csv') return renderCsv(result);
  return format === 'json' ? renderJson(result) : renderTable(result);
}

async function* renderTable(result: Result): AsyncGenerator<string, void, undefined> {
  if (result.columns.length === 0) {
    yield `${result.tag}\n`;
    return;
  }
  const rows: Row[] = [];
  for await (const row of result.rows) rows.push(row);
  yield* tableLines(result.columns, rows);
  yield `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})\n`;
}

/** Lines of a table as `cockroach sql` draws it: centred headers, numbers to the right, cells of several lines. */
export function* tableLines(columns: readonly Column[], rows: readonly Row[]): Generator<string, void, undefined> {
  const lines = rows.map((row) => row.map((cell) => cellLines(cell ?? 'NULL')));
  const widths = columns.map(({ name }, index) =>
    Math.max(textWidth(name), ...lines.map((row) => widest(row[index] ?? []))),
  );
  const last = columns.length - 1;
  yield drawLine(columns.map(({ name }, index) => padCell(name, widths[index]!, 'centre')));
  yield `${widths.map((width, index) => '-'.repeat(width + (index === 0 ? 2 : 1) + (index === last ? 2 : 1))).join('+')}\n`;
  for (const row of lines) {
    const height = Math.max(1, ...row.map((cell) => cell.length));
    for (let line = 0; line < height; line++) {
      yield drawLine(
        columns.map(({ numeric }, index) =>
          padCell(row[index]?.[line] ?? '', widths[index]!, numeric ? 'right' : 'left'),
        ),
      );
    }
  }
}

function widest(lines: readonly string[]): number {
  return lines.reduce((most, line) => Math.max(most, textWidth(line)), 0);
}

function drawLine(cells: readonly string[]): string {
  return `${`  ${cells.join(' | ')}`.trimEnd()}\n`;
}

/** A field as CockroachDB's CSV (Go's encoding/csv) writes it: quotes only where they are needed, NULL as the bare word. */
export function csvField(cell: Cell): string {
  if (cell === null) return 'NULL';
  if (cell === '\\.' || /[",\r\n]|^[\s\u0085]/u.test(cell)) return `"${cell.replaceAll('"', '""')}"`;
  return cell;
}

async function* renderCsv(result: Result): AsyncGenerator<string, void, undefined> {
  if (result.columns.length === 0) {
    yield `${result.tag}\n`;
    return;
  }
  yield `${result.columns.map(({ name }) => csvField(name)).join(',')}\n`;
  for await (const row of result.rows) yield `${row.map(csvField).join(',')}\n`;
}

/** One object per row, values as SQL text, NULL as null; a statement without rows gives its tag. */
async function* renderJson(result: Result): AsyncGenerator<string, void, undefined> {
  if (result.columns.length === 0) {
    yield `${JSON.stringify({ tag: result.tag })}\n`;
    return;
  }
  for await (const row of result.rows) {
    yield `${JSON.stringify(Object.fromEntries(result.columns.map(({ name }, index) => [name, row[index] ?? null])))}\n`;
  }
}
