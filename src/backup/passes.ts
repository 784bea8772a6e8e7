import type { NodeInfo, RangeInfo } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import {
  compareTimestamps,
  EMPTY_TIMESTAMP,
  isEmptyTimestamp,
  overlaps,
  printSpan,
  printStart,
  printTimestamp,
  type Span,
  type Timestamp,
} from '../keys/index.js';
import { type BackupPlan, planBackup } from './plan.js';

/*
 * The windows of time that one layer exports (crdb-format.md 7.1). A full and an ordinary incremental have one; an incremental
 * that introduces spans has one more, which holds those spans from time zero to the layer's start.
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
  /** Those to hold from time zero; empty for a full. */
  readonly introducedSpans: readonly Span[];
  /** Empty for a full. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
}

/** Where it is exported. */
export interface PassInput {
  readonly ranges: readonly RangeInfo[];
  readonly nodes: readonly NodeInfo[];
  readonly localities: readonly string[];
  readonly taskBytes: number;
}

/** The passes of a layer; the last one is the layer's own window over all its spans. */
export function planPasses(window: LayerWindow, input: PassInput): readonly [...ExportPass[], ExportPass] {
  const { startTime, endTime, spans, introducedSpans } = window;
  const plan = (some: readonly Span[]): BackupPlan => planBackup({ ...input, spans: some });
  const own: ExportPass = { startTime, endTime, plan: plan(spans) };
  if (introducedSpans.length === 0) return [own];
  return [{ startTime: EMPTY_TIMESTAMP, endTime: startTime, plan: plan(introducedSpans) }, own];
}

/**
 * Checks that no version which the layer needs was collected: reads at a range's GC threshold or below it may be incomplete.
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words
 */
export function checkGarbage(window: LayerWindow, ranges: readonly RangeInfo[]): void {
  const { startTime, endTime, spans } = window;
  for (const { rangeId, span, gcThreshold } of ranges) {
    if (gcThreshold === undefined || isEmptyTimestamp(gcThreshold)) continue;
    if (!spans.some((one) => overlaps(one, span))) continue;
    if (!isEmptyTimestamp(startTime) && compareTimestamps(startTime, gcThreshold) < 0) {
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
