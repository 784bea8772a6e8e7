import { backup } from '#src/backup/index.js';
import { indexSpans } from '#src/catalog/index.js';
import { native } from '#src/native/index.js';
import { bucketOf, filledCluster, TARGETS } from './clusters.js';

/** Pieces of the key space that each layer fills: rows of every layer lie among those of the others. */
const PIECES_PER_LAYER = 4;
const VALUE_BYTES = 100;
const ROW_BYTES = 116;

/** Names of the two collections that `buildChain` writes, as paths of their node. */
export const COLLECTIONS = { chain: 'chain', full: 'full' } as const;

/**
 * Two backups of the same rows in the bucket of `directory`: a chain of `layers`, whose full holds half of the rows and whose
 * incrementals hold the other half in equal shares all over the key space, and one full of all.
 */
export async function buildChain(directory: string, layers: number, bytes: number): Promise<void> {
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
    await take(COLLECTIONS.chain);
    for (let layer = 1; layer < layers; layer++) {
      fill((piece) => piece % 2 === 1 && (piece >> 1) % (layers - 1) === layer - 1);
      await take(COLLECTIONS.chain, 'LATEST');
    }
    await cluster.core.recount(indexSpans([table]));
    await take(COLLECTIONS.full);
  } finally {
    native.closeStore(store);
    await cluster.close();
  }
}
