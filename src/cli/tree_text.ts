import { printTimestamp, type Timestamp } from '../keys/index.js';
import type { BackupTree, TreeBucket, TreeLayer } from '../verify/index.js';
import { cellLines, padCell, textWidth } from './cells.js';
import type { paint } from './io.js';
import { printBytes, printCount, printDuration, printPlural } from './quantities.js';

/** What a tree is drawn with. */
export interface TreeStyle {
  /** Columns of the terminal. */
  readonly width: number;
  /** Box drawing; otherwise ASCII alone. */
  readonly unicode: boolean;
  readonly colours: ReturnType<typeof paint>;
  /** Draw every layer; otherwise the middle of a long chain is one line. */
  readonly all: boolean;
}

interface Marks {
  readonly branch: string;
  readonly last: string;
  readonly through: string;
  readonly none: string;
  readonly full: string;
  readonly incremental: string;
  readonly compacted: string;
  readonly bar: string;
  readonly rest: string;
  readonly missing: string;
  readonly more: string;
  readonly to: string;
}

const UNICODE: Marks = {
  branch: '├─ ',
  last: '└─ ',
  through: '│  ',
  none: '   ',
  full: '●',
  incremental: '○',
  compacted: '◆',
  bar: '█',
  rest: '·',
  missing: '✗',
  more: '…',
  to: '→',
};
const ASCII: Marks = {
  branch: '|- ',
  last: '`- ',
  through: '|  ',
  none: '   ',
  full: '*',
  incremental: 'o',
  compacted: '+',
  bar: '#',
  rest: '.',
  missing: 'x',
  more: '...',
  to: '->',
};

/** Layers of a chain that are drawn before its middle is left out, and how many of the oldest then stay. */
const LAYERS_MAX = 12;
const OLDEST_KEPT = 3;
/** Missing files that are listed one by one. */
const MISSING_MAX = 20;
const BAR_WIDTH = 16;
/** Narrowest terminal in which the share bars are drawn. */
const BARS_FROM = 96;
/** Narrowest terminal in which layers have their rows and the hundredths of their ends. */
const ROOMY_FROM = 80;

/** True when the terminal's character set, as the environment names it, is UTF-8. */
export function speaksUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((one) => one !== undefined && one !== '');
  return locale !== undefined && /utf-?8/i.test(locale);
}

/** The chain as lines of a tree: layers, oldest first, and under each what lies in which bucket. */
export function* treeLines(tree: BackupTree, style: TreeStyle): Generator<string, void, undefined> {
  const marks = style.unicode ? UNICODE : ASCII;
  const { colours } = style;
  const clip = (line: string): string => clipLine(line, style.width, marks.more);
  yield `${colours.bold(clip(safe(`${tree.subdir ?? ''}${tree.subdir === undefined ? tree.location : ` in ${tree.location}`}`)))}\n`;
  yield `${marks.through}${colours.dim(clipLine(facts(tree), style.width - 3, marks.more))}\n`;
  const rows = shownLayers(tree.layers, style.all);
  const most = Math.max(1, ...tree.layers.map(({ dataBytes }) => dataBytes));
  for (const [index, row] of rows.entries()) {
    const isLast = index === rows.length - 1;
    const stem = isLast ? marks.last : marks.branch;
    if (Array.isArray(row)) {
      yield `${stem}${colours.dim(clipLine(leftOut(row, marks), style.width - 3, marks.more))}\n`;
      continue;
    }
    const layer = row as TreeLayer;
    yield `${stem}${layerLine(layer, tree, most, style, marks)}\n`;
    const under = isLast ? marks.none : marks.through;
    const held = layer.buckets.filter(({ files }) => files > 0);
    for (const [at, bucket] of held.entries()) {
      const twig = at === held.length - 1 ? marks.last : marks.branch;
      yield `${under}  ${twig}${bucketLine(bucket, tree, style, marks)}\n`;
    }
  }
  yield* bucketTotals(tree, style, marks);
  yield* verdictLines(tree, style, marks);
}

