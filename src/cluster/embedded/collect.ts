import { compareTimestamps, MAX_TIMESTAMP, type Span, subtractSpans, type Timestamp } from '../../keys/index.js';
import type { ClusterCore } from './core.js';
import { collectDropped, droppedSpans } from './garbage.js';
import { unpublishedSpans } from './journal.js';
import { allProtected, oldestProtected, type ProtectedTimestamp } from './protected.js';

/*
 * Garbage collection of versions: what no read after a range's threshold can see. The threshold is now less gc.ttlseconds of
 * the range's zone configuration, held back by protected timestamps. System tables are ranges like others.
 */

/** What a collection did. */
export interface GarbageReport {
  /** Versions erased, and their bytes of keys and values. */
  readonly versions: number;
  readonly bytes: number;
  /** Bytes of keys, values and index entries that were looked at. */
  readonly bytesVisited: number;
  /** Pieces of ranges whose threshold rose. */
  readonly spans: number;
  /** False when the time given was over before everything was looked at. */
  readonly finished: boolean;
}

export interface CollectOptions {
  /** Milliseconds after which the collection stops; the next one goes on with other ranges. Default: it runs to its end. */
  readonly budgetMs?: number;
  /**
   * Leaves ranges alone whose threshold would rise by less than this fraction of their gc.ttlseconds, and everything newer than
   * the cluster: for collections that nobody asked for. Default 0.
   */
  readonly atLeast?: number;
  /** When the cluster was made; nothing is garbage before. */
  readonly since?: bigint;
}

/** Bytes that one step looks at: a millisecond or two of the main thread. */
const STEP_BYTES = 1024 * 1024;
/** Entries of the change index that one step drops. */
const FORGET_ENTRIES = 4096;
const NANOS = 1_000_000_000n;

/** A piece of a range and the threshold that it should have. */
interface Due {
  readonly span: Span;
  readonly threshold: Timestamp;
}

/** Collects garbage in bounded steps, range by range, and drops what the change index keeps for windows that nobody can ask for. */
export async function collectGarbage(core: ClusterCore, options: CollectOptions = {}): Promise<GarbageReport> {
  collectDropped(core);
  const started = performance.now();
  const { pieces, oldest } = planCollection(core, options);
  const sums = { versions: 0, bytes: 0, bytesVisited: 0, spans: 0 };
  const outOfTime = (): boolean => performance.now() - started > (options.budgetMs ?? Number.POSITIVE_INFINITY);
  let finished = true;
  for (const { span, threshold } of pieces) {
    if (outOfTime() || !(await collectPiece(core, { span, threshold }, sums, outOfTime))) {
      finished = false;
      break;
    }
  }
  const forgot = finished && (await forgetChanges(core, oldest));
  if (forgot || pieces.length > 0) await core.store.syncAside();
  return { ...sums, finished };
}

/** Steps through one piece; false when there was no time left. */
async function collectPiece(
  core: ClusterCore,
  { span, threshold }: Due,
  sums: { versions: number; bytes: number; bytesVisited: number; spans: number },
  outOfTime: () => boolean,
): Promise<boolean> {
  let from: Uint8Array | null = null;
  do {
    const step = core.store.collect(span, from, threshold, STEP_BYTES);
    sums.versions += step.versions;
    sums.bytes += step.bytes;
    sums.bytesVisited += step.visited;
    from = step.resumeKey;
    await new Promise(setImmediate);
    if (from !== null && outOfTime()) return false;
  } while (from !== null);
  sums.spans++;
  return true;
}

/** Pieces whose threshold rises, and the time at or before which no window can begin any more once they are collected. */
function planCollection(
  core: ClusterCore,
  { atLeast = 0, since = 0n }: CollectOptions,
): { readonly pieces: readonly Due[]; readonly oldest: Timestamp } {
  const rules = core.rules();
  const now = core.now();
  const protections = allProtected(core);
  const excluded = [...unpublishedSpans(core), ...droppedSpans(core)];
  const pieces: Due[] = [];
  let oldest = MAX_TIMESTAMP;
  for (const range of core.ranges.all()) {
    for (const span of subtractSpans([range.span], excluded)) {
      const ttl = BigInt(rules.at(span.key).gcTtlSeconds) * NANOS;
      const threshold = thresholdOf({ wall: now.wall - ttl, logical: 0 }, protections, span);
      const reached = core.store.threshold(span);
      const from = reached === undefined || reached.wall < since ? since : reached.wall;
      const rises = threshold.wall > from && Number(threshold.wall - from) >= atLeast * Number(ttl);
      if (rises) pieces.push({ span, threshold });
      const least = rises ? threshold : (reached ?? { wall: 0n, logical: 0 });
      if (compareTimestamps(least, oldest) < 0) oldest = least;
    }
  }
  return { pieces, oldest };
}

/** A protected time stays readable, and so does a window that begins at it. */
function thresholdOf(expired: Timestamp, protections: readonly ProtectedTimestamp[], span: Span): Timestamp {
  const oldest = oldestProtected(protections, span);
  if (oldest === undefined || compareTimestamps(expired, oldest) < 0) return expired;
  return oldest.logical > 0 ? { ...oldest, logical: oldest.logical - 1 } : { wall: oldest.wall - 1n, logical: 0 };
}

/** Drops what the change index knows of the time up to `through`; true when that was anything worth a sync. */
async function forgetChanges(core: ClusterCore, through: Timestamp): Promise<boolean> {
  let steps = 0;
  while (core.store.forgetChanges(through, FORGET_ENTRIES)) {
    steps++;
    await new Promise(setImmediate);
  }
  return steps > 0;
}
