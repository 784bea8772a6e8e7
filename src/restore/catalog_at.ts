import { decodeDescriptor } from '../catalog/index.js';
import { compareTimestamps, type Timestamp } from '../keys/index.js';
import type { Manifest } from '../manifest/index.js';

/**
 * The descriptors of a chain at a time (crdb-format.md 7.4). With a time asked for, or in cluster backups, the newest
 * revision at or before it counts, descriptor by descriptor; otherwise the last layer's catalog. Dropped ones are left out.
 */
export function catalogAt(layers: readonly Manifest[], time: Timestamp, timeAsked: boolean): readonly Uint8Array[] {
  const last = layers.at(-1)!;
  const byRevision =
    (timeAsked || last.descriptorCoverage === 'cluster') && layers.some((layer) => layer.descriptorChanges.length > 0);
  const live = byRevision ? revised(layers, time) : last.descriptors;
  return live.filter((bytes) => decodeDescriptor(bytes).state !== 'drop');
}

function revised(layers: readonly Manifest[], time: Timestamp): Uint8Array[] {
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
