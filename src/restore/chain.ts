import { SpanvaultError } from '../fault/index.js';
import { compareTimestamps, equalTimestamps, isEmptyTimestamp, printTimestamp, type Timestamp } from '../keys/index.js';

/** What choosing layers needs to know of one. */
export interface ChainLayer {
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  readonly allRevisions: boolean;
  readonly revisionStartTime: Timestamp;
}

/** Newest first by end time, ties: earliest start first, so that a compacted layer wins over what it swallowed. */
function compareChain(a: ChainLayer, b: ChainLayer): number {
  return compareTimestamps(a.endTime, b.endTime) || compareTimestamps(a.startTime, b.startTime);
}

/**
 * The gap-free path through the layers up to `asOf` (crdb-format.md 7.3), and the time to restore to. Without `asOf`, that is
 * the end of the last layer.
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words for a time between ends, before history, or after the end
 */
export function chooseLayers<L extends ChainLayer>(
  layers: readonly L[],
  asOf: Timestamp | undefined,
): { readonly chain: readonly L[]; readonly time: Timestamp } {
  const sorted = [...layers].sort(compareChain);
  const last = sorted.at(-1);
  if (last === undefined)
    throw new SpanvaultError('SV_COVERAGE', 'invalid RESTORE timestamp: supplied backups do not cover requested time');
  const time = asOf ?? last.endTime;
  const index = sorted.findIndex(
    (layer) => compareTimestamps(layer.startTime, time) < 0 && compareTimestamps(time, layer.endTime) <= 0,
  );
  const holder = sorted[index];
  if (holder === undefined)
    throw new SpanvaultError('SV_COVERAGE', 'invalid RESTORE timestamp: supplied backups do not cover requested time');
  if (!equalTimestamps(time, holder.endTime)) checkHistory(sorted, index, time);
  return { chain: contiguous(sorted.slice(0, index + 1)), time };
}

function nearestTimes(layers: readonly ChainLayer[], index: number): string {
  const end = printTimestamp(layers[index]!.endTime);
  return index === 0
    ? ` nearest backup time is ${end}`
    : ` nearest BACKUP times are ${printTimestamp(layers[index - 1]!.endTime)} or ${end}`;
}

function checkHistory(layers: readonly ChainLayer[], index: number, time: Timestamp): void {
  const holder = layers[index]!;
  if (!holder.allRevisions) {
    throw new SpanvaultError(
      'SV_COVERAGE',
      `invalid RESTORE timestamp: restoring to arbitrary time requires that BACKUP for requested time be created with 'revision_history' option.${nearestTimes(layers, index)}`,
    );
  }
  if (compareTimestamps(time, holder.revisionStartTime) <= 0) {
    throw new SpanvaultError(
      'SV_COVERAGE',
      `invalid RESTORE timestamp: BACKUP for requested time only has revision history from ${printTimestamp(holder.revisionStartTime)}${nearestTimes(layers, index)}`,
    );
  }
}

/** Walks back from the last layer: each chosen layer must start where another ends; swallowed layers are skipped. */
function contiguous<L extends ChainLayer>(sorted: readonly L[]): L[] {
  const chain: L[] = [];
  let wanted = sorted.at(-1)!.endTime;
  for (let index = sorted.length - 1; index >= 0; index--) {
    const layer = sorted[index]!;
    if (compareTimestamps(layer.endTime, wanted) > 0) continue;
    const earlier = sorted[index - 1];
    if (earlier !== undefined && equalTimestamps(earlier.endTime, layer.endTime)) continue;
    if (!equalTimestamps(layer.endTime, wanted)) {
      const next = chain[0]!;
      throw new SpanvaultError(
        'SV_COVERAGE',
        `backups are not continuous: ${sorted.indexOf(layer)}th backup ends at ${printTimestamp(layer.endTime)}, ${sorted.indexOf(next)}th backup starts at ${printTimestamp(next.startTime)}`,
      );
    }
    chain.unshift(layer);
    wanted = layer.startTime;
    if (isEmptyTimestamp(wanted)) return chain;
  }
  const first = chain[0]!;
  throw new SpanvaultError(
    'SV_COVERAGE',
    `backups are not continuous: the first backup starts at ${printTimestamp(first.startTime)}, not at the beginning of time`,
  );
}
