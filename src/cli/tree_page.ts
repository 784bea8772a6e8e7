import { printTimestamp } from '../keys/index.js';
import type { BackupTree, TreeLayer } from '../verify/index.js';
import { printBytes, printCount, printDuration, printPlural } from './quantities.js';
import { bucketColour, escapeHtml, timeline } from './tree_chart.js';

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--line:#d8dde5;--back:#f6f7f9;--card:#fff;--good:#1a7f4b;--bad:#b3372f;--note:#8a6100;
--b0:#3b6fb6;--b1:#d08a2e;--b2:#5f9a57;--b3:#8d6bb0;--b4:#c0596b;--b5:#4b9a9e;--b6:#8a7a55;--b7:#7082a0}
@media(prefers-color-scheme:dark){:root{--ink:#e5e9f0;--soft:#9aa5b5;--line:#343c48;--back:#12161c;--card:#1a2028;--good:#4cc38a;--bad:#f0776c;--note:#e0b354;
--b0:#6b9fe4;--b1:#e3a750;--b2:#86be7d;--b3:#b393d6;--b4:#e0808f;--b5:#70c0c4;--b6:#b8a67c;--b7:#9db0cf}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0}
main{max-width:1120px;margin:0 auto;padding:2rem 1.5rem 3rem}
h1{font-size:1.55rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 .8rem}
p{margin:.2rem 0;max-width:85ch}.soft{color:var(--soft)}.path{overflow-wrap:anywhere;font-family:ui-monospace,monospace;font-size:.9em}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.3rem;margin-top:1.1rem}
.verdict{display:inline-block;margin:.8rem 0 0;padding:.2rem .75rem;border-radius:99px;border:1px solid currentColor;font-weight:600;font-size:.9rem}
.good{color:var(--good)}.bad{color:var(--bad)}.note{color:var(--note)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1rem;margin-top:1.1rem}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.7rem .9rem}
.facts b{display:block;font-size:1.1rem;font-variant-numeric:tabular-nums}.facts span{color:var(--soft);font-size:.82rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;width:100%}
th,td{text-align:left;padding:.38rem .8rem .38rem 0;border-bottom:1px solid var(--line);vertical-align:middle;white-space:nowrap}
tr:last-child td{border-bottom:0}th{font-weight:600;color:var(--soft)}td{font-variant-numeric:tabular-nums}.num{text-align:right}
td.path{white-space:normal;min-width:14rem}td.bar{width:30%;min-width:9rem}
.stack{display:flex;height:12px;border-radius:3px;overflow:hidden;background:var(--line)}.stack i{display:block;height:100%}.stack i.some{min-width:2px}
.swatch{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.5em;vertical-align:-.03em}
svg{width:100%;height:auto;display:block}svg[role=img]{min-width:640px}svg text{font-size:12.5px;fill:var(--ink)}svg .soft{fill:var(--soft);font-size:11.5px}svg .bad{fill:var(--bad)}
.axis{stroke:var(--soft);stroke-width:1}.grid{stroke:var(--line);stroke-dasharray:3 4}.point{fill:var(--card);stroke:var(--ink);stroke-width:1.6}
.instants{fill:var(--good);opacity:.75}.span{fill:none;stroke:var(--soft);stroke-width:1.5}.faded{opacity:.35}
.c0{fill:var(--b0);background:var(--b0)}.c1{fill:var(--b1);background:var(--b1)}.c2{fill:var(--b2);background:var(--b2)}.c3{fill:var(--b3);background:var(--b3)}
.c4{fill:var(--b4);background:var(--b4)}.c5{fill:var(--b5);background:var(--b5)}.c6{fill:var(--b6);background:var(--b6)}.c7{fill:var(--b7);background:var(--b7)}
ul{margin:.3rem 0;padding-left:1.2rem}li{margin:.15rem 0}.key{font-size:12.5px;color:var(--soft);margin-top:.7rem;max-width:none}.cluster{margin-top:.7rem;font-size:.9rem}
.key span{margin-right:1.3rem;white-space:nowrap}.key svg{display:inline;width:1.3em;height:.9em;vertical-align:-.1em}
`;

/** The chain as one page that needs nothing else: no script, no font, no picture from anywhere. */
export function treePage(tree: BackupTree): string {
  const name = tree.subdir ?? 'a backup in its own directory';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(`${name} in ${tree.location}`)}</title><style>${STYLE}</style></head><body><main>
<h1>${escapeHtml(name)}</h1><p class="soft path">${escapeHtml(tree.location)}</p>
${verdict(tree)}${facts(tree)}
<section><h2>Chain</h2><div class="wide">${timeline(tree)}</div>${key(tree)}</section>
${bucketTable(tree)}${missingList(tree)}${layerTable(tree)}${notices(tree)}
</main></body></html>
`;
}

