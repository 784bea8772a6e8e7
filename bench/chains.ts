import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { backup } from '#src/backup/index.js';
import { indexSpans } from '#src/catalog/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { native } from '#src/native/index.js';
import { restore } from '#src/restore/index.js';
import { bucketOf, emptyCluster, filledCluster, TARGETS } from './clusters.js';
import { type Figure, figure } from './measure.js';
import type { Sizes } from './sizes.js';

/** Restores of the same rows from chains of different lengths. */
export interface ChainRow {
  readonly layers: number;
  /** Key and value bytes. */
  readonly bytes: number;
  readonly seconds: Figure;
  /** Median seconds by those of the full that is a chain of its own. */
  readonly ofFull: number;
  /** Seconds until the first row is read: manifests, parts, covering. */
  readonly openSeconds: Figure;
  /** Peak of anonymous memory while restoring, MiB. */
  readonly peakAnonymous: number;
}

/** Pieces of the key space that each layer fills: rows of every layer lie among those of the others. */
const PIECES_PER_LAYER = 4;
const VALUE_BYTES = 100;
const ROW_BYTES = 116;

/** MiB of anonymous memory of this process. */
function anonymousMiB(): number {
  const found = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return found === null ? Number.NaN : Number(found[1]) / 1024;
}

/**
 * A cluster and two backups of the same rows: a chain of `layers`, whose full holds half of the rows and whose incrementals hold
 * the other half in equal shares all over the key space, and at the end one full of all.
 */
async function chainOf(directory: string, layers: number, bytes: number): Promise<EmbeddedCluster> {
  const cluster = await filledCluster(directory, { rows: 1, valueBytes: VALUE_BYTES });
  const { storage } = bucketOf(directory);
  const table = cluster.table('kv', 'kv');
  const pieces = Math.max(2, 2 * (layers - 1) * PIECES_PER_LAYER);
  const rows = Math.max(1, Math.floor(bytes / ROW_BYTES / pieces));
  const { directory: path, mapBytes } = cluster.core.store;
  const store = native.openStore(path, mapBytes);
  const fill = (wanted: (piece: number) => boolean): void => {
    const { wall } = cluster.now();
    for (let piece = 0; piece < pieces; piece++) {
      if (!wanted(piece)) continue;
      const firstRow = 1 + piece * rows;
      native.fillKv(store, {
        tableId: table.id,
        firstRow,
        rows,
        valueBytes: VALUE_BYTES,
        compressibility: 0.5,
        seed: piece,
        wall,
        checksums: true,
      });
    }
    native.storeSync(store);
  };
  const take = async (name: string, appendTo?: string): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 11));
    const chain = appendTo === undefined ? {} : { appendTo };
    await backup({ source: cluster.source(), into: [`nodelocal://1/${name}`], targets: TARGETS, storage, ...chain });
  };
  try {
    fill((piece) => layers === 1 || piece % 2 === 0);
    await cluster.core.recount(indexSpans([table]));
    await take('chain');
    for (let layer = 1; layer < layers; layer++) {
      fill((piece) => piece % 2 === 1 && (piece >> 1) % (layers - 1) === layer - 1);
      await take('chain', 'LATEST');
    }
    await cluster.core.recount(indexSpans([table]));
    await take('full');
  } finally {
    native.closeStore(store);
  }
  return cluster;
}

interface Restored {
  readonly seconds: number;
  readonly openSeconds: number;
  readonly bytes: number;
  readonly peakAnonymous: number;
}

async function timedRestore(from: string, name: string, directory: string): Promise<Restored> {
  const cluster = await emptyCluster(directory);
  const { storage } = bucketOf(from);
  let peakAnonymous = 0;
  const sampler = setInterval(() => {
    peakAnonymous = Math.max(peakAnonymous, anonymousMiB());
  }, 20);
  let openSeconds = 0;
  const begin = performance.now();
  try {
    const result = await restore({
      sink: cluster.sink(),
      from: 'LATEST',
      in: [`nodelocal://1/${name}`],
      targets: TARGETS,
      storage,
      onProgress: ({ phase, bytes }) => {
        if (openSeconds === 0 && phase === 'restoring data' && bytes > 0)
          openSeconds = (performance.now() - begin) / 1000;
      },
    });
    return { seconds: result.seconds, openSeconds, bytes: result.bytes, peakAnonymous };
  } finally {
    clearInterval(sampler);
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Chains of every length of the sizes, each beside a full of the same rows in alternation. */
export async function benchChains(sizes: Sizes, scratch: string, onRow: (row: ChainRow) => void): Promise<ChainRow[]> {
  const found: ChainRow[] = [];
  for (const layers of sizes.chainLayers) {
    const directory = join(scratch, 'chain');
    const cluster = await chainOf(directory, layers, sizes.chainBytes);
    await cluster.close();
    const chain: Restored[] = [];
    const full: Restored[] = [];
    for (let round = 0; round < sizes.flowRounds; round++) {
      full.push(await timedRestore(directory, 'full', join(scratch, 'restored')));
      chain.push(await timedRestore(directory, 'chain', join(scratch, 'restored')));
    }
    rmSync(directory, { recursive: true, force: true });
    const seconds = figure(chain.map((one) => one.seconds));
    const row: ChainRow = {
      layers,
      bytes: chain[0]!.bytes,
      seconds,
      ofFull: seconds.median / figure(full.map((one) => one.seconds)).median,
      openSeconds: figure(chain.map((one) => one.openSeconds)),
      peakAnonymous: Math.max(...chain.map((one) => one.peakAnonymous)),
    };
    if (chain.some((one, index) => one.bytes !== full[index]!.bytes))
      throw new Error(`a chain of ${layers} layers restored ${chain[0]!.bytes} bytes and its full ${full[0]!.bytes}`);
    found.push(row);
    onRow(row);
  }
  return found;
}
