import type { Catalog, Descriptor, Zones } from '../../catalog/index.js';
import { compareBytes, rowPrefix, type Span, type Timestamp } from '../../keys/index.js';
import type { CatalogStore } from './catalog_store.js';
import type { HybridClock } from './hlc.js';
import type { NodeRegistry } from './nodes.js';
import { PackedBatch } from './packed_batch.js';
import { type PlacedRanges, place, type RebalanceReport, recut } from './placement.js';
import { type RangeRecord, rangeIndexAt, splitRanges } from './range_map.js';
import type { RangeRegistry } from './ranges.js';
import type { EmbeddedStore, MetaPut } from './store.js';
import { type ZoneRules, zoneRules } from './zone_rules.js';
import type { ZoneStore } from './zone_store.js';

/** Descriptors and zone configurations that a running restore will publish: placement already follows them. */
export interface Pending {
  readonly descriptors: readonly Descriptor[];
  /** Ids of descriptors that will be gone. */
  readonly dropped: ReadonlySet<number>;
  /** The content that system.zones will have; undefined = as it is. */
  readonly zones: Zones | undefined;
}

/**
 * A range that grew beyond this is split even where its zone would allow more (512 MiB by default): a range is the unit of work
 * of a backup, and this is a cluster on one machine, whose cores are to have one each.
 */
const RANGE_BYTES = 64 * 1024 * 1024;

/** Bytes that one step of counting a range visits; a range is cut between steps. */
const COUNT_STEP_BYTES = 4 * 1024 * 1024;
/** Ranges that are counted at one time: the threads of Node's pool that it takes. */
const COUNTED_AT_ONCE = 2;

/** Size above which a range that begins at `key` is split. */
function splitBytes(rules: ZoneRules, key: Uint8Array): number {
  return Math.min(rules.at(key).rangeMaxBytes, RANGE_BYTES);
}

/** The parts of an open cluster, and what must happen together when one of them changes. */
export class ClusterCore {
  readonly store: EmbeddedStore;
  readonly clock: HybridClock;
  readonly nodes: NodeRegistry;
  readonly ranges: RangeRegistry;
  readonly catalog: CatalogStore;
  readonly zones: ZoneStore;
  readonly #pending = new Map<string, Pending>();
  #placement: { readonly base: Catalog; readonly catalog: Catalog } | undefined;
  #rules: { readonly catalog: Catalog; readonly zones: Zones; readonly rules: ZoneRules } | undefined;

  constructor(parts: {
    readonly store: EmbeddedStore;
    readonly clock: HybridClock;
    readonly nodes: NodeRegistry;
    readonly ranges: RangeRegistry;
    readonly catalog: CatalogStore;
    readonly zones: ZoneStore;
  }) {
    this.store = parts.store;
    this.clock = parts.clock;
    this.nodes = parts.nodes;
    this.ranges = parts.ranges;
    this.catalog = parts.catalog;
    this.zones = parts.zones;
  }

