import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedCluster, initCluster, openCluster } from '#src/cluster/index.js';
import { parseLocality } from '#src/keys/index.js';

/** Regions of movr, one node each. */
export const THREE_REGIONS = ['region=us-west1,az=a', 'region=us-east1,az=a', 'region=europe-west1,az=a'];

/** A directory that is removed by `remove`. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'spanvault-cluster-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A new open cluster with one node per locality text; `dispose` closes and removes it. */
export async function temporaryCluster(
  localities: readonly string[] = THREE_REGIONS,
): Promise<{ readonly cluster: EmbeddedCluster; readonly directory: string; dispose(): Promise<void> }> {
  const directory = temporaryDirectory();
  await initCluster(directory.path, { nodes: localities.map(parseLocality), mapBytes: 2 ** 32 });
  const cluster = await openCluster(directory.path, { mapBytes: 2 ** 32 });
  return {
    cluster,
    directory: directory.path,
    async dispose() {
      await cluster.close();
      directory.remove();
    },
  };
}

/** All of an async iterable. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
