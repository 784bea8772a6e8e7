import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { filledCluster, tableOfBytes } from './clusters.js';
import { megabytesPerSecond } from './measure.js';
import { placesFor } from './places.js';
import { ResidentWatch } from './resident.js';
import type { Sizes } from './sizes.js';
import type { StoreChildMessage } from './storage_memory_child.js';
import { PARTS_IN_FLIGHT } from './storage_transfers.js';
import { type StoreServer, startStore } from './store_server.js';

/** Memory of a process that backs up to the store; MiB. */
export interface StoreMemoryRow {
  readonly partBytes: number;
  readonly workers: number;
  readonly partsInFlight: number;
  /** Most that parts may take: workers × files of each × (parts in flight + the one that is filled) × part size. */
  readonly partsBound: number;
  /** Resident set when the backup began: the cluster is open, no thread runs. */
  readonly residentBefore: number;
  /** Greatest VmRSS sampled, and the anonymous pages at that moment. */
  readonly peakResident: number;
  readonly peakAnonymous: number;
  readonly samples: number;
  readonly megabytesPerSecond: number;
}

const MIB = 1024 * 1024;
const VALUE_BYTES = 1024;
const FILES_PER_WORKER = 2;

async function runOnce(server: StoreServer, directory: string, partBytes: number): Promise<StoreMemoryRow> {
  const child = fork(join(import.meta.dirname, 'storage_memory_child.js'), [
    directory,
    server.uri('memory'),
    String(partBytes),
    String(PARTS_IN_FLIGHT),
  ]);
  const watch = new ResidentWatch(child.pid);
  let before = 0;
  let row: StoreMemoryRow | undefined;
  child.on('message', (raw) => {
    const message = raw as StoreChildMessage;
    if (message.kind === 'begin') {
      watch.restart();
      before = watch.sample().all;
      return;
    }
    watch.sample();
    const workers = availableParallelism();
    row = {
      partBytes,
      workers,
      partsInFlight: PARTS_IN_FLIGHT,
      partsBound: (workers * FILES_PER_WORKER * (PARTS_IN_FLIGHT + 1) * partBytes) / MIB,
      residentBefore: before,
      peakResident: watch.peak.all,
      peakAnonymous: watch.peak.anonymous,
      samples: watch.samples,
      megabytesPerSecond: megabytesPerSecond(message.bytes, message.seconds),
    };
  });
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (exit, signal) => resolve(exit ?? signal));
    });
    if (code !== 0 || row === undefined) throw new Error(`the memory run of the store ended with ${code}`);
    return row;
  } finally {
    watch.stop();
    if (child.exitCode === null) child.kill();
  }
}

/** Resident memory of backups to the store beside what parts may take, for each part size; nothing where no store is installed. */
export async function benchStoreMemory(
  sizes: Sizes,
  scratch: string,
  onRow: (row: StoreMemoryRow) => void,
): Promise<StoreMemoryRow[]> {
  const place = placesFor(4 * sizes.storageMemoryBytes, scratch).at(-1)!.directory;
  const server = await startStore(place);
  if (server === undefined) return [];
  const directory = join(place, 'memory-source');
  const rows: StoreMemoryRow[] = [];
  try {
    await (await filledCluster(directory, tableOfBytes(sizes.storageMemoryBytes, VALUE_BYTES))).close();
    for (const mib of sizes.storagePartMib) {
      const row = await runOnce(server, directory, mib * MIB);
      server.empty();
      rows.push(row);
      onRow(row);
    }
  } finally {
    server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  return rows;
}
