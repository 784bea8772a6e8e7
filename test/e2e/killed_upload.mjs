// A process that takes a backup of a cluster until it is killed. Argument: JSON of { directory, into }.
import { backup } from '#src/backup/index.js';
import { openCluster } from '#src/cluster/index.js';

const { directory, into } = JSON.parse(process.argv[2]);
const cluster = await openCluster(directory);
await backup({
  source: cluster.source(),
  into,
  targets: { kind: 'databases', names: ['kv'] },
  workers: 2,
  compression: 'none',
  partBytes: 5 << 20,
  partsInFlight: 2,
});
await cluster.close();