/** Text of a name that no terminal acts upon. */
function safe(text: string): string {
  return cellLines(text).join(' ');
}

function clipLine(line: string, width: number, more: string): string {
  if (textWidth(line) <= width) return line;
  let clipped = line.slice(0, Math.max(0, width - more.length));
  while (textWidth(clipped) > width - more.length && clipped !== '') clipped = clipped.slice(0, -1);
  return clipped + more;
}

/** A location with its middle left out. */
function clipMiddle(text: string, width: number, more: string): string {
  if (textWidth(text) <= width) return text;
  const room = Math.max(2, width - more.length);
  const head = text.slice(0, Math.ceil(room / 3)) + more;
  let tail = [...text.slice(text.length - Math.floor((room * 2) / 3))];
  while (tail.length > 0 && textWidth(head + tail.join('')) > width) tail = tail.slice(1);
  return head + tail.join('');
}

function facts(tree: BackupTree): string {
  const incrementals = tree.layers.filter(({ type }) => type === 'incremental').length;
  const compacted = tree.layers.filter(({ type }) => type === 'compacted').length;
  const tables = tree.layers.at(-1)?.tables ?? 0;
  const bytes = tree.layers.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  return [
    tree.isFullCluster ? 'whole cluster' : safe(tree.databases.slice(0, 3).join(', ')),
    printPlural(tables, 'table'),
    `1 full and ${printPlural(incrementals, 'incremental')}`,
    ...(compacted > 0 ? [`${printCount(compacted)} compacted`] : []),
    printBytes(bytes),
    ...(tree.version === undefined ? [] : [`CockroachDB ${tree.version}`]),
    ...(tree.clusterId === '' ? [] : [`cluster ${tree.clusterId}`]),
  ]
    .filter((fact) => fact !== '')
    .join(', ');
}

/** Layers to draw; a list stands for the layers of the middle that one line tells of. */
function shownLayers(layers: readonly TreeLayer[], all: boolean): readonly (TreeLayer | readonly TreeLayer[])[] {
  if (all || layers.length <= LAYERS_MAX) return layers;
  const newest = LAYERS_MAX - OLDEST_KEPT - 1;
  return [
    ...layers.slice(0, OLDEST_KEPT),
    layers.slice(OLDEST_KEPT, layers.length - newest),
    ...layers.slice(layers.length - newest),
  ];
}

function leftOut(layers: readonly TreeLayer[], marks: Marks): string {
  const bytes = layers.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  const [first, last] = [layers[0]!, layers.at(-1)!];
  return `${marks.more} ${printPlural(layers.length, 'layer')}, ${printBytes(bytes)}, ends ${clock(first.endTime)} ${marks.to} ${clock(last.endTime)} (--all draws them)`;
}

/** To the hundredth of a second, as directories are named. */
function clock(time: Timestamp): string {
  return printTimestamp(time).slice(0, 22);
}

function layerLine(layer: TreeLayer, tree: BackupTree, most: number, style: TreeStyle, marks: Marks): string {
  const { colours } = style;
  const paintMark = layer.type === 'full' ? colours.green : layer.type === 'compacted' ? colours.magenta : colours.cyan;
  const window =
    layer.startTime === null
      ? ''
      : `, ${printDuration(Math.max(0, Number(layer.endTime.wall - layer.startTime.wall) / 1e9))} of changes`;
  const history = layer.revisionsFrom === null ? '' : ', every revision';
  // A compacted layer stands for it, or it leads nowhere: a restore to the newest time does without it.
  const unread = tree.broken === undefined && !layer.onPath ? ', not read' : '';
  const narrow = style.width < ROOMY_FROM;
  const when = narrow ? clock(layer.endTime).slice(5, 19) : clock(layer.endTime).padEnd(22);
  const head = `${layer.type.padEnd(11)} ends ${when} `;
  const rows = narrow ? '' : `${padCell(printPlural(layer.rows, 'row'), 15, 'right')} `;
  const sizes = `${rows}${padCell(printBytes(layer.dataBytes), 8, 'right')}`;
  const bar = style.width < BARS_FROM ? '' : ` ${share(layer.dataBytes / most, marks)}`;
  const used = 3 + 2 + textWidth(head) + textWidth(sizes) + textWidth(bar);
  const tail = clipLine(
    `${unread}${window}${history}`.replace(/^, /, '  '),
    Math.max(0, style.width - used),
    marks.more,
  );
  return `${paintMark(marks[layer.type])} ${colours.bold(head.slice(0, 11))}${head.slice(11)}${sizes}${colours.dim(bar)}${colours.dim(tail)}`;
}

