import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import { dataIndexes } from './spans.js';
import { isPlaceholder } from './zone_config.js';
import { subzoneSpans, type Zones } from './zones.js';

/**
 * Zone configurations after a table's indexes got other ids or went: those of an index in `moves` (old id to new id) go with
 * it, those of an index that is no more go too. Undefined when nothing changes. `after` is the table's new version.
 */
export function followIndexes(
  catalog: Catalog,
  zones: Zones,
  after: Table,
  moves: ReadonlyMap<number, number>,
): Zones | undefined {
  const row = zones.row(after.id);
  if (row === undefined || row.subzones.length === 0) return undefined;
  const live = new Set(dataIndexes(after).map(({ index }) => index.id ?? 0));
  const subzones = row.subzones
    .map((subzone) => ({ ...subzone, indexId: moves.get(subzone.indexId) ?? subzone.indexId }))
    .filter(({ indexId }) => live.has(indexId));
  const same = subzones.every(({ indexId }, position) => indexId === row.subzones[position]?.indexId);
  if (same && subzones.length === row.subzones.length) return undefined;
  if (subzones.length === 0 && isPlaceholder(row)) return zones.with(after.id, undefined);
  return zones.with(after.id, { ...row, subzones, subzoneSpans: subzoneSpans(catalog, after, subzones) });
}
