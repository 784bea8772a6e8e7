import { type BarGroup, barChart, escapeHtml } from './charts.js';
import type { Aim } from './report.js';
import { dataSize, valueSize } from './report.js';
import type { StoreFlowRow } from './storage_flows.js';
import type { StoreMemoryRow } from './storage_memory.js';
import type { TransferRow } from './storage_transfers.js';
import { spread, type Table, tableHtml } from './tables.js';

/** What was found of a store that is reached over HTTP; no rows where none is installed. */
export interface StorageReport {
  /** Names of server and peer, or that they are not installed. */
  readonly server: string;
  readonly rclone: string;
  readonly transfers: readonly TransferRow[];
  readonly flows: readonly StoreFlowRow[];
  readonly memory: readonly StoreMemoryRow[];
}

const AIMS = { cpuPerGb: 1.0, fraction: 0.85 } as const;
const MIB = 1024 * 1024;

function partSize(bytes: number): string {
  return `${bytes / MIB} MiB`;
}

export function transferTable(rows: readonly TransferRow[]): Table {
  return {
    head: ['direction', 'parts', 'by', 'MB/s', 'CPU s per GB', 'server’s CPU s per GB'],
    rows: rows.map((row) => [
      row.direction,
      partSize(row.partBytes),
      row.carrier,
      spread(row.speed),
      spread(row.cpuPerGb, 2),
      spread(row.serverPerGb, 2),
    ]),
  };
}

export function storeFlowTable(rows: readonly StoreFlowRow[]): Table {
  return {
    head: [
      'values',
      'data',
      'files',
      'workers',
      'backup MB/s',
      'encode only MB/s',
      'upload only MB/s',
      'of the slower',
      'scan only MB/s',
      'stages alone MB/s',
      'CPU s per GB of files',
      'server’s CPU s per GB',
      'restore MB/s',
      'restore CPU s per GB of files',
    ],
    rows: rows.map((row) => [
      valueSize(row.table.valueBytes),
      dataSize(row.bytes),
      dataSize(row.fileBytes),
      String(row.workers),
      spread(row.backup),
      spread(row.encodeOnly),
      spread(row.uploadOnly),
      spread(row.fraction, 2),
      spread(row.scanOnly),
      spread(row.stagesOnly),
      spread(row.cpuPerGb, 2),
      spread(row.serverPerGb, 2),
      spread(row.restore),
      spread(row.restoreCpuPerGb, 2),
    ]),
  };
}

export function storeMemoryTable(rows: readonly StoreMemoryRow[]): Table {
  return {
    head: [
      'parts',
      'workers × files × (parts in flight + 1) × part MiB',
      'parts at most MiB',
      'resident before MiB',
      'peak resident MiB',
      'of it anonymous',
      'MB/s',
      'samples',
    ],
    rows: rows.map((row) => [
      partSize(row.partBytes),
      `${row.workers} × 2 × ${row.partsInFlight + 1} × ${row.partBytes / MIB}`,
      row.partsBound.toFixed(0),
      row.residentBefore.toFixed(0),
      row.peakResident.toFixed(0),
      row.peakAnonymous.toFixed(0),
      row.megabytesPerSecond.toFixed(0),
      String(row.samples),
    ]),
  };
}

/** Every aim of the store; `asked` says whether the part was to run. */
export function storageAims({ server, transfers, flows }: StorageReport, asked: boolean): Aim[] {
  if (!asked) return [];
  if (transfers.length === 0)
    return [
      { text: `storage: ≤ ${AIMS.cpuPerGb.toFixed(1)} CPU s per GB over HTTP`, measured: server, met: undefined },
    ];
  const uploads = transfers
    .filter(({ direction, carrier }) => direction === 'upload' && carrier.startsWith('spanvault'))
    .map(({ carrier, partBytes, cpuPerGb: { median } }) => ({
      text: `storage, upload, ${partSize(partBytes)} parts${carrier === 'spanvault' ? ', bodies signed' : ', unsigned'}: ≤ ${AIMS.cpuPerGb.toFixed(1)} CPU s per GB`,
      measured: `${median.toFixed(2)} s`,
      met: median <= AIMS.cpuPerGb,
    }));
  const backups = flows.map(({ table, fraction }) => ({
    text: `storage, backup, ${valueSize(table.valueBytes)} values: ≥ ${AIMS.fraction} of the slower of encode-only and upload-only`,
    measured: spread(fraction, 2),
    met: fraction.median >= AIMS.fraction,
  }));
  return [...uploads, ...backups];
}