/** A bar that is full at 1; anything above nothing shows one mark. */
function share(fraction: number, marks: Marks): string {
  const filled = fraction <= 0 ? 0 : Math.max(1, Math.round(fraction * BAR_WIDTH));
  return marks.bar.repeat(filled) + marks.rest.repeat(BAR_WIDTH - filled);
}

function bucketLine(bucket: TreeBucket, tree: BackupTree, style: TreeStyle, marks: Marks): string {
  const names = Math.max(7, ...tree.buckets.map(({ locality }) => textWidth(safe(locality))));
  const name = padCell(safe(bucket.locality) || 'default', names, 'left');
  const lost = bucket.missing?.length ?? 0;
  const sizes = `${padCell(printPlural(bucket.files, 'file'), 12, 'right')} ${padCell(printBytes(bucket.dataBytes), 8, 'right')}`;
  const absent = lost === 0 ? '' : `  ${marks.missing} ${printPlural(lost, 'file')} missing`;
  const room = style.width - 8 - textWidth(name) - textWidth(sizes) - textWidth(absent) - 2;
  const widest = 2 + Math.max(...tree.buckets.map((one) => textWidth(safe(one.location))));
  const location = room < 10 ? '' : `  ${clipMiddle(safe(bucket.location), room, marks.more)}`;
  return `${name}${sizes}${style.colours.dim(padCell(location, Math.min(room + 2, widest), 'left'))}${style.colours.red(absent)}`;
}

function* bucketTotals(tree: BackupTree, style: TreeStyle, marks: Marks): Generator<string, void, undefined> {
  if (tree.layers.length < 2 && tree.buckets.length < 2) return;
  const total = tree.buckets.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  yield `\n${style.colours.bold('buckets')}\n`;
  for (const [index, bucket] of tree.buckets.entries()) {
    const stem = index === tree.buckets.length - 1 ? marks.last : marks.branch;
    const fraction = total === 0 ? 0 : bucket.dataBytes / total;
    const bar = style.width < BARS_FROM ? '' : `  ${share(fraction, marks)}`;
    const percent = padCell(`${(100 * fraction).toFixed(0)} %`, 6, 'right');
    const narrow = { ...style, width: style.width - textWidth(bar) - 6 + 5 };
    yield `${stem}${bucketLine(bucket, tree, narrow, marks)}${style.colours.dim(bar)}${percent}\n`;
  }
}

function* verdictLines(tree: BackupTree, style: TreeStyle, marks: Marks): Generator<string, void, undefined> {
  const { colours } = style;
  const missing = tree.buckets.flatMap((bucket) => bucket.missing ?? []);
  if (tree.broken !== undefined) yield `\n${colours.red(`${marks.missing} ${safe(tree.broken)}`)}\n`;
  if (missing.length > 0) {
    yield `\n${colours.red(`${marks.missing} ${printPlural(missing.length, 'file')} missing`)}\n`;
    for (const path of missing.slice(0, MISSING_MAX)) yield `   ${safe(path)}\n`;
    if (missing.length > MISSING_MAX) yield `   ${marks.more} and ${printCount(missing.length - MISSING_MAX)} more\n`;
  } else if (tree.filesChecked) {
    const files = tree.buckets.reduce((sum, bucket) => sum + bucket.files, 0);
    const bytes = tree.buckets.reduce((sum, bucket) => sum + (bucket.fileBytes ?? 0), 0);
    yield `\n${colours.green(`all ${printPlural(files, 'file')} are there, ${printBytes(bytes)} on disk`)}\n`;
  }
}
