import { type Table, tableSpan } from '../../catalog/index.js';
import type { Timestamp } from '../../keys/index.js';
import type { ClusterCore } from './core.js';
import { oldestProtected } from './source.js';
import type { MetaPut } from './store.js';

/*
 * Data of dropped tables stays readable in the past until the table's gc.ttlseconds have gone by. It is erased when a
 * cluster is opened and when tables are dropped, unless a protected time needs it.
 */

const GARBAGE_PREFIX = 'garbage/';

interface GarbageRecord {
  readonly tableId: number;
  /** Wall nanoseconds. */
  readonly droppedAt: string;
  readonly ttlSeconds: number;
}

/** Records of tables that are dropped at `time`; part of the commit that drops them. */
export function garbageRecords(tables: readonly Table[], core: ClusterCore, time: Timestamp): MetaPut[] {
  const rules = core.rules();
  return tables.map(({ id }) => {
    const value: GarbageRecord = {
      tableId: id,
      droppedAt: time.wall.toString(),
      ttlSeconds: rules.at(tableSpan(id).key).gcTtlSeconds,
    };
    return { key: GARBAGE_PREFIX + id, value };
  });
}

/** Erases what is due. */
export function collectGarbage(core: ClusterCore): void {
  const now = core.now().wall;
  const needed = oldestProtected(core);
  for (const { key, value } of core.store.metaList<GarbageRecord>(GARBAGE_PREFIX)) {
    const droppedAt = BigInt(value.droppedAt);
    if (now < droppedAt + BigInt(value.ttlSeconds) * 1_000_000_000n || (needed !== undefined && needed < droppedAt))
      continue;
    // An id is never used twice, but for a cluster restore that brings its own: then the data is a live table's.
    if (core.catalog.current().tableById(value.tableId) === undefined) core.store.erase(tableSpan(value.tableId));
    core.store.commit({ meta: [{ key, value: undefined }] });
  }
}