function transferGroups(rows: readonly TransferRow[], pick: 'cpuPerGb' | 'speed'): BarGroup[] {
  const names = [...new Set(rows.map(({ direction, partBytes }) => `${direction}, ${partSize(partBytes)} parts`))];
  return names.map((name) => ({
    name,
    bars: rows
      .filter(({ direction, partBytes }) => `${direction}, ${partSize(partBytes)} parts` === name)
      .map(({ carrier, [pick]: { median } }) => ({
        series: carrier,
        value: median,
        label: pick === 'speed' ? `${median.toFixed(0)} MB/s` : `${median.toFixed(2)} s`,
      })),
  }));
}

function flowGroups(rows: readonly StoreFlowRow[]): BarGroup[] {
  return rows.map(({ table, backup, encodeOnly, uploadOnly, stagesOnly, restore, fraction }) => {
    const slower = Math.min(encodeOnly.median, uploadOnly.median);
    const label = (speed: number): string => `${speed.toFixed(0)} MB/s`;
    const plain = (series: string, value: number) => ({ series, value, label: label(value) });
    const told = `${label(backup.median)}, ${fraction.median.toFixed(2)} of the slower`;
    return {
      name: `${valueSize(table.valueBytes)} values`,
      bars: [
        { series: 'backup', value: backup.median, mark: slower, label: told },
        plain('encode only', encodeOnly.median),
        plain('upload only', uploadOnly.median),
        plain('stages alone', stagesOnly.median),
        plain('restore', restore.median),
      ],
    };
  });
}

function memoryGroups(rows: readonly StoreMemoryRow[]): BarGroup[] {
  return rows.map(({ partBytes, residentBefore, partsBound, peakResident }) => {
    const bar = (series: string, value: number) => ({ series, value, label: `${value.toFixed(0)} MiB` });
    return {
      name: `${partSize(partBytes)} parts`,
      bars: [
        bar('peak resident', peakResident),
        bar('parts at most', partsBound),
        bar('resident before', residentBefore),
      ],
    };
  });
}

/** The section of the page; empty when the part was not asked for. */
export function storageHtml({ server, rclone, transfers, flows, memory }: StorageReport): string {
  if (transfers.length === 0) return '';
  return `<h2>Object store</h2>
<p>An S3 server on this machine, over plain HTTP, its directory on the RAM disk where there is room. Objects of noise, two at a time, four parts of
each on their way. “Spanvault” hashes each body for its signature, as plain HTTP should be used; “unsigned” does not, as over HTTPS. Bare HTTP is one PUT
or GET per part by Node’s own client, signed by hand without its body, no checksum, answers into memory that is used again. Processor time is that of the
process that carries the bytes, with all of its threads; the server’s is apart, and takes the same processors.</p>
<p class="soft">${escapeHtml(server)}; ${escapeHtml(rclone)}.</p>
<h3>Processor seconds per GB</h3>${barChart('Processor seconds per GB', transferGroups(transfers, 'cpuPerGb'), { limit: { value: AIMS.cpuPerGb, label: 'aim of an upload: 1.0 s' } })}
<h3>Speed</h3>${barChart('Speed of transfers', transferGroups(transfers, 'speed'))}${tableHtml(transferTable(transfers))}
<h3>Whole backup to the store, and restore from it</h3>
<p>From the call to its result, in MB of keys and values per second. The mark is the slower of encode-only and upload-only, which as many threads do and
nothing else, in the same rounds. “Stages alone” is what scan, encode and upload allow when they take the processors in turn.</p>
${barChart('Speed of flows with the store', flowGroups(flows), { markName: 'slower of encode only and upload only' })}${tableHtml(storeFlowTable(flows))}
<h3>Memory of parts</h3>
<p>A process of its own backs up to the store without compression. “Parts at most” is computed: workers × two files × (parts in flight and the one
that is filled) × part size. Peak of VmRSS, sampled every 20 ms: threads, batches, blocks and pages of the cluster’s mapped file among it.</p>
${barChart('Memory of a backup to the store', memoryGroups(memory))}${tableHtml(storeMemoryTable(memory))}`;
}
