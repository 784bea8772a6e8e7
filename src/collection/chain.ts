import { SpanvaultError } from '../fault/index.js';
import {
  compareTimestamps,
  equalBytes,
  equalTimestamps,
  isEmptyTimestamp,
  printTimestamp,
  printUuid,
  type Timestamp,
} from '../keys/index.js';
import type { ManifestHead } from '../manifest/index.js';

/** What choosing layers needs to know of one. */
export interface TimedLayer {
  readonly head: Pick<
    ManifestHead,
    'startTime' | 'endTime' | 'mvccFilter' | 'revisionStartTime' | 'clusterId' | 'id' | 'elidedPrefix'
  >;
  /** The layer's directory, for messages. */
  readonly location: string;
}

/** A layer for messages: its directory and the times it covers. */
export function printLayer({ location, head }: Pick<TimedLayer, 'location' | 'head'>): string {
  const start = isEmptyTimestamp(head.startTime) ? 'the beginning' : printTimestamp(head.startTime);
  return `${location} (${start}, ${printTimestamp(head.endTime)}]`;
}

/** By end time; ties: earliest start first, so that a compacted layer wins over what it swallowed. */
function compareLayers({ head: a }: TimedLayer, { head: b }: TimedLayer): number {
  return compareTimestamps(a.endTime, b.endTime) || compareTimestamps(a.startTime, b.startTime);
}

/** The same layers, oldest first. */
export function inChainOrder<L extends TimedLayer>(layers: readonly L[]): readonly L[] {
  return [...layers].sort(compareLayers);
}

const COVERED_NOT = 'invalid RESTORE timestamp: supplied backups do not cover requested time';

/**
 * The gap-free path through the layers up to `asOf` (crdb-format.md 7.3), and the time to restore to; without `asOf`, that is
 * the end of the last layer. Layers may come in any order, twice, or overlap: a path goes from a full backup to the time, each
 * layer beginning exactly where the one before ends, all of one cluster and one key form. Among layers with the same end the
 * one that begins first is taken, so compacted layers stand for those that they swallowed. Layers off the path do not count.
 * @param notices what opening the backup left out; a gap may be explained by it
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words for a time between ends, before history, after the end, or behind
 * a gap, and for a layer of another cluster; the layers are named
 */
export function chooseLayers<L extends TimedLayer>(
  layers: readonly L[],
  asOf: Timestamp | undefined,
  notices: readonly string[] = [],
): { readonly chain: readonly L[]; readonly time: Timestamp } {
  const sorted = withoutCopies(layers).sort(compareLayers);
  const last = sorted.at(-1);
  if (last === undefined) throw new SpanvaultError('SV_COVERAGE', COVERED_NOT);
  const [full, other] = sorted.filter(({ head }) => isEmptyTimestamp(head.startTime));
  if (full !== undefined && other !== undefined) {
    throw new SpanvaultError(
      'SV_COVERAGE',
      `backup layers ${printLayer(full)} and ${printLayer(other)} are both full backups: a chain has one`,
    );
  }
  const time = asOf ?? last.head.endTime;
  const paths = findPaths(sorted);
  const holders = sorted.filter(
    ({ head }) => compareTimestamps(head.startTime, time) < 0 && compareTimestamps(time, head.endTime) <= 0,
  );
  const ends = holders.filter(({ head }) => equalTimestamps(time, head.endTime));
  const inside = holders.filter(
    ({ head }) => head.mvccFilter === 'all' && compareTimestamps(head.revisionStartTime, time) < 0,
  );
  const candidates = ends.length > 0 ? ends : inside;
  const holder = candidates.find((layer) => paths.has(layer)) ?? candidates[0];
  if (holder === undefined) throw noSuchTime(sorted, holders[0], time);
  const chain = pathTo(holder, paths);
  if (chain === undefined) throw notContinuous(sorted, holder, notices);
  checkKinship(chain);
  return { chain, time };
}

