import {
  type Catalog,
  isPlaceholder,
  NAMED_ZONE_IDS,
  subzoneTarget,
  type ZoneConfig,
  type Zones,
  zoneTargetText,
} from '../../catalog/index.js';
import { compareBytes, compareSpans, fromHex, type Span, subtractSpans } from '../../keys/index.js';
import type { PlacementRule } from './allocator.js';
import { MAX_KEY, MIN_KEY } from './range_map.js';

/** Keys of the named ranges outside of tables (pkg/keys); an earlier one wins. */
const NAMED_SPANS: readonly { readonly name: string; readonly span: Span }[] = [
  { name: 'liveness', span: { key: fromHex('04 00 6c6976656e6573732d'), endKey: fromHex('04 00 6c6976656e6573732e') } },
  { name: 'timeseries', span: { key: fromHex('04 747364'), endKey: fromHex('04 747365') } },
  { name: 'meta', span: { key: MIN_KEY, endKey: fromHex('04') } },
  { name: 'system', span: { key: fromHex('04'), endKey: fromHex('05') } },
];

const DEFAULT_RANGE_MAX_BYTES = 536_870_912;

/** A span with one effective zone configuration. */
export interface ZoneSegment {
  readonly span: Span;
  readonly rule: PlacementRule;
  readonly rangeMaxBytes: number;
  readonly gcTtlSeconds: number;
}

/** The effective zone configuration of every key. */
export class ZoneRules {
  /** Sorted and disjoint; keys in none of them are under RANGE default. */
  readonly segments: readonly ZoneSegment[];
  readonly #fallback: ZoneSegment;

  constructor(segments: readonly ZoneSegment[], fallback: ZoneSegment) {
    this.segments = segments;
    this.#fallback = fallback;
  }

  at(key: Uint8Array): ZoneSegment {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes(this.segments[middle]!.span.key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    const found = this.segments[low - 1];
    return found !== undefined && compareBytes(key, found.span.endKey) < 0 ? found : this.#fallback;
  }
}

function segment(name: string, span: Span, zone: ZoneConfig): ZoneSegment {
  return {
    span,
    rule: {
      name,
      replicas: zone.numReplicas ?? 1,
      constraints: zone.constraints ?? [],
      leasePreferences: zone.leasePreferences ?? [],
    },
    rangeMaxBytes: Number(zone.rangeMaxBytes ?? DEFAULT_RANGE_MAX_BYTES),
    gcTtlSeconds: zone.gcTtlSeconds ?? 0,
  };
}

/** Name of the configuration that a table's own keys are under: its own, its database's, or the default. */
function decidingName(catalog: Catalog, zones: Zones, tableId: number, databaseId: number): string {
  for (const id of [tableId, databaseId]) {
    const row = zones.row(id);
    if (row !== undefined && !isPlaceholder(row)) return zoneTargetText(catalog, id) ?? `zone ${id}`;
  }
  return 'RANGE default';
}

/** Resolves inheritance for every key: default > database > table > index > partition. */
export function zoneRules(catalog: Catalog, zones: Zones): ZoneRules {
  const segments: ZoneSegment[] = [];
  const taken: Span[] = [];
  for (const { name, span } of NAMED_SPANS) {
    const zone = name in NAMED_ZONE_IDS ? zones.ofRange(name) : zones.ofDefault();
    for (const part of subtractSpans([span], taken)) segments.push(segment(`RANGE ${name}`, part, zone));
    taken.push(span);
  }
  for (const table of catalog.tables()) {
    const own = decidingName(catalog, zones, table.id, table.parentId);
    for (const { span, zone, subzone } of zones.spansOfTable(catalog, table)) {
      const part = subzone === undefined ? own : subzoneTarget(catalog, table, subzone);
      segments.push(segment(part, span, zone));
    }
  }
  return new ZoneRules(disjoint(segments.sort((a, b) => compareSpans(a.span, b.span))), defaultSegment(zones));
}

function defaultSegment(zones: Zones): ZoneSegment {
  return segment('RANGE default', { key: MIN_KEY, endKey: MAX_KEY }, zones.ofDefault());
}

/** Leaves out what an earlier segment holds: a partition of an interleaved index lies inside the ancestor's table. */
function disjoint(sorted: readonly ZoneSegment[]): ZoneSegment[] {
  const result: ZoneSegment[] = [];
  for (const one of sorted) {
    const end = result.at(-1)?.span.endKey;
    if (end === undefined || compareBytes(end, one.span.key) <= 0) result.push(one);
  }
  return result;
}
