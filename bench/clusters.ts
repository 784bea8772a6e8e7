import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type EmbeddedCluster, initCluster, openCluster, workloadInit } from '#src/cluster/index.js';

/** One table of a bench cluster: `kv`, half-compressible values, keys that count up. */
export interface TableSize {
  readonly rows: number;
  readonly valueBytes: number;
}

/** Key and value bytes of a row of kv beside its value, about. */
const ROW_OVERHEAD = 14;

export function tableOfBytes(bytes: number, valueBytes: number): TableSize {
  return { rows: Math.max(1, Math.floor(bytes / (valueBytes + ROW_OVERHEAD))), valueBytes };
}

/** A one-node cluster with a filled table in `directory`. */
export async function filledCluster(directory: string, table: TableSize): Promise<EmbeddedCluster> {
  const cluster = await emptyCluster(directory);
  await workloadInit(cluster, 'kv', table);
  return cluster;
}

export async function emptyCluster(directory: string): Promise<EmbeddedCluster> {
  rmSync(directory, { recursive: true, force: true });
  await initCluster(directory, { nodes: [[]] });
  return openCluster(directory);
}

export const TARGETS = { kind: 'databases', names: ['kv'] } as const;

/** Where the backups of a cluster go: a local directory of it. */
export function bucketOf(directory: string): {
  readonly uris: readonly string[];
  readonly storage: { readonly externalIODir: string; readonly selfNode: number };
} {
  return { uris: ['nodelocal://1/bench'], storage: { externalIODir: join(directory, 'extern'), selfNode: 1 } };
}
