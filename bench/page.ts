import { type BarGroup, barChart, escapeHtml, stackedChart } from './charts.js';
import type { EncodeRow } from './encode.js';
import { dataSize, isMeasured, type Report, valueSize, verdict } from './report.js';
import { storageHtml } from './storage_report.js';
import { chainTable, encodeTable, flowTable, incrementalTable, memoryTable, tableHtml } from './tables.js';

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--line:#d8dde5;--back:#fff;--good:#1a7f4b;--bad:#b3372f}
@media(prefers-color-scheme:dark){:root{--ink:#e5e9f0;--soft:#9aa5b5;--line:#353d49;--back:#14181f;--good:#4cc38a;--bad:#f0776c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1080px;margin:2rem auto;padding:0 1.5rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.4rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
p{max-width:75ch}.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft)}td{font-variant-numeric:tabular-nums}
.met{color:var(--good);font-weight:600}.missed{color:var(--bad);font-weight:600}.not{color:var(--soft)}
svg{width:100%;height:auto;display:block;margin:.5rem 0 1.2rem}svg text{font-size:13px;fill:var(--ink)}svg .value{fill:var(--soft);font-size:12px}
.c0{fill:#3b6fb6;background:#3b6fb6}.c1{fill:#d08a2e;background:#d08a2e}.c2{fill:#6f9e5b;background:#6f9e5b}
.c3{fill:#8d6bb0;background:#8d6bb0}.c4{fill:#c0596b;background:#c0596b}.c5{fill:#5aa5a8;background:#5aa5a8}
.mark{fill:var(--ink);background:var(--ink)}.limit{stroke:var(--bad);stroke-width:2;stroke-dasharray:5 4}
.legend{margin:.6rem 0 0;font-size:13px}.legend span{margin-right:1.2rem;white-space:nowrap}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;vertical-align:-.05em}.legend i.mark{width:2px}
`;

function aimsHtml(report: Report): string {
  const rows = report.aims.map((aim) => {
    const word = verdict(aim);
    return `<tr><td>${escapeHtml(aim.text)}</td><td>${escapeHtml(aim.measured)}</td><td class="${word.split(' ')[0]}">${word}</td></tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>aim</th><th>measured</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function encodeGroup(row: EncodeRow): BarGroup {
  const { speed, ceiling, fraction, peers } = row;
  const theirs = [
    { series: 'RocksDB', figure: peers.rocksdb },
    { series: 'Pebble', figure: peers.pebble },
  ].flatMap(({ series, figure }) =>
    figure === undefined ? [] : [{ series, value: figure.median, label: `${figure.median.toFixed(0)} MB/s` }],
  );
  const label = `${speed.median.toFixed(0)} MB/s, ${fraction.median.toFixed(2)} of ceiling`;
  return {
    name: row.codec,
    bars: [{ series: 'Spanvault', value: speed.median, mark: ceiling.median, label }, ...theirs],
  };
}

function encodeHtml(report: Report): string {
  if (report.encode.length === 0) return '';
  const charts = [...new Set(report.encode.map((row) => row.valueBytes))].map((size) => {
    const groups = report.encode.filter((row) => row.valueBytes === size).map(encodeGroup);
    const title = `Values of ${valueSize(size)}`;
    return `<h3>${title}</h3>${barChart(title, groups, { markName: 'ceiling: codec + CRC + one copy' })}`;
  });
  return `<h2>Encode, one core</h2>
<p>16-byte user keys (26-byte engine keys), half-compressible values, packed batches of 1 MiB, blocks of 32 KiB. MB/s is 10⁶ bytes of
keys and values per processor second. The mark is the ceiling: the same blocks through the codec as it is published (snappy: the crate
“snap”), CRC-32C and one copy, measured in alternation with the encoder. “Of own codec” takes the snappy that the encoder uses, which
writes the same bytes and is faster. Peers write the same records with the same settings; their figure counts all of their threads.</p>
<p class="soft">${Object.values(report.peers).map(escapeHtml).join('; ')}.</p>
${charts.join('')}${tableHtml(encodeTable(report.encode))}`;
}

function flowsHtml(report: Report): string {
  if (report.flows.length === 0) return '';
  const name = (row: Report['flows'][number]): string =>
    `${row.flow}, ${valueSize(row.table.valueBytes)}, ${row.place}`;
  const groups = report.flows.map((row) => ({
    name: name(row),
    bars: [
      {
        series: 'whole flow',
        value: row.speed.median,
        ...(row.encodeOnly === undefined ? {} : { mark: row.encodeOnly.median }),
        label: `${row.speed.median.toFixed(0)} MB/s${row.fraction === undefined ? '' : `, ${row.fraction.median.toFixed(2)} of encode only`}`,
      },
      { series: 'first run', value: row.firstRun.median, label: `${row.firstRun.median.toFixed(0)} MB/s` },
    ],
  }));
  const waits = report.flows.map((row) => ({
    name: name(row),
    pieces: Object.entries(row.waits).map(([series, value]) => ({ series, value })),
  }));
  return `<h2>Whole backup and restore</h2>
<p>An embedded cluster with one table, snappy, local directories, ${report.flows[0]!.workers} workers; from the call to its result, with
planning, files made durable, manifest and catalog. “First run”: in threads that the run starts itself; the other bar is the next run of the same process. The
mark is the speed of as many threads that only encode the same rows; “scan only” is that of threads that only read them out of the store, “put only” in the table is the
speed at which the same storage takes files of the same sizes and makes them durable: a backup is slower than each. “Stages alone” is what they allow together: scan and
encode take the same processors in turn, and so does a RAM disk, while a disk works beside them. Rows of a RAM disk are absent where the system has none with room.</p>
${barChart('Speed of whole flows', groups, { markName: 'encode only, all workers busy' })}
<h3>Where the workers spent their time</h3>
<p>Seconds per stage, summed over workers, mean of the rounds; the largest stage is the bottleneck.</p>
${stackedChart('Seconds per stage', waits, 's')}${tableHtml(flowTable(report.flows))}`;
}

function chainsHtml(report: Report): string {
  if (report.chains.length === 0) return '';
  const groups = report.chains.map((row) => ({
    name: `${row.layers} layers`,
    bars: [
      {
        series: 'restore',
        value: row.seconds.median,
        mark: row.fullSeconds.median,
        label: `${row.seconds.median.toFixed(2)} s, ${row.ofFull.toFixed(2)} of one full`,
      },
    ],
  }));
  const memory = report.chains.map((row) => ({
    name: `${row.layers} layers`,
    bars: [
      {
        series: 'restore',
        value: row.peakResident,
        mark: row.fullResident,
        label: `${row.peakResident.toFixed(0)} MiB, ${row.peakAnonymous.toFixed(0)} of it anonymous`,
      },
    ],
  }));
  return `<h2>Chains</h2>
<p>The same rows of 100-byte values restored from a chain, whose full holds half of them and whose incrementals hold the other half in equal
shares all over the key space, and from one full of all: the mark. Each in a process of its own, which has built nothing and restores the same backup again and again;
memory is the greatest VmRSS of any round.</p>
${barChart('Seconds of a restore', groups, { markName: 'one full of the same rows' })}
${barChart('Peak resident memory of a restore, MiB', memory, { markName: 'one full of the same rows' })}${tableHtml(chainTable(report.chains))}`;
}

function incrementalHtml(report: Report): string {
  if (report.incremental.length === 0) return '';
  const groups = report.incremental.map((row) => ({
    name: `1 % of ${dataSize(row.bytes)}, ${valueSize(row.table.valueBytes)}`,
    bars: (['full', 'incremental', 'withoutIndex'] as const).map((kind) => ({
      series: kind === 'withoutIndex' ? 'incremental without an index' : kind,
      value: row[kind].seconds.median,
      label: `${row[kind].seconds.median.toFixed(2)} s, ${(row[kind].bytesVisited / 1e6).toFixed(1)} MB read`,
    })),
  }));
  return `<h2>Incremental backups</h2>
<p>A full backup, then incremental ones, each after 1 % of the rows, at random places, got another value. Bytes read are keys, values and entries of the
change index that the store looked at. “Without an index”: the same by looking at every version, as for a source that has none. Afterwards the overwritten versions
are collected.</p>
${barChart('Seconds of a backup', groups)}${tableHtml(incrementalTable(report.incremental))}`;
}

function memoryHtml(report: Report): string {
  if (report.memory.length === 0) return '';
  const measured = report.memory.filter(isMeasured);
  const groups = measured.map((row) => ({
    name: `${row.phase}, ${dataSize(row.dataBytes)}`,
    bars: [
      { series: 'all resident pages', value: row.peakResident, label: `${row.peakResident.toFixed(0)} MiB` },
      { series: 'anonymous', value: row.peakAnonymous, label: `${row.peakAnonymous.toFixed(0)} MiB` },
    ],
  }));
  const chart =
    groups.length === 0
      ? ''
      : barChart('Peak resident memory', groups, { limit: { value: 512, label: 'aim: 512 MiB' } });
  return `<h2>Memory and event loop</h2>
<p>A process of its own fills a cluster, backs it up and restores it. Peak of VmRSS, sampled every 20 ms: the whole resident set, with
pages of mapped files. The fill is shown for completeness; the aims are for backup and restore.</p>
${chart}${tableHtml(memoryTable(report.memory))}`;
}

/** The whole report as one page that needs nothing else. */
export function renderPage(report: Report): string {
  const { machine, size } = report;
  const facts = `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, commit ${machine.commit}, ${machine.date}, ${size} size, load before the run ${machine.loadBefore.toFixed(1)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Spanvault bench</title><style>${STYLE}</style></head><body>
<h1>Spanvault bench</h1><p class="soft">${escapeHtml(facts)}</p>
<h2>Aims</h2>${aimsHtml(report)}
${encodeHtml(report)}${flowsHtml(report)}${chainsHtml(report)}${incrementalHtml(report)}${memoryHtml(report)}${storageHtml(report.storage)}
<h2>Not measured</h2><p>Real networks and real object stores, a cold page cache, garbage collection over hours, other tenants of the machine:
figures of a shared machine swing, and the ranges show by how much.</p>
</body></html>
`;
}