function missingOf(tree: BackupTree): readonly string[] {
  return tree.buckets.flatMap((bucket) => bucket.missing ?? []);
}

function verdict(tree: BackupTree): string {
  const missing = missingOf(tree).length;
  const say = (kind: string, words: string): string => `<p class="verdict ${kind}">${escapeHtml(words)}</p>`;
  if (tree.broken !== undefined)
    return `${say('bad', 'does not restore to its newest time')}<p>${escapeHtml(tree.broken)}</p>`;
  if (missing > 0) return say('bad', `${printPlural(missing, 'file')} missing`);
  return tree.filesChecked
    ? say('good', 'every layer and every file is there')
    : say('note', 'every layer is there; files were not looked at (--check-files)');
}

function facts(tree: BackupTree): string {
  const newest = tree.layers.at(-1)!;
  const sum = (pick: (layer: TreeLayer) => number): number =>
    tree.layers.reduce((total, layer) => total + pick(layer), 0);
  const compacted = tree.layers.filter(({ type }) => type === 'compacted').length;
  const onDisk = tree.buckets.reduce((total, { fileBytes }) => total + (fileBytes ?? 0), 0);
  const all: readonly (readonly [string, string])[] = [
    [printCount(tree.layers.length), compacted > 0 ? `layers, ${compacted} of them compacted` : 'layers'],
    [printTimestamp(newest.endTime).slice(0, 19), 'newest restorable time, UTC'],
    [tree.isFullCluster ? 'cluster' : tree.databases.join(', ') || 'tables', printPlural(newest.tables, 'table')],
    [printCount(sum(({ rows }) => rows)), 'rows, every layer counted'],
    [
      printBytes(sum(({ dataBytes }) => dataBytes)),
      tree.filesChecked ? `of data, ${printBytes(onDisk)} on disk` : 'of data',
    ],
    [tree.version ?? 'not told', 'version of the cluster'],
  ];
  const cards = all.map(([value, label]) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`);
  const cluster =
    tree.clusterId === ''
      ? ''
      : `<p class="soft cluster">cluster <span class="path">${escapeHtml(tree.clusterId)}</span></p>`;
  return `<div class="facts">${cards.join('')}</div>${cluster}`;
}

function key(tree: BackupTree): string {
  const buckets = tree.buckets.map(
    (bucket) =>
      `<span><i class="swatch ${bucketColour(tree, bucket)}"></i>${escapeHtml(bucket.locality || 'default')}</span>`,
  );
  const point = '<svg viewBox="0 0 20 14"><circle class="point" cx="10" cy="7" r="4"/></svg>';
  const band = '<svg viewBox="0 0 20 14"><rect class="instants" y="4" width="20" height="6"/></svg>';
  const history = tree.layers.some(({ revisionsFrom }) => revisionsFrom !== null);
  return `<p class="key">${buckets.join('')}<span>${point} restorable time</span>${history ? `<span>${band} restorable to every instant</span>` : ''}</p>`;
}

function bucketTable(tree: BackupTree): string {
  const total = Math.max(
    1,
    tree.buckets.reduce((sum, { dataBytes }) => sum + dataBytes, 0),
  );
  const rows = tree.buckets.map((bucket) => {
    const share = (100 * bucket.dataBytes) / total;
    const lost = bucket.missing?.length ?? 0;
    return `<tr><td><i class="swatch ${bucketColour(tree, bucket)}"></i>${escapeHtml(bucket.locality || 'default')}</td>
<td class="path">${escapeHtml(bucket.location)}</td><td class="num">${printCount(bucket.files)}</td><td class="num">${printBytes(bucket.dataBytes)}</td>
<td class="num">${share.toFixed(1)} %</td><td class="bar"><div class="stack"><i class="${bucketColour(tree, bucket)}" style="width:${share.toFixed(2)}%"></i></div></td>${
      tree.filesChecked
        ? `<td class="num">${printBytes(bucket.fileBytes ?? 0)}</td><td class="num ${lost > 0 ? 'bad' : 'good'}">${lost > 0 ? printCount(lost) : 'none'}</td>`
        : ''
    }</tr>`;
  });
  const more = tree.filesChecked ? '<th class="num">on disk</th><th class="num">missing</th>' : '';
  return `<section><h2>Buckets</h2><div class="wide"><table><thead><tr><th>locality</th><th>location</th><th class="num">files</th><th class="num">data</th><th class="num">share</th><th></th>${more}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`;
}

function missingList(tree: BackupTree): string {
  const missing = missingOf(tree);
  if (missing.length === 0) return '';
  const items = missing.map((path) => `<li class="path">${escapeHtml(path)}</li>`);
  return `<section><h2 class="bad">Missing files</h2><ul>${items.join('')}</ul></section>`;
}

function layerTable(tree: BackupTree): string {
  const most = Math.max(1, ...tree.layers.map(({ dataBytes }) => dataBytes));
  const rows = tree.layers.map((layer) => {
    const pieces = layer.buckets.map((bucket) => {
      const words = `${bucket.locality || 'default'}: ${printBytes(bucket.dataBytes)} in ${printPlural(bucket.files, 'file')}`;
      return `<i class="${bucketColour(tree, bucket)}${bucket.dataBytes > 0 ? ' some' : ''}" style="width:${((100 * bucket.dataBytes) / most).toFixed(2)}%" title="${escapeHtml(words)}"></i>`;
    });
    const files = layer.buckets.reduce((sum, bucket) => sum + bucket.files, 0);
    const lost = layer.buckets.reduce((sum, bucket) => sum + (bucket.missing?.length ?? 0), 0);
    const window =
      layer.startTime === null
        ? ''
        : printDuration(Math.max(0, Number(layer.endTime.wall - layer.startTime.wall) / 1e9));
    return `<tr${tree.broken === undefined && !layer.onPath ? ' class="faded"' : ''}><td>${layer.type}${layer.revisionsFrom === null ? '' : ', every revision'}</td><td>${printTimestamp(layer.endTime).slice(0, 22)}</td><td class="num">${window}</td>
<td class="num">${printCount(layer.rows)}</td><td class="num">${printCount(files)}${lost > 0 ? ` <b class="bad">−${printCount(lost)}</b>` : ''}</td><td class="num">${printBytes(layer.dataBytes)}</td><td class="bar"><div class="stack">${pieces.join('')}</div></td></tr>`;
  });
  return `<section><h2>Layers</h2><div class="wide"><table><thead><tr><th>layer</th><th>ends (UTC)</th><th class="num">window</th><th class="num">rows</th><th class="num">files</th><th class="num">data</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`;
}

function notices(tree: BackupTree): string {
  if (tree.notices.length === 0) return '';
  return `<section><h2 class="note">Left out</h2><ul>${tree.notices.map((notice) => `<li>${escapeHtml(notice)}</li>`).join('')}</ul></section>`;
}
