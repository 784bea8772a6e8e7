import { randomUUID } from 'node:crypto';
import { type CatalogTargets, indexSpans, resolveTargets } from '../../catalog/index.js';
import { isEmptyTimestamp, mergeSpans, type Span, type Timestamp } from '../../keys/index.js';
import type { BackupScope, NodeInfo, RangeInfo, RangeSource, ScopeHistory, Targets, WorkerHalf } from '../contract.js';
import type { ClusterCore } from './core.js';
import { scopeHistory } from './history.js';
import { wantedLocalityAt } from './placement.js';
import type { StoreAddress } from './scan_worker.js';

const PROTECT_PREFIX = 'protect/';

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
      completeDatabases: resolved.completeDatabases.map(({ id }) => id),
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
    const key = `${PROTECT_PREFIX}${randomUUID()}`;
    this.#core.store.commit({ meta: [{ key, value: { wall: ts.wall.toString(), logical: ts.logical } }] });
    return async () => this.#core.store.commit({ meta: [{ key, value: undefined }] });
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
  }));
}

/** The oldest time that a running operation needs; undefined when there is none. */
export function oldestProtected(core: ClusterCore): bigint | undefined {
  let oldest: bigint | undefined;
  for (const { value } of core.store.metaList<{ readonly wall: string }>(PROTECT_PREFIX)) {
    const wall = BigInt(value.wall);
    if (oldest === undefined || wall < oldest) oldest = wall;
  }
  return oldest;
}

/** Removes records of operations that died with their process. */
export function forgetProtected(core: ClusterCore): void {
  const meta = core.store.metaList<unknown>(PROTECT_PREFIX).map(({ key }) => ({ key, value: undefined }));
  if (meta.length > 0) core.store.commit({ meta });
}
