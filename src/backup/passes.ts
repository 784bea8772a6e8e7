import type { NodeInfo, RangeInfo } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import {
  compareTimestamps,
  EMPTY_TIMESTAMP,
  intersectSpans,
  isEmptyTimestamp,
  mergeSpans,
  overlaps,
  printSpan,
  printStart,
  printTimestamp,
  type Span,
  subtractSpans,
  type Timestamp,
} from '../keys/index.js';
import { type BackupPlan, planBackup } from './plan.js';

/*
 * The windows of time that one layer exports (crdb-format.md 7.1). A full and an ordinary incremental have one; an incremental
 * that introduces spans has one more, which holds those spans from time zero to the layer's start, and a third one where
 * garbage collection has passed that start: a table made and collected between two layers has no state at the first of them.
 */

/** One window and the plan of its spans. */
export interface ExportPass {
  /** Exclusive; empty = from the beginning. */
  readonly startTime: Timestamp;
  /** Inclusive. */
  readonly endTime: Timestamp;
  readonly plan: BackupPlan;
}

/** What a layer exports. */
export interface LayerWindow {
  /** Every span of the layer. */
  readonly spans: readonly Span[];
  /** Those of tables with `exclude_data_from_backup`, which the layer claims and does not hold. */
  readonly excludedSpans: readonly Span[];
  /** Those to hold from time zero; empty for a full. */
  readonly introducedSpans: readonly Span[];
  /** Empty for a full. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  /** With `revision_history`: every version of the window, not the newest alone. */
  readonly allRevisions: boolean;
}

/** Where it is exported. */
export interface PassInput {
  readonly ranges: readonly RangeInfo[];
  readonly nodes: readonly NodeInfo[];
  readonly localities: readonly string[];
  readonly taskBytes: number;
}

/** What of its spans a layer holds. */
export function heldSpans({ spans, excludedSpans }: LayerWindow): readonly Span[] {
  return subtractSpans(spans, excludedSpans);
}

/** The passes of a layer; the last one is the layer's own window over all its spans. */
export function planPasses(window: LayerWindow, input: PassInput): readonly [...ExportPass[], ExportPass] {
  const { startTime, endTime } = window;
  const introduced = subtractSpans(window.introducedSpans, window.excludedSpans);
  const pass = (from: Timestamp, to: Timestamp, some: readonly Span[]): ExportPass[] =>
    some.length === 0 ? [] : [{ startTime: from, endTime: to, plan: planBackup({ ...input, spans: some }) }];
  const collected = collectedSpans(window, input.ranges);
  return [
    ...pass(EMPTY_TIMESTAMP, startTime, subtractSpans(introduced, collected)),
    ...pass(EMPTY_TIMESTAMP, endTime, collected),
    { startTime, endTime, plan: planBackup({ ...input, spans: subtractSpans(heldSpans(window), collected) }) },
  ];
}

/**
 * Introduced spans whose state at the layer's start was collected. Their newest state at its end is whole, and all that a layer
 * without revisions owes; one with revisions owes those that are gone, so that for it there are none.
 */
function collectedSpans(
  { introducedSpans, startTime, allRevisions }: LayerWindow,
  ranges: readonly RangeInfo[],
): readonly Span[] {
  if (allRevisions) return [];
  const behind = ranges.filter(
    ({ gcThreshold }) => gcThreshold !== undefined && compareTimestamps(startTime, gcThreshold) <= 0,
  );
  return mergeSpans(
    behind.flatMap(({ span }) => introducedSpans.flatMap((introduced) => intersectSpans(introduced, span) ?? [])),
  );
}

/**
 * Checks that no version which the layer needs was collected: reads at a range's GC threshold or below it may be incomplete.
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words
 */
export function checkGarbage(window: LayerWindow, ranges: readonly RangeInfo[]): void {
  const { startTime, endTime } = window;
  const spans = heldSpans(window);
  const since = subtractSpans(spans, collectedSpans(window, ranges));
  for (const { rangeId, span, gcThreshold } of ranges) {
    if (gcThreshold === undefined || isEmptyTimestamp(gcThreshold)) continue;
    if (!spans.some((one) => overlaps(one, span))) continue;
    const late = !isEmptyTimestamp(startTime) && compareTimestamps(startTime, gcThreshold) < 0;
    if (late && since.some((one) => overlaps(one, span))) {
      throw new SpanvaultError(
        'SV_COVERAGE',
        `protected ts verification error: range r${rangeId}, range span: ${printStart(span)} has its GC threshold at ${printTimestamp(gcThreshold)}, after the end of the previous backup at ${printTimestamp(startTime)}`,
        {
          details: { range: rangeId },
          hint: 'versions that this incremental backup needs were collected: take a full backup, and raise gc.ttlseconds above the time between backups',
        },
      );
    }
    if (compareTimestamps(endTime, gcThreshold) <= 0) {
      throw new SpanvaultError(
        'SV_COVERAGE',
        `batch timestamp ${printTimestamp(endTime)} must be after replica GC threshold ${printTimestamp(gcThreshold)} (r${rangeId}: ${printSpan(span)})`,
        { details: { range: rangeId } },
      );
    }
  }
}

/** The newest GC threshold of the exported ranges: revision history reaches back to it (crdb-format.md 7.1). */
export function newestThreshold(spans: readonly Span[], ranges: readonly RangeInfo[]): Timestamp {
  let newest = EMPTY_TIMESTAMP;
  for (const { span, gcThreshold } of ranges) {
    if (gcThreshold === undefined || compareTimestamps(gcThreshold, newest) <= 0) continue;
    if (spans.some((one) => overlaps(one, span))) newest = gcThreshold;
  }
  return newest;
}
