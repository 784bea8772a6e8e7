import type { ChainRow } from './chains.js';
import { escapeHtml } from './charts.js';
import type { EncodeRow } from './encode.js';
import type { FlowRow } from './flows.js';
import type { IncrementalRow } from './incremental.js';
import type { Figure } from './measure.js';
import type { MemoryRow, MemorySkipped } from './memory.js';
import type { PeerName } from './peers.js';
import { type Aim, dataSize, isMeasured, valueSize, verdict } from './report.js';

/** Head and cells of one table, for the terminal and for the page. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** `1234 (1200 to 1300)`; a single round has no spread. */
export function spread({ median, min, max, rounds }: Figure, digits = 0): string {
  const text = (value: number): string => value.toFixed(digits);
  return rounds === 1 ? text(median) : `${text(median)} (${text(min)} to ${text(max)})`;
}

export function encodeTable(rows: readonly EncodeRow[]): Table {
  const peer = (row: EncodeRow, name: PeerName): string => {
    const theirs = row.peers[name];
    if (theirs === undefined) return 'not installed';
    return `${theirs.median.toFixed(0)} (we: ${(row.speed.median / theirs.median).toFixed(1)} times)`;
  };
  return {
    head: [
      'values',
      'codec',
      'encode MB/s',
      'ceiling MB/s',
      'of ceiling',
      'of own codec',
      'ns/entry',
      'file/data',
      'RocksDB MB/s',
      'Pebble MB/s',
    ],
    rows: rows.map((row) => [
      valueSize(row.valueBytes),
      row.codec,
      spread(row.speed),
      spread(row.ceiling),
      row.fraction.median.toFixed(2),
      row.ofOwnCodec.median.toFixed(2),
      row.nanosecondsPerEntry.toFixed(0),
      row.ratio.toFixed(3),
      peer(row, 'rocksdb'),
      peer(row, 'pebble'),
    ]),
  };
}

export function flowTable(rows: readonly FlowRow[]): Table {
  return {
    head: [
      'flow',
      'on',
      'values',
      'data',
      'workers',
      'MB/s',
      'first run MB/s',
      'encode only MB/s',
      'of encode only',
      'scan only MB/s',
      'put only MB/s',
      'stages alone MB/s',
      'MB per CPU s',
      'seconds per stage, summed over workers',
    ],
    rows: rows.map((row) => [
      row.flow,
      row.place,
      valueSize(row.table.valueBytes),
      dataSize(row.bytes),
      String(row.workers),
      spread(row.speed),
      spread(row.firstRun),
      row.encodeOnly === undefined ? '' : spread(row.encodeOnly),
      row.fraction === undefined ? '' : row.fraction.median.toFixed(2),
      row.scanOnly === undefined ? '' : spread(row.scanOnly),
      row.putOnly === undefined ? '' : spread(row.putOnly),
      row.stagesOnly === undefined ? '' : spread(row.stagesOnly),
      row.perProcessorSecond.median.toFixed(0),
      Object.entries(row.waits)
        .map(([stage, seconds]) => `${stage} ${seconds.toFixed(2)}`)
        .join(', '),
    ]),
  };
}

export function chainTable(rows: readonly ChainRow[]): Table {
  return {
    head: [
      'layers',
      'data',
      'restore s',
      'one full s',
      'of one full',
      'until first rows s',
      'peak resident MiB',
      'of it anonymous',
      'one full: peak resident MiB',
      'of it anonymous',
    ],
    rows: rows.map((row) => [
      String(row.layers),
      dataSize(row.bytes),
      spread(row.seconds, 2),
      spread(row.fullSeconds, 2),
      row.ofFull.toFixed(2),
      spread(row.openSeconds, 2),
      row.peakResident.toFixed(0),
      row.peakAnonymous.toFixed(0),
      row.fullResident.toFixed(0),
      row.fullAnonymous.toFixed(0),
    ]),
  };
}

export function incrementalTable(rows: readonly IncrementalRow[]): Table {
  const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
  return {
    head: [
      'values',
      'data',
      'changed rows',
      'full s',
      'incremental s',
      'of the time',
      'of the bytes read',
      'without index s',
      'of the bytes read',
      'garbage collection',
    ],
    rows: rows.map((row) => [
      valueSize(row.table.valueBytes),
      dataSize(row.bytes),
      String(row.changedRows),
      spread(row.full.seconds, 2),
      spread(row.incremental.seconds, 2),
      percent(row.timeFraction),
      percent(row.bytesFraction),
      spread(row.withoutIndex.seconds, 2),
      percent(row.withoutIndex.bytesVisited / row.full.bytesVisited),
      `${row.garbage.versions} versions in ${row.garbage.seconds.toFixed(2)} s, longest step ${row.garbage.longestStepMs.toFixed(0)} ms`,
    ]),
  };
}

export function memoryTable(rows: readonly (MemoryRow | MemorySkipped)[]): Table {
  return {
    head: [
      'data',
      'phase',
      'peak resident MiB',
      'of it anonymous',
      'MB/s',
      'loop delay p99 ms',
      'longest ms',
      'samples',
    ],
    rows: rows.map((row) =>
      isMeasured(row)
        ? [
            dataSize(row.dataBytes),
            row.phase,
            row.peakResident.toFixed(0),
            row.peakAnonymous.toFixed(0),
            row.megabytesPerSecond.toFixed(0),
            row.loopDelayP99.toFixed(1),
            row.loopDelayMax.toFixed(0),
            String(row.samples),
          ]
        : [dataSize(row.dataBytes), `not run: ${row.skipped}`, '', '', '', '', '', ''],
    ),
  };
}

export function aimTable(aims: readonly Aim[]): Table {
  return { head: ['aim', 'measured', ''], rows: aims.map((aim) => [aim.text, aim.measured, verdict(aim)]) };
}

/** A table for a terminal. */
export function printTable({ head, rows }: Table): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** A table for the page. */
export function tableHtml({ head, rows }: Table): string {
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${cells('th', head)}</thead><tbody>${rows.map((row) => cells('td', row)).join('')}</tbody></table></div>`;
}
