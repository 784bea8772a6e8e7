/*
 * The process whose memory is measured while it backs a cluster up to the store, for one part size. Arguments: the cluster's
 * directory, the location, bytes of a part, parts in flight. It tells its parent when the backup begins and what came of it.
 */
import { backup } from '#src/backup/index.js';
import { openCluster } from '#src/cluster/index.js';
import { TARGETS } from './clusters.js';

export type StoreChildMessage =
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly bytes: number; readonly seconds: number };

function tell(message: StoreChildMessage): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send?.(message, undefined, undefined, (error) => (error === null ? resolve() : reject(error))),
  );
}

const [directory = '', uri = '', partBytes = '', partsInFlight = ''] = process.argv.slice(2);
const cluster = await openCluster(directory);
await tell({ kind: 'begin' });
const { bytes, seconds } = await backup({
  source: cluster.source(),
  into: [uri],
  targets: TARGETS,
  compression: 'none',
  partBytes: Number(partBytes),
  partsInFlight: Number(partsInFlight),
});
await tell({ kind: 'end', bytes, seconds });
await cluster.close();
process.disconnect();
