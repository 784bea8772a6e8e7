import { type CatalogTargets, indexSpans, resolveTargets, SYSTEM_DATABASE_ID } from '../../catalog/index.js';
import {
  compareTimestamps,
  intersectSpans,
  isEmptyTimestamp,
  mergeSpans,
  type Span,
  type Timestamp,
} from '../../keys/index.js';
import type { BackupScope, NodeInfo, RangeInfo, RangeSource, ScopeHistory, Targets, WorkerHalf } from '../contract.js';
import type { ClusterCore } from './core.js';
import { scopeHistory } from './history.js';
import { wantedLocalityAt } from './placement.js';
import { protectRunning, releaseRunning } from './protected.js';
import type { StoreAddress } from './scan_worker.js';

/** The embedded cluster as a backup sees it. */
export class EmbeddedSource implements RangeSource {
  readonly clusterId: Uint8Array;
  readonly coordinator: number;
  readonly scanner: WorkerHalf;
  readonly incremental = 'indexed';
  readonly #core: ClusterCore;

  constructor(core: ClusterCore, clusterId: Uint8Array, coordinator: number) {
    this.#core = core;
    this.clusterId = clusterId;
    this.coordinator = coordinator;
    this.scanner = { module: new URL('./scan_worker.js', import.meta.url).href, data: storeAddress(core) };
  }

  /** Nodes that can execute: the live ones. */
  async nodes(): Promise<readonly NodeInfo[]> {
    return this.#core.nodes.live().map(({ nodeId, locality }) => ({ nodeId, locality }));
  }

  now(): Timestamp {
    return this.#core.now();
  }

  /** Names are looked up in the catalog of that time. Spans of a store without names are taken as they are. */
  async resolve(targets: Targets, asOf: Timestamp): Promise<BackupScope> {
    if (targets.kind === 'spans') {
      return { spans: mergeSpans(targets.spans), descriptors: [], completeDatabases: [], coverage: 'requested' };
    }
    const resolved = resolveTargets(this.#core.catalog.at(asOf), targets satisfies CatalogTargets);
    return {
      spans: indexSpans(resolved.tables),
      descriptors: resolved.descriptors.map(({ raw }) => raw),
      // Of the system database a cluster backup holds some tables only, so CockroachDB does not call it complete.
      completeDatabases: resolved.completeDatabases.map(({ id }) => id).filter((id) => id !== SYSTEM_DATABASE_ID),
      coverage: targets.kind === 'cluster' ? 'cluster' : 'requested',
    };
  }

  async history(targets: Targets, startTime: Timestamp, endTime: Timestamp): Promise<ScopeHistory> {
    const { catalog, store } = this.#core;
    const atStart = isEmptyTimestamp(startTime) ? [] : catalog.at(startTime).descriptors;
    const resolved = await this.resolve(targets, endTime);
    return scopeHistory(store, { targets, resolved }, { startTime, endTime, atStart });
  }

  async ranges(spans: readonly Span[]): Promise<readonly RangeInfo[]> {
    await this.#core.splitGrown();
    return rangeInfos(this.#core, spans);
  }

  /**
   * A record in the store; a process that dies leaves it to the next opener, which removes it. Whoever protects a time is about
   * to read, and will most likely want to know some day what changed since.
   */
  async protect(ts: Timestamp): Promise<() => Promise<void>> {
    this.#core.store.cutChanges();
    if (this.#core.store.readOnly) return async () => undefined;
    const key = protectRunning(this.#core, ts);
    return async () => releaseRunning(this.#core, key);
  }
}

/** What worker threads need to reach the store. */
export function storeAddress(core: ClusterCore): StoreAddress {
  return { directory: core.store.directory, mapBytes: core.store.mapBytes };
}

/** Ranges that overlap any of `spans`, in key order, as RangeSource.ranges tells them. */
export function rangeInfos(core: ClusterCore, spans: readonly Span[]): RangeInfo[] {
  const rules = core.rules();
  return core.ranges.overlapping(spans).map(({ rangeId, span, replicas, leaseholder, bytes }) => ({
    rangeId,
    span,
    replicas,
    leaseholder,
    wantedLocality: wantedLocalityAt(rules, span.key),
    approximateBytes: bytes,
    ...thresholdIn(core, span, spans),
  }));
}

/** The threshold of what was asked for in a range: its neighbours in the range may have another. */
function thresholdIn(core: ClusterCore, range: Span, spans: readonly Span[]): Pick<RangeInfo, 'gcThreshold'> {
  let newest: Timestamp | undefined;
  for (const span of spans) {
    const part = intersectSpans(range, span);
    const threshold = part && core.store.threshold(part);
    if (threshold !== undefined && (newest === undefined || compareTimestamps(threshold, newest) > 0))
      newest = threshold;
  }
  return newest === undefined ? {} : { gcThreshold: newest };
}
