import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type BackupResult, backup } from '#src/backup/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { closePools } from '#src/executor/index.js';
import { restore } from '#src/restore/index.js';
import { emptyCluster, filledCluster, TARGETS, type TableSize } from './clusters.js';
import { encodeThreads } from './encode_all_cores.js';
import { PART_BYTES } from './encode_batches.js';
import { type Figure, figure, megabytesPerSecond } from './measure.js';
import { placesFor } from './places.js';
import { PutThreads } from './put_threads.js';
import type { Sizes } from './sizes.js';
import { PARTS_IN_FLIGHT } from './storage_transfers.js';
import { type StoreServer, startStore } from './store_server.js';

/** A whole backup to the store and a restore from it; MB of keys and values per second of wall time, all workers. */
export interface StoreFlowRow {
  readonly table: TableSize;
  readonly bytes: number;
  readonly fileBytes: number;
  readonly workers: number;
  readonly backup: Figure;
  /** The same rows encoded by as many threads that do nothing else. */
  readonly encodeOnly: Figure;
  /** The same rows scanned by as many threads that do nothing else. */
  readonly scanOnly: Figure;
  /** Files of the same sizes put by as many threads that do nothing else, in as many parts at a time. */
  readonly uploadOnly: Figure;
  /** Median of backup speed by the slower of encode-only and upload-only, measured next to it. */
  readonly fraction: Figure;
  /** What scan, encode and upload allow when they take the processors in turn, the server's part among it. */
  readonly stagesOnly: Figure;
  /** Processor seconds per GB of files: ours, and the server's. */
  readonly cpuPerGb: Figure;
  readonly serverPerGb: Figure;
  readonly restore: Figure;
  /** Processor seconds per GB of files that a restore takes, all of it. */
  readonly restoreCpuPerGb: Figure;
}

/** Files that a worker of a backup has in progress. */
const FILES_PER_WORKER = 2;

/** Speeds of one round. */
interface Round {
  readonly backup: number;
  readonly encodeOnly: number;
  readonly scanOnly: number;
  readonly uploadOnly: number;
  readonly cpuPerGb: number;
  readonly serverPerGb: number;
}

interface Restored {
  readonly restore: number;
  readonly cpuPerGb: number;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function backupRounds(
  server: StoreServer,
  cluster: EmbeddedCluster,
  table: TableSize,
  count: number,
): Promise<{ readonly rounds: readonly Round[]; readonly result: BackupResult }> {
  const workers = availableParallelism();
  const once = (): Promise<BackupResult> =>
    backup({ source: cluster.source(), into: [server.uri('backup')], targets: TARGETS, workers });
  let result = await once();
  const encode = await encodeThreads(cluster, workers, table.rows * table.valueBytes);
  const storage = { uri: server.uri('put'), settings: {} };
  const put = await PutThreads.start(workers, {
    storage,
    partBytes: PART_BYTES,
    partsInFlight: PARTS_IN_FLIGHT,
    lanes: FILES_PER_WORKER,
  });
  const rounds: Round[] = [];
  try {
    for (let round = 0; round < count; round++) {
      const encodeOnly = await encode.run('encode');
      const scanOnly = await encode.run('scan');
      server.empty();
      const putSeconds = await put.run(result.files, Math.ceil(result.fileBytes / Math.max(1, result.files)));
      server.empty();
      const [cpu, theirs] = [cpuSeconds(), server.cpuSeconds()];
      result = await once();
      const gb = result.fileBytes / 1e9;
      rounds.push({
        backup: megabytesPerSecond(result.bytes, result.seconds),
        encodeOnly,
        scanOnly,
        uploadOnly: megabytesPerSecond(result.bytes, putSeconds),
        cpuPerGb: (cpuSeconds() - cpu) / gb,
        serverPerGb: (server.cpuSeconds() - theirs) / gb,
      });
    }
  } finally {
    await encode.close();
    await put.close();
  }
  return { rounds, result };
}

/** Restores what the last backup left, into clusters of their own. */
async function restoreRounds(
  server: StoreServer,
  place: string,
  fileBytes: number,
  count: number,
): Promise<readonly Restored[]> {
  const directory = join(place, 'restored');
  const rounds: Restored[] = [];
  for (let round = 0; round < count; round++) {
    const cluster = await emptyCluster(directory);
    try {
      const cpu = cpuSeconds();
      const { bytes, seconds } = await restore({
        sink: cluster.sink(),
        from: 'LATEST',
        in: [server.uri('backup')],
        targets: TARGETS,
        workers: availableParallelism(),
      });
      rounds.push({ restore: megabytesPerSecond(bytes, seconds), cpuPerGb: (cpuSeconds() - cpu) / (fileBytes / 1e9) });
    } finally {
      await cluster.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return rounds;
}

async function benchTable(server: StoreServer, place: string, table: TableSize, count: number): Promise<StoreFlowRow> {
  const directory = join(place, 'source');
  const cluster = await filledCluster(directory, table);
  try {
    const { rounds, result } = await backupRounds(server, cluster, table, count);
    const restored = await restoreRounds(server, place, result.fileBytes, count);
    const of = (pick: (round: Round) => number): Figure => figure(rounds.map(pick));
    return {
      table,
      bytes: result.bytes,
      fileBytes: result.fileBytes,
      workers: availableParallelism(),
      backup: of((round) => round.backup),
      encodeOnly: of((round) => round.encodeOnly),
      scanOnly: of((round) => round.scanOnly),
      uploadOnly: of((round) => round.uploadOnly),
      fraction: of((round) => round.backup / Math.min(round.encodeOnly, round.uploadOnly)),
      stagesOnly: of(({ encodeOnly, scanOnly, uploadOnly }) => 1 / (1 / encodeOnly + 1 / scanOnly + 1 / uploadOnly)),
      cpuPerGb: of((round) => round.cpuPerGb),
      serverPerGb: of((round) => round.serverPerGb),
      restore: figure(restored.map((round) => round.restore)),
      restoreCpuPerGb: figure(restored.map((round) => round.cpuPerGb)),
    };
  } finally {
    await closePools();
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Source, store and second cluster together need about this many times the data. */
const PLACE_FACTOR = 4;

/** Backups to the store and restores from it, for each table; nothing where no store is installed. */
export async function benchStoreFlows(
  sizes: Sizes,
  scratch: string,
  onRow: (row: StoreFlowRow) => void,
): Promise<StoreFlowRow[]> {
  const largest = Math.max(...sizes.storageTables.map(({ rows, valueBytes }) => rows * (valueBytes + 64)));
  const place = placesFor(PLACE_FACTOR * largest, scratch).at(-1)!.directory;
  const server = await startStore(place);
  if (server === undefined) return [];
  const rows: StoreFlowRow[] = [];
  try {
    for (const table of sizes.storageTables) {
      const row = await benchTable(server, place, table, sizes.storageRounds);
      server.empty();
      rows.push(row);
      onRow(row);
    }
  } finally {
    server.stop();
  }
  return rows;
}
