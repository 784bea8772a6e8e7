import { dataIndexes, indexPrefix, prefixSpan, type Table, tableSpan } from '../../catalog/index.js';
import { compareTimestamps, type Span, type Timestamp } from '../../keys/index.js';
import type { ClusterCore } from './core.js';
import { allProtected, oldestProtected } from './protected.js';
import type { MetaPut } from './store.js';

/*
 * Data of dropped tables and indexes stays readable in the past until its gc.ttlseconds have gone by. It is erased when a
 * cluster is opened and when more is dropped, unless a protected time needs it.
 */

const GARBAGE_PREFIX = 'garbage/';

const MAX_LOGICAL = 2 ** 31 - 1;

interface GarbageRecord {
  readonly tableId: number;
  /** Absent: the whole table. */
  readonly indexId?: number;
  /** Wall nanoseconds. */
  readonly droppedAt: string;
  readonly ttlSeconds: number;
}

/** What a change of the catalog leaves without a descriptor. */
export interface Dropped {
  readonly tables: readonly Table[];
  readonly indexes: readonly { readonly tableId: number; readonly indexId: number }[];
}

/** Records of tables and indexes that are dropped at `time`; part of the commit that drops them. */
export function garbageRecords({ tables, indexes }: Dropped, core: ClusterCore, time: Timestamp): MetaPut[] {
  const rules = core.rules();
  return [...tables.map(({ id }) => ({ tableId: id })), ...indexes].map((one) => {
    const span = spanOf(one);
    const value: GarbageRecord = {
      ...one,
      droppedAt: time.wall.toString(),
      ttlSeconds: rules.at(span.key).gcTtlSeconds,
    };
    return {
      key: 'indexId' in one ? `${GARBAGE_PREFIX}${one.tableId}/${one.indexId}` : `${GARBAGE_PREFIX}${one.tableId}`,
      value,
    };
  });
}

function spanOf({ tableId, indexId }: { readonly tableId: number; readonly indexId?: number }): Span {
  return indexId === undefined ? tableSpan(tableId) : prefixSpan(indexPrefix(tableId, indexId));
}

/** Spans of what was dropped and is not erased yet. */
export function droppedSpans(core: ClusterCore): Span[] {
  return core.store.metaList<GarbageRecord>(GARBAGE_PREFIX).map(({ value }) => spanOf(value));
}

/** Erases what is due; reads of the time before it was dropped are refused from then on. */
export function collectDropped(core: ClusterCore): void {
  const now = core.now().wall;
  const protections = allProtected(core);
  for (const { key, value } of core.store.metaList<GarbageRecord>(GARBAGE_PREFIX)) {
    // The last time at which it may have been there: the record has no logical part.
    const droppedAt: Timestamp = { wall: BigInt(value.droppedAt), logical: MAX_LOGICAL };
    const needed = oldestProtected(protections, spanOf(value));
    if (now < droppedAt.wall + BigInt(value.ttlSeconds) * 1_000_000_000n) continue;
    if (needed !== undefined && compareTimestamps(needed, droppedAt) < 0) continue;
    if (!isLive(core, value)) {
      core.store.raiseThreshold(spanOf(value), droppedAt);
      core.store.erase(spanOf(value));
    }
    core.store.commit({ meta: [{ key, value: undefined }] });
  }
}

/** An id is never used twice, but for a cluster restore that brings its own: then the data is live again. */
function isLive(core: ClusterCore, { tableId, indexId }: GarbageRecord): boolean {
  const table = core.catalog.current().tableById(tableId);
  if (table === undefined || indexId === undefined) return table !== undefined;
  return dataIndexes(table).some(({ index }) => index.id === indexId);
}
