import { printTimestamp } from '../keys/index.js';
import type { BackupTree, TreeBucket, TreeLayer } from '../verify/index.js';
import { printBytes, printDuration, printPlural } from './quantities.js';

/*
 * A chain on a time axis, as one SVG without scripts: bars are what each layer holds, cut by bucket; what lies under the axis
 * are the times that can be restored.
 */

const WIDTH = 1000;
const TOP = 26;
const BARS = 150;
const AXIS = TOP + BARS;
const FULL_WIDTH = 84;
const FULL_X = 8;
const TIME_X = FULL_X + FULL_WIDTH + 36;
const TIME_WIDTH = WIDTH - TIME_X - 12;
const TICKS = 5;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Class of a bucket's colour; buckets are numbered in the order of the tree. */
export function bucketColour(tree: BackupTree, { locality, location }: TreeBucket): string {
  return `c${tree.buckets.findIndex((one) => one.locality === locality && one.location === location) % 8}`;
}

/** The chain's picture. */
export function timeline(tree: BackupTree): string {
  const full = tree.layers.find(({ type }) => type === 'full');
  const later = tree.layers.filter(({ type }) => type === 'incremental');
  const compacted = tree.layers.filter(({ type }) => type === 'compacted');
  const lanes = compacted.length > 0 ? 26 : 0;
  const height = AXIS + 62 + lanes;
  let body = `<line class="axis" x1="0" x2="${WIDTH}" y1="${AXIS}" y2="${AXIS}"/>`;
  if (full !== undefined) body += fullBar(tree, full);
  if (later.length > 0) body += incrementals(tree, later, compacted);
  else {
    const words = tree.layers.length > 0 ? 'no incrementals yet' : '';
    body += `<text class="soft" x="${TIME_X}" y="${AXIS - 12}">${words}</text>`;
  }
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="the layers of the chain over time">${body}</svg>`;
}

/** Pieces of a bar from the axis up, one per bucket. */
function stack(tree: BackupTree, layer: TreeLayer, x: number, width: number, height: number): string {
  const total = layer.buckets.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  let y = AXIS;
  let pieces = '';
  for (const bucket of layer.buckets) {
    const part = total === 0 ? 0 : (bucket.dataBytes / total) * height;
    y -= part;
    pieces += `<rect class="${bucketColour(tree, bucket)}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${part.toFixed(1)}"/>`;
  }
  const lost = layer.buckets.some(({ missing }) => (missing?.length ?? 0) > 0);
  const mark = lost
    ? `<text class="bad mark" x="${(x + width / 2).toFixed(1)}" y="${AXIS + 26}" text-anchor="middle">✗</text>`
    : '';
  const faded = tree.broken === undefined && !layer.onPath ? ' class="faded"' : '';
  return `<g${faded}>${pieces}${mark}<title>${escapeHtml(layerTitle(layer))}</title></g>`;
}

function layerTitle(layer: TreeLayer): string {
  const window = layer.startTime === null ? '' : `from ${printTimestamp(layer.startTime)} `;
  const buckets = layer.buckets.map(
    ({ locality, files, dataBytes }) =>
      `${locality === '' ? 'default' : locality}: ${printBytes(dataBytes)} in ${printPlural(files, 'file')}`,
  );
  return [
    `${layer.type} ${window}to ${printTimestamp(layer.endTime)}`,
    `${printPlural(layer.rows, 'row')}, ${printBytes(layer.dataBytes)}`,
    ...buckets,
  ].join('\n');
}

function fullBar(tree: BackupTree, full: TreeLayer): string {
  const height = full.dataBytes === 0 ? 2 : BARS;
  const when = printTimestamp(full.endTime);
  return `${stack(tree, full, FULL_X, FULL_WIDTH, height)}<text x="${FULL_X}" y="${TOP - 10}">full, ${printBytes(full.dataBytes)}</text>
<circle class="point" cx="${FULL_X + FULL_WIDTH}" cy="${AXIS}" r="4"><title>restorable: ${when}</title></circle>
<text class="soft" x="${FULL_X}" y="${AXIS + 40}">${when.slice(0, 10)}</text><text class="soft" x="${FULL_X}" y="${AXIS + 56}">${when.slice(11, 19)}</text>`;
}

function incrementals(tree: BackupTree, later: readonly TreeLayer[], compacted: readonly TreeLayer[]): string {
  const seconds = ({ wall }: { readonly wall: bigint }): number => Number(wall) / 1e9;
  const begin = Math.min(...later.map(({ startTime }) => seconds(startTime!)));
  const end = Math.max(...later.map(({ endTime }) => seconds(endTime)));
  const at = (time: number): number => TIME_X + ((time - begin) / Math.max(end - begin, 1e-9)) * TIME_WIDTH;
  const most = Math.max(1, ...later.map(({ dataBytes }) => dataBytes));
  let body = `<text x="${TIME_X}" y="${TOP - 10}">${printPlural(later.length, 'incremental')}, up to ${printBytes(most)} each, on a scale of their own</text>`;
  body += `<line class="grid" x1="${TIME_X}" x2="${TIME_X + TIME_WIDTH}" y1="${TOP}" y2="${TOP}"/>`;
  for (const layer of later) {
    const [from, to] = [at(seconds(layer.startTime!)), at(seconds(layer.endTime))];
    const gap = Math.min(2, (to - from) / 4);
    const height = layer.dataBytes === 0 ? 1 : Math.max(2, (layer.dataBytes / most) * (BARS - 4));
    body += stack(tree, layer, from + gap / 2, Math.max(1, to - from - gap), height);
    body += restorable(layer, from, to, later.length);
  }
  for (const layer of compacted) {
    const [from, to] = [at(seconds(layer.startTime!)), at(seconds(layer.endTime))];
    const y = AXIS + 62;
    body += `<g><path class="span" d="M${from.toFixed(1)} ${y - 6}V${y}H${to.toFixed(1)}V${y - 6}"/><title>${escapeHtml(layerTitle(layer))}</title></g>`;
    body += `<text class="soft" x="${((from + to) / 2).toFixed(1)}" y="${y + 16}" text-anchor="middle">compacted, ${printBytes(layer.dataBytes)}</text>`;
  }
  for (let tick = 0; tick < TICKS; tick++) {
    const time = begin + ((end - begin) * tick) / (TICKS - 1);
    const anchor = tick === 0 ? 'start' : tick === TICKS - 1 ? 'end' : 'middle';
    const text = printTimestamp({ wall: BigInt(Math.round(time * 1000)) * 1_000_000n, logical: 0 });
    const short = end - begin < 10 ? text.slice(11, 22) : end - begin < 86_400 ? text.slice(11, 19) : text.slice(0, 16);
    body += `<text class="soft" x="${at(time).toFixed(1)}" y="${AXIS + 40}" text-anchor="${anchor}">${short}</text>`;
  }
  return `${body}<text class="soft" x="${TIME_X}" y="${AXIS + 56}">${printDuration(end - begin)} after the full</text>`;
}

/** What can be restored of a layer's window: its end, or every instant of it. */
function restorable(layer: TreeLayer, from: number, to: number, layers: number): string {
  const when = printTimestamp(layer.endTime);
  const instants =
    layer.revisionsFrom === null
      ? ''
      : `<rect class="instants" x="${from.toFixed(1)}" y="${AXIS + 8}" width="${(to - from).toFixed(1)}" height="5"><title>restorable: every instant up to ${when}</title></rect>`;
  const radius = layers > 120 ? 1.6 : layers > 40 ? 2.6 : 4;
  return `${instants}<circle class="point" cx="${to.toFixed(1)}" cy="${AXIS}" r="${radius}"><title>restorable: ${when}</title></circle>`;
}
