import type { ChainRow } from './chains.js';
import type { EncodeRow } from './encode.js';
import type { FlowRow } from './flows.js';
import type { IncrementalRow } from './incremental.js';
import type { Machine } from './machine.js';
import type { MemoryRow, MemorySkipped } from './memory.js';
import { PEERS, type PeerName } from './peers.js';
import type { SizeName } from './sizes.js';
import { type StorageReport, storageAims } from './storage_report.js';

/** Everything that a run found; report.json is this. */
export interface Report {
  readonly machine: Machine;
  readonly size: SizeName;
  readonly peers: Readonly<Record<PeerName, string>>;
  readonly encode: readonly EncodeRow[];
  readonly flows: readonly FlowRow[];
  readonly chains: readonly ChainRow[];
  readonly incremental: readonly IncrementalRow[];
  readonly memory: readonly (MemoryRow | MemorySkipped)[];
  readonly storage: StorageReport;
  readonly aims: readonly Aim[];
}

/** One aim and what came of it. */
export interface Aim {
  readonly text: string;
  readonly measured: string;
  /** Undefined when it could not be measured. */
  readonly met: boolean | undefined;
}

/** CockroachDB v21.1, one node on such a machine, snappy, local directory: MB of keys and values per second. */
export const COCKROACHDB = {
  backup: { 100: 166, 1024: 250 },
  restore: { 100: 56, 1024: 100 },
} as const;

const AIMS = {
  rocksdb: 2.5,
  pebble: 1.5,
  ceiling: 0.9,
  backup: 0.85,
  restore: 300,
  chain: 1.3,
  orientation: 4,
  incrementalBytes: 0.05,
  residentMiB: 512,
  loopDelayMs: 10,
} as const;

export function peerStatus(built: readonly PeerName[]): Record<PeerName, string> {
  const status = (name: PeerName): string => (built.includes(name) ? PEERS[name] : `${PEERS[name]}: not installed`);
  return { rocksdb: status('rocksdb'), pebble: status('pebble') };
}

export function isMeasured(row: MemoryRow | MemorySkipped): row is MemoryRow {
  return !('skipped' in row);
}

/** `100 B` or `1 KiB`. */
export function valueSize(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}

/** `1 GB`, `4 MB`. */
export function dataSize(bytes: number): string {
  return bytes >= 1e9 ? `${bytes / 1e9} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function encodeAims(rows: readonly EncodeRow[]): Aim[] {
  return rows.flatMap((row): Aim[] => {
    const of = `encode, ${valueSize(row.valueBytes)} values, ${row.codec}`;
    if (row.codec !== 'none') {
      const { median, min, max } = row.fraction;
      const measured = `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
      return [{ text: `${of}: ≥ ${AIMS.ceiling} of the raw codec`, measured, met: median >= AIMS.ceiling }];
    }
    return (['rocksdb', 'pebble'] as const).map((name) => {
      const peer = row.peers[name];
      const text = `${of}: ≥ ${AIMS[name]} times ${name === 'rocksdb' ? 'RocksDB (assertion build)' : 'Pebble'}`;
      if (peer === undefined) return { text, measured: 'not installed', met: undefined };
      const times = row.speed.median / peer.median;
      return { text, measured: `${times.toFixed(1)} times`, met: times >= AIMS[name] };
    });
  });
}

function flowAims(rows: readonly FlowRow[]): Aim[] {
  return rows.flatMap((row): Aim[] => {
    const of = `${row.flow}, ${valueSize(row.table.valueBytes)} values, ${row.place}`;
    const speed = row.speed.median;
    const aims: Aim[] = [];
    if (row.fraction !== undefined) {
      const { median, min, max } = row.fraction;
      const measured = `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
      aims.push({ text: `${of}: ≥ ${AIMS.backup} of encode-only`, measured, met: median >= AIMS.backup });
    }
    if (row.flow === 'restore')
      aims.push({
        text: `${of}: ≥ ${AIMS.restore} MB/s`,
        measured: `${speed.toFixed(0)} MB/s`,
        met: speed >= AIMS.restore,
      });
    const known: Readonly<Record<number, number>> = COCKROACHDB[row.flow];
    const theirs = known[row.table.valueBytes];
    if (theirs !== undefined) {
      aims.push({
        text: `${of}: ≥ ${AIMS.orientation} times CockroachDB v21.1’s ${theirs} MB/s`,
        measured: `${(speed / theirs).toFixed(1)} times`,
        met: speed >= AIMS.orientation * theirs,
      });
    }
    return aims;
  });
}

function chainAims(rows: readonly ChainRow[]): Aim[] {
  const speed = rows
    .filter(({ layers }) => layers > 1)
    .map(({ layers, bytes, ofFull }) => ({
      text: `restore of ${layers} layers, ${dataSize(bytes)}: ≤ ${AIMS.chain} of the time of one full`,
      measured: `${ofFull.toFixed(2)} times`,
      met: ofFull <= AIMS.chain,
    }));
  const memory = rows.map(({ layers, bytes, peakResident, fullResident }) => ({
    text: `restore of ${layers} ${layers === 1 ? 'layer' : 'layers'}, ${dataSize(bytes)}: resident < ${AIMS.residentMiB} MiB`,
    measured: `${peakResident.toFixed(0)} MiB (one full: ${fullResident.toFixed(0)})`,
    met: peakResident < AIMS.residentMiB,
  }));
  return [...speed, ...memory];
}

function incrementalAims(rows: readonly IncrementalRow[]): Aim[] {
  return rows.map(({ table, bytes, bytesFraction }) => ({
    text: `incremental, ${valueSize(table.valueBytes)} values, 1 % of ${dataSize(bytes)} changed: reads < ${100 * AIMS.incrementalBytes} % of the bytes of a full`,
    measured: `${(100 * bytesFraction).toFixed(1)} %`,
    met: bytesFraction < AIMS.incrementalBytes,
  }));
}

function memoryAims(rows: readonly (MemoryRow | MemorySkipped)[]): Aim[] {
  return rows.flatMap((row): Aim[] => {
    if (!isMeasured(row)) {
      const text = `memory, ${dataSize(row.dataBytes)}: resident < ${AIMS.residentMiB} MiB`;
      return [{ text, measured: `not run: ${row.skipped}`, met: undefined }];
    }
    if (row.phase === 'fill') return [];
    const of = `${row.phase} of ${dataSize(row.dataBytes)}`;
    const { peakResident, loopDelayP99 } = row;
    return [
      {
        text: `${of}: resident < ${AIMS.residentMiB} MiB`,
        measured: `${peakResident.toFixed(0)} MiB`,
        met: peakResident < AIMS.residentMiB,
      },
      {
        text: `${of}: event-loop delay p99 < ${AIMS.loopDelayMs} ms`,
        measured: `${loopDelayP99.toFixed(1)} ms`,
        met: loopDelayP99 < AIMS.loopDelayMs,
      },
    ];
  });
}

/** Every aim with the figure that decides it; `parts` are those that were asked for. */
export function judge(report: Omit<Report, 'aims'>, parts: ReadonlySet<string>): Aim[] {
  return [
    ...encodeAims(report.encode),
    ...flowAims(report.flows),
    ...chainAims(report.chains),
    ...incrementalAims(report.incremental),
    ...memoryAims(report.memory),
    ...storageAims(report.storage, parts.has('storage')),
  ];
}

/** `met`, `missed` or `not measured`. */
export function verdict(aim: Aim): string {
  return aim.met === undefined ? 'not measured' : aim.met ? 'met' : 'missed';
}