/** One layer given twice is one layer: it has its own id, and what had none before 19.2 has its place. */
function withoutCopies<L extends TimedLayer>(layers: readonly L[]): L[] {
  const seen = new Set<string>();
  return layers.filter(({ head, location }) => {
    const key = head.id.length > 0 ? printUuid(head.id) : location;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

/** The layer before each layer that a full backup leads to; undefined for the fulls. Takes layers in chain order. */
type Paths<L> = ReadonlyMap<L, L | undefined>;

function findPaths<L extends TimedLayer>(sorted: readonly L[]): Paths<L> {
  const paths = new Map<L, L | undefined>();
  const byEnd = new Map<string, L>();
  const key = ({ wall, logical }: Timestamp): string => `${wall}.${logical}`;
  for (const layer of sorted) {
    const { startTime, endTime } = layer.head;
    const before = isEmptyTimestamp(startTime) ? undefined : byEnd.get(key(startTime));
    if (before === undefined && !isEmptyTimestamp(startTime)) continue;
    paths.set(layer, before);
    // The first of equal ends is the one that begins first.
    if (!byEnd.has(key(endTime))) byEnd.set(key(endTime), layer);
  }
  return paths;
}

function pathTo<L extends TimedLayer>(holder: L, paths: Paths<L>): L[] | undefined {
  if (!paths.has(holder)) return undefined;
  const chain: L[] = [];
  for (let layer: L | undefined = holder; layer !== undefined; layer = paths.get(layer)) chain.unshift(layer);
  return chain;
}

/** The layers of a path must be of one cluster and write keys alike: a stranger among them would restore wrongly. */
function checkKinship(chain: readonly TimedLayer[]): void {
  const [full, ...incrementals] = chain;
  for (const layer of incrementals) {
    const [own, first] = [layer.head, full!.head];
    if (own.clusterId.length > 0 && first.clusterId.length > 0 && !equalBytes(own.clusterId, first.clusterId)) {
      throw new SpanvaultError(
        'SV_COVERAGE',
        `backup layer ${printLayer(layer)} belongs to cluster ${printUuid(own.clusterId)}, its full backup ${printLayer(full!)} to cluster ${printUuid(first.clusterId)}`,
      );
    }
    if (own.elidedPrefix !== first.elidedPrefix) {
      throw new SpanvaultError(
        'SV_COVERAGE',
        `backup layer ${printLayer(layer)} writes keys with elided prefix ${own.elidedPrefix}, its full backup ${printLayer(full!)} with ${first.elidedPrefix}`,
      );
    }
  }
}

/** Why no layer holds a time, with the times nearest to it. `holder` covers it, but has no history there. */
function noSuchTime(sorted: readonly TimedLayer[], holder: TimedLayer | undefined, time: Timestamp): SpanvaultError {
  if (holder === undefined) return new SpanvaultError('SV_COVERAGE', COVERED_NOT);
  const end = printTimestamp(holder.head.endTime);
  const before = sorted[sorted.indexOf(holder) - 1];
  const nearest =
    before === undefined
      ? ` nearest backup time is ${end}`
      : ` nearest BACKUP times are ${printTimestamp(before.head.endTime)} or ${end}`;
  const problem =
    holder.head.mvccFilter === 'all'
      ? `BACKUP for requested time only has revision history from ${printTimestamp(holder.head.revisionStartTime)}`
      : "restoring to arbitrary time requires that BACKUP for requested time be created with 'revision_history' option.";
  return new SpanvaultError('SV_COVERAGE', `invalid RESTORE timestamp: ${problem}${nearest}`, {
    details: { layer: printLayer(holder), time: printTimestamp(time) },
  });
}

/** Names the gap below a layer that no full backup leads to. */
function notContinuous(sorted: readonly TimedLayer[], holder: TimedLayer, notices: readonly string[]): SpanvaultError {
  let layer = holder;
  for (;;) {
    const before = sorted.find(({ head }) => equalTimestamps(head.endTime, layer.head.startTime));
    if (before === undefined) break;
    layer = before;
  }
  const earlier = sorted.findLast(({ head }) => compareTimestamps(head.endTime, layer.head.startTime) < 0);
  const start = printTimestamp(layer.head.startTime);
  const sentence =
    earlier === undefined
      ? `the first backup starts at ${start}, not at the beginning of time: ${printLayer(layer)}`
      : `${sorted.indexOf(earlier)}th backup ends at ${printTimestamp(earlier.head.endTime)}, ${sorted.indexOf(layer)}th backup starts at ${start}: ${printLayer(earlier)} and ${printLayer(layer)}`;
  return new SpanvaultError('SV_COVERAGE', `backups are not continuous: ${sentence}`, {
    hint: notices.length > 0 ? notices.join('; ') : 'the layer between them is gone or was taken to another location',
  });
}
