/** One bar of a group; `mark` draws a thin line at that value, for a ceiling. */
export interface Bar {
  readonly series: string;
  readonly value: number;
  readonly mark?: number;
  readonly label: string;
}

export interface BarGroup {
  readonly name: string;
  readonly bars: readonly Bar[];
}

/** One horizontal bar made of pieces. */
export interface StackedBar {
  readonly name: string;
  readonly pieces: readonly { readonly series: string; readonly value: number }[];
}

const WIDTH = 860;
const NAME_WIDTH = 210;
const LABEL_WIDTH = 220;
const BAR = 16;
const GAP = 4;
const GROUP_GAP = 16;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function colour(series: readonly string[], name: string): string {
  return `c${series.indexOf(name) % 6}`;
}

function legend(series: readonly string[], extra: string): string {
  const items = series
    .map((name) => `<span><i class="${colour(series, name)}"></i>${escapeHtml(name)}</span>`)
    .join('');
  return `<p class="legend">${items}${extra === '' ? '' : `<span><i class="mark"></i>${escapeHtml(extra)}</span>`}</p>`;
}

function svg(height: number, title: string, body: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">${body}</svg>`;
}

/** Horizontal bars in groups, all on one scale that begins at 0; `limit` is a line across all of them. */
export function barChart(
  title: string,
  groups: readonly BarGroup[],
  options: { readonly markName?: string; readonly limit?: { readonly value: number; readonly label: string } } = {},
): string {
  const bars = groups.flatMap((group) => group.bars);
  const series = [...new Set(bars.map((bar) => bar.series))];
  const top = Math.max(...bars.map((bar) => Math.max(bar.value, bar.mark ?? 0)), (options.limit?.value ?? 0) * 1.02);
  const scale = (value: number): number => (value / top) * (WIDTH - NAME_WIDTH - LABEL_WIDTH);
  let y = 4;
  let body = '';
  for (const group of groups) {
    const middle = y + (group.bars.length * (BAR + GAP) - GAP) / 2 + 5;
    body += `<text x="${NAME_WIDTH - 10}" y="${middle}" text-anchor="end">${escapeHtml(group.name)}</text>`;
    for (const { series: name, value, mark, label } of group.bars) {
      const end = NAME_WIDTH + Math.max(scale(value), scale(mark ?? 0));
      body += `<rect class="${colour(series, name)}" x="${NAME_WIDTH}" y="${y}" width="${scale(value).toFixed(1)}" height="${BAR}"/>`;
      if (mark !== undefined)
        body += `<rect class="mark" x="${(NAME_WIDTH + scale(mark) - 1).toFixed(1)}" y="${y - 2}" width="2" height="${BAR + 4}"/>`;
      body += `<text class="value" x="${(end + 8).toFixed(1)}" y="${y + BAR - 4}">${escapeHtml(label)}</text>`;
      y += BAR + GAP;
    }
    y += GROUP_GAP;
  }
  if (options.limit !== undefined) {
    const x = (NAME_WIDTH + scale(options.limit.value)).toFixed(1);
    body += `<line class="limit" x1="${x}" x2="${x}" y1="0" y2="${y - 6}"/>`;
    body += `<text class="value" x="${x}" y="${y + 6}" text-anchor="middle">${escapeHtml(options.limit.label)}</text>`;
    y += 12;
  }
  return legend(series, options.markName ?? '') + svg(y, title, body);
}

/** Stacked horizontal bars on one scale. */
export function stackedChart(title: string, bars: readonly StackedBar[], unit: string): string {
  const series = [...new Set(bars.flatMap(({ pieces }) => pieces.map((piece) => piece.series)))];
  const total = (bar: StackedBar): number => bar.pieces.reduce((sum, { value }) => sum + value, 0);
  const top = Math.max(...bars.map(total), 1e-9);
  const scale = (value: number): number => (value / top) * (WIDTH - NAME_WIDTH - LABEL_WIDTH);
  let y = 4;
  let body = '';
  for (const bar of bars) {
    body += `<text x="${NAME_WIDTH - 10}" y="${y + BAR - 2}" text-anchor="end">${escapeHtml(bar.name)}</text>`;
    let x = NAME_WIDTH;
    for (const { series: name, value } of bar.pieces) {
      const width = scale(value);
      body += `<rect class="${colour(series, name)}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR + 4}"/>`;
      x += width;
    }
    body += `<text class="value" x="${(x + 8).toFixed(1)}" y="${y + BAR - 2}">${total(bar).toFixed(2)} ${unit}</text>`;
    y += BAR + GAP + 12;
  }
  return legend(series, '') + svg(y, title, body);
}
