import { type Descriptor, decodeDescriptor, PUBLIC_SCHEMA_ID } from '../catalog/index.js';
import type { OpenedLayer } from '../collection/index.js';
import { compareTimestamps, type Timestamp } from '../keys/index.js';
import type { DescriptorLists, ManifestHead } from '../manifest/index.js';
import { inLanes } from '../storage/index.js';

/** What a layer of a chain says of the catalog. */
export type CatalogLayer = DescriptorLists & Pick<ManifestHead, 'endTime' | 'descriptorCoverage'>;

/** The catalog of a chain. */
export interface ChainCatalog {
  /** Descriptors at the restored time. */
  readonly atTime: readonly Uint8Array[];
  /** Those of the last layer, as it was taken. */
  readonly newest: readonly Uint8Array[];
}

/**
 * Reads the descriptors of a chain at a time, of as few layers as tell them: the last one, unless revisions count and some layer
 * has them.
 * @throws SpanvaultError what loading the lists throws
 */
export async function readCatalogAt(
  chain: readonly Pick<OpenedLayer, 'head' | 'loadDescriptors'>[],
  time: Timestamp,
  timeAsked: boolean,
  signal?: AbortSignal,
): Promise<ChainCatalog> {
  const last = chain.at(-1)!;
  const revisions =
    (timeAsked || last.head.descriptorCoverage === 'cluster') && chain.some(({ head }) => mayTellRevisions(head));
  const read = await inLanes(revisions ? chain : [last], async ({ head, loadDescriptors }) => ({
    endTime: head.endTime,
    descriptorCoverage: head.descriptorCoverage,
    ...(await loadDescriptors(signal)),
  }));
  return { atTime: catalogAt(read, time, timeAsked), newest: read.at(-1)!.descriptors };
}

/** Lists in SSTs of their own tell revisions only where the layer keeps every version; those of a fat manifest may always. */
function mayTellRevisions({ mvccFilter, hasExternalManifestSsts }: ManifestHead): boolean {
  return mvccFilter === 'all' || !hasExternalManifestSsts;
}

/**
 * The descriptors of a chain at a time (crdb-format.md 7.4). With a time asked for, or in cluster backups, the newest
 * revision at or before it counts, descriptor by descriptor; otherwise the last layer's catalog. Dropped ones are left out.
 */
export function catalogAt(layers: readonly CatalogLayer[], time: Timestamp, timeAsked: boolean): readonly Uint8Array[] {
  const last = layers.at(-1)!;
  const byRevision =
    (timeAsked || last.descriptorCoverage === 'cluster') && layers.some((layer) => layer.descriptorChanges.length > 0);
  const live = byRevision ? revised(layers, time) : last.descriptors;
  return withParents(live.map(decodeDescriptor).filter(({ state }) => state !== 'drop')).map(({ raw }) => raw);
}

/** Leaves out what lies in a database or schema that the backup does not hold: it moved out of the targets, or its parent went. */
function withParents(descriptors: readonly Descriptor[]): Descriptor[] {
  const ids = new Set(descriptors.map(({ id }) => id));
  // 0: no parent. The public schema had no descriptor before 22.1.
  const known = (id: number): boolean => id === 0 || id === PUBLIC_SCHEMA_ID || ids.has(id);
  return descriptors.filter(({ parentId, parentSchemaId }) => known(parentId) && known(parentSchemaId));
}

function revised(layers: readonly CatalogLayer[], time: Timestamp): Uint8Array[] {
  const newest = new Map<number, { readonly time: Timestamp; readonly desc: Uint8Array | undefined }>();
  for (const layer of layers) {
    if (layer.descriptorChanges.length === 0) {
      // A layer without history tells its whole catalog: what it does not name is gone.
      newest.clear();
      for (const desc of layer.descriptors) newest.set(decodeDescriptor(desc).id, { time: layer.endTime, desc });
      continue;
    }
    for (const { id, time: changed, desc } of layer.descriptorChanges) {
      const known = newest.get(id);
      if (compareTimestamps(changed, time) > 0) continue;
      if (known === undefined || compareTimestamps(known.time, changed) <= 0) newest.set(id, { time: changed, desc });
    }
  }
  return [...newest.values()].flatMap(({ desc }) => desc ?? []);
}
