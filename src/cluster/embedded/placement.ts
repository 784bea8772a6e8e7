import { type Catalog, dataIndexes, indexKeyPrefix, type Table, tableSpan } from '../../catalog/index.js';
import { compareBytes, type Span, toHex } from '../../keys/index.js';
import {
  allocate,
  type NodeLoad,
  type Placement,
  type SatisfiableRule,
  satisfiable,
  wantedLocality,
} from './allocator.js';
import type { ClusterNode } from './nodes.js';
import { MAX_KEY, MIN_KEY, mergeRanges, type RangeRecord, splitRanges } from './range_map.js';
import type { ZoneRules, ZoneSegment } from './zone_rules.js';

/** What re-placing ranges did. */
export interface RebalanceReport {
  /** Ranges whose replicas or leaseholder changed. */
  readonly rangesMoved: number;
  /** Bytes of replicas that a node got that it did not have. */
  readonly bytesMoved: number;
  readonly warnings: readonly string[];
}

export interface PlacedRanges extends RebalanceReport {
  readonly ranges: readonly RangeRecord[];
}

/** A range with nothing in it still weighs something, so that empty ranges spread too. */
const RANGE_WEIGHT = 64 * 1024;
/** A node may hold this much more than its fair share before ranges leave it. */
const SLACK = 1.2;

/** Keys at which ranges must begin: tables, their indexes, and spans with a zone configuration of their own. */
export function requiredBoundaries(catalog: Catalog, rules: ZoneRules): Uint8Array[] {
  const keys = new Map<string, Uint8Array>();
  const add = (key: Uint8Array): void => {
    if (compareBytes(key, MIN_KEY) > 0 && compareBytes(key, MAX_KEY) < 0) keys.set(toHex(key), key);
  };
  for (const table of catalog.tables()) for (const key of tableBoundaries(table)) add(key);
  for (const { span } of rules.segments) {
    add(span.key);
    add(span.endKey);
  }
  return [...keys.values()].sort(compareBytes);
}

function tableBoundaries(table: Table): Uint8Array[] {
  const { key, endKey } = tableSpan(table.id);
  // An interleaved index has no keys under its own prefix; the first index begins where the table does.
  const prefixes = dataIndexes(table)
    .filter(({ index }) => index.interleave?.ancestors?.[0] === undefined)
    .map(({ index }) => indexKeyPrefix(table.id, index))
    .sort(compareBytes);
  return [key, endKey, ...prefixes.slice(1)];
}

/** Brings the cuts of the keyspace up to date with a catalog and its zone configurations; moves nothing. */
export function recut(
  ranges: readonly RangeRecord[],
  catalog: Catalog,
  rules: ZoneRules,
  nextId: () => number,
): RangeRecord[] {
  const boundaries = requiredBoundaries(catalog, rules);
  const tables: Span[] = catalog.tables().map(({ id }) => tableSpan(id));
  return splitRanges(mergeRanges(ranges, boundaries, tables), boundaries, 'boundary', nextId);
}

/**
 * Places every range by the zone configurations and the live nodes: pure and deterministic. Without `balance` a range
 * only moves when its configuration or a lost node makes it move, never to even out bytes.
 */
export function place(
  ranges: readonly RangeRecord[],
  rules: ZoneRules,
  nodes: readonly ClusterNode[],
  options: { readonly balance: boolean },
): PlacedRanges {
  const live = nodes.filter((node) => node.status === 'live');
  const satisfied = new Map<ZoneSegment, SatisfiableRule>();
  const ruleOf = (segment: ZoneSegment): SatisfiableRule => {
    const known = satisfied.get(segment) ?? satisfiable(segment.rule, live);
    satisfied.set(segment, known);
    return known;
  };
  const weights = ranges.map(
    (range) => (range.bytes + RANGE_WEIGHT) * Math.min(ruleOf(rules.at(range.span.key)).replicas, live.length),
  );
  const limit: NodeLoad = options.balance
    ? {
        bytes: (SLACK * weights.reduce((sum, weight) => sum + weight, 0)) / live.length,
        leaseBytes: (SLACK * ranges.reduce((sum, range) => sum + range.bytes + RANGE_WEIGHT, 0)) / live.length,
      }
    : { bytes: Number.POSITIVE_INFINITY, leaseBytes: Number.POSITIVE_INFINITY };
  const load = new Map<number, NodeLoad>(live.map(({ nodeId }) => [nodeId, { bytes: 0, leaseBytes: 0 }]));
  let rangesMoved = 0;
  let bytesMoved = 0;
  const placed = ranges.map((range) => {
    const placement = allocate(ruleOf(rules.at(range.span.key)), live, range, { load, limit });
    record(load, placement, range.bytes + RANGE_WEIGHT);
    if (samePlacement(range, placement)) return range;
    rangesMoved++;
    bytesMoved += range.bytes * placement.replicas.filter((nodeId) => !range.replicas.includes(nodeId)).length;
    return { ...range, ...placement };
  });
  const warnings = [...new Set([...satisfied.values()].flatMap((rule) => rule.warnings))];
  return { ranges: placed, rangesMoved, bytesMoved, warnings };
}

function record(load: Map<number, NodeLoad>, placement: Placement, bytes: number): void {
  for (const nodeId of placement.replicas) load.get(nodeId)!.bytes += bytes;
  load.get(placement.leaseholder)!.leaseBytes += bytes;
}

function samePlacement(a: Placement, b: Placement): boolean {
  return a.leaseholder === b.leaseholder && a.replicas.join() === b.replicas.join();
}

/** The locality that a key's data belongs to by its zone configuration. */
export function wantedLocalityAt(rules: ZoneRules, key: Uint8Array): ReturnType<typeof wantedLocality> {
  return wantedLocality(rules.at(key).rule);
}
