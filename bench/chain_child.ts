/*
 * The process whose restores are measured: it has built nothing and restores one collection each time that its parent says so.
 * Arguments: directory of the cluster whose bucket holds the collections, name of the collection, directory to restore into.
 */
import { rmSync } from 'node:fs';
import { restore } from '#src/restore/index.js';
import { bucketOf, emptyCluster, TARGETS } from './clusters.js';

/** What a restore came to. */
export interface ChainRestored {
  readonly seconds: number;
  /** Until the first rows were read. */
  readonly openSeconds: number;
  readonly bytes: number;
}

const [from = '', name = '', into = ''] = process.argv.slice(2);

async function restoreOnce(): Promise<ChainRestored> {
  const cluster = await emptyCluster(into);
  const { storage } = bucketOf(from);
  let openSeconds = 0;
  const begin = performance.now();
  try {
    const { seconds, bytes } = await restore({
      sink: cluster.sink(),
      from: 'LATEST',
      in: [`nodelocal://1/${name}`],
      targets: TARGETS,
      storage,
      onProgress: (progress) => {
        if (openSeconds === 0 && progress.phase === 'restoring data' && progress.bytes > 0)
          openSeconds = (performance.now() - begin) / 1000;
      },
    });
    return { seconds, openSeconds, bytes };
  } finally {
    await cluster.close();
    rmSync(into, { recursive: true, force: true });
  }
}

process.on('message', () => {
  restoreOnce().then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