  /** The catalog as placement sees it: with what running restores will publish. */
  placementCatalog(): Catalog {
    const base = this.catalog.current();
    if (this.#pending.size === 0) return base;
    if (this.#placement?.base !== base) {
      let catalog = base;
      for (const { descriptors, dropped } of this.#pending.values())
        catalog = catalog.without(dropped).with(descriptors);
      this.#placement = { base, catalog };
    }
    return this.#placement.catalog;
  }

  /** The effective zone configuration of every key. */
  rules(): ZoneRules {
    const catalog = this.placementCatalog();
    let zones: Zones = this.zones.current();
    for (const pending of this.#pending.values()) zones = pending.zones ?? zones;
    if (this.#rules?.catalog !== catalog || this.#rules.zones !== zones)
      this.#rules = { catalog, zones, rules: zoneRules(catalog, zones) };
    return this.#rules.rules;
  }

  /** Sets or clears what a restore will publish; call reconcile afterwards. */
  setPending(id: string, pending: Pending | undefined): void {
    this.#placement = undefined;
    if (pending === undefined) this.#pending.delete(id);
    else this.#pending.set(id, pending);
  }

  /** One atomic, durable transaction of versions and metadata; range sizes are kept up to date. */
  write(
    batch: PackedBatch | undefined,
    extra: { readonly clearSpans?: readonly Span[]; readonly meta?: readonly MetaPut[] } = {},
  ): void {
    const sized = batch === undefined ? undefined : this.#sized(batch);
    const change = sized === undefined ? undefined : this.ranges.changes(sized);
    this.store.commit({
      batch: batch === undefined || batch.count === 0 ? undefined : batch.batch(),
      clearSpans: extra.clearSpans ?? [],
      meta: [...(extra.meta ?? []), ...(change?.meta ?? [])],
    });
    change?.apply();
  }

  /**
   * Cuts the keyspace by the catalog and zone configurations and places every range. With `balance`, ranges also move
   * to even out nodes.
   */
  reconcile(options: { readonly balance: boolean }): RebalanceReport {
    const rules = this.rules();
    const cut = recut(this.ranges.all(), this.placementCatalog(), rules, this.ranges.takeId);
    return this.#replace(place(cut, rules, this.nodes.all(), options));
  }

  /** Splits at a key; false when a range begins there already. */
  splitAt(key: Uint8Array): boolean {
    const before = this.ranges.all();
    const after = splitRanges(before, [key], 'manual', this.ranges.takeId);
    this.#commitRanges(after);
    return after.length > before.length;
  }

  /** Counts the bytes of ranges that hold any of `spans` and splits those that outgrew what a range may hold. */
  async recount(spans: readonly Span[]): Promise<void> {
    await this.#count(new Set(this.ranges.overlapping(spans).map((range) => range.rangeId)));
  }

  /** Splits ranges that writes, or a smaller range_max_bytes, left too large. */
  async splitGrown(): Promise<void> {
    if (this.store.readOnly) return;
    const rules = this.rules();
    const grown = this.ranges.all().filter(({ span, bytes }) => bytes > splitBytes(rules, span.key));
    if (grown.length > 0) await this.#count(new Set(grown.map(({ rangeId }) => rangeId)));
  }

  async #count(rangeIds: ReadonlySet<number>): Promise<void> {
    const rules = this.rules();
    const waiting = this.ranges.all().filter(({ rangeId }) => rangeIds.has(rangeId));
    const measured: { readonly key: Uint8Array; readonly bytes: number }[][] = [];
    const lane = async (): Promise<void> => {
      for (let range = waiting.shift(); range !== undefined; range = waiting.shift())
        measured.push(await this.#measure(range, splitBytes(rules, range.span.key)));
    };
    await Promise.all(Array.from({ length: COUNTED_AT_ONCE }, lane));
    // Other work may have changed the ranges meanwhile.
    const split = splitRanges(
      this.ranges.all(),
      measured.flatMap((pieces) => pieces.slice(1).map(({ key }) => key)),
      'size',
      this.ranges.takeId,
    );
    for (const { key, bytes } of measured.flat()) {
      const index = rangeIndexAt(split, key);
      if (compareBytes(split[index]!.span.key, key) === 0) split[index] = { ...split[index]!, bytes };
    }
    this.#commitRanges(split);
  }

  /** Walks a range in bounded steps and cuts it into pieces of about half the maximum when it is larger than that. */
  async #measure(
    range: RangeRecord,
    maxBytes: number,
  ): Promise<{ readonly key: Uint8Array; readonly bytes: number }[]> {
    const step = Math.max(4096, Math.min(COUNT_STEP_BYTES, Math.floor(maxBytes / 8)));
    const pieces = [{ key: range.span.key, bytes: 0 }];
    let from: Uint8Array | null = range.span.key;
    let total = 0;
    while (from !== null) {
      const stats = await this.store.stats({ key: from, endKey: range.span.endKey }, maxBytes, step);
      pieces.at(-1)!.bytes += stats.bytes;
      total += stats.bytes;
      from = stats.resumeKey;
      const cut: Uint8Array | undefined = from === null ? undefined : rowPrefix(from);
      if (cut !== undefined && pieces.at(-1)!.bytes >= maxBytes / 2 && compareBytes(cut, pieces.at(-1)!.key) > 0)
        pieces.push({ key: cut, bytes: 0 });
    }
    return total > maxBytes ? pieces : [{ key: range.span.key, bytes: total }];
  }

  #sized(batch: PackedBatch): RangeRecord[] {
    const ranges = [...this.ranges.all()];
    const sums = new Map<number, number>();
    batch.forEach((key, bytes) => {
      const index = rangeIndexAt(ranges, key);
      sums.set(index, (sums.get(index) ?? 0) + bytes);
    });
    for (const [index, bytes] of sums) ranges[index] = { ...ranges[index]!, bytes: ranges[index]!.bytes + bytes };
    return ranges;
  }

  #replace(placed: PlacedRanges): RebalanceReport {
    this.#commitRanges(placed.ranges);
    const { rangesMoved, bytesMoved, warnings } = placed;
    return { rangesMoved, bytesMoved, warnings };
  }

  #commitRanges(ranges: readonly RangeRecord[]): void {
    const { meta, apply } = this.ranges.changes(ranges);
    if (meta.length > 0) this.store.commit({ meta });
    apply();
  }

  /** An empty batch whose versions get a fresh timestamp; write it before anything else takes one. */
  newBatch(): PackedBatch {
    return new PackedBatch(this.clock.now());
  }

  /** A timestamp greater than every one before it. */
  now(): Timestamp {
    return this.clock.now();
  }
}
