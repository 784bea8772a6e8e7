import type { NodeInfo, RangeInfo } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  intersectSpans,
  type Locality,
  matchTier,
  mergeSpans,
  printLocality,
  printSpan,
  printTier,
  type Span,
  subtractSpans,
} from '../keys/index.js';

/** Everything a plan depends on; the same input gives the same plan. */
export interface PlanInput {
  /** Sorted, disjoint spans to export. */
  readonly spans: readonly Span[];
  /** Ranges in key order that cover the spans. */
  readonly ranges: readonly RangeInfo[];
  readonly nodes: readonly NodeInfo[];
  /** Locality texts that have a bucket of their own; everything else goes to the default bucket. */
  readonly localities: readonly string[];
  /** Upper bound of the approximate bytes of one task; smaller spreads better over workers, larger makes fewer files. */
  readonly taskBytes: number;
}

/** Why the data of a range does not lie in a bucket of the range's own locality. */
export type DisplacedReason = 'no bucket for the locality' | 'no replica on a node of the locality';

/** One range's share of the backup. */
export interface PlannedPiece {
  readonly span: Span;
  readonly rangeId: number;
  readonly nodeId: number;
  /** `key=value` of the bucket, "" for the default one. */
  readonly localityKv: string;
  readonly wantedLocality: Locality | undefined;
  readonly displaced: DisplacedReason | undefined;
  readonly approximateBytes: number;
}

/** Pieces that one worker exports for one node into one bucket, in key order. */
export interface ExportTaskPlan {
  readonly nodeId: number;
  readonly localityKv: string;
  readonly pieces: readonly PlannedPiece[];
  readonly approximateBytes: number;
}

export interface BackupPlan {
  readonly tasks: readonly ExportTaskPlan[];
  readonly approximateBytes: number;
}

/** How well a node fits a range: tiers of the range's wanted locality that the node has. */
function matchingTiers(node: NodeInfo, wanted: Locality | undefined): number {
  if (wanted === undefined) return 0;
  const tiers = new Set(node.locality.map(printTier));
  return wanted.filter((tier) => tiers.has(printTier(tier))).length;
}

/**
 * The executor of a range: the leaseholder, unless another replica fits the range's wanted locality better (seed S04: the job
 * tries nodes of the range's locality first). Between equals the range's id decides, so that a plan is reproducible and no node
 * gets them all (crdb-features.md, R #115876).
 */
export function chooseExecutor(range: RangeInfo, nodes: ReadonlyMap<number, NodeInfo>): NodeInfo {
  const candidates = [range.leaseholder, ...[...range.replicas].sort((a, b) => a - b)]
    .map((id) => nodes.get(id))
    .filter((node): node is NodeInfo => node !== undefined);
  const [leaseholder] = candidates;
  if (leaseholder === undefined) {
    throw new SpanvaultError(
      'SV_COVERAGE',
      `range r${range.rangeId} ${printSpan(range.span)} has no replica on a live node`,
      {
        details: { range: range.rangeId },
      },
    );
  }
  const most = Math.max(...candidates.map((node) => matchingTiers(node, range.wantedLocality)));
  if (matchingTiers(leaseholder, range.wantedLocality) === most && leaseholder.nodeId === range.leaseholder)
    return leaseholder;
  const equals = candidates.filter((node) => matchingTiers(node, range.wantedLocality) === most);
  return equals[range.rangeId % equals.length] ?? leaseholder;
}

function displacedReason(range: RangeInfo, node: NodeInfo, localityKv: string): DisplacedReason | undefined {
  const wanted = range.wantedLocality;
  if (wanted === undefined || wanted.length === 0) return undefined;
  if (matchingTiers(node, wanted) < wanted.length) return 'no replica on a node of the locality';
  const tiers = node.locality.map(printTier);
  const mostSpecificWanted = Math.max(...wanted.map((tier) => tiers.indexOf(printTier(tier))));
  return tiers.indexOf(localityKv) >= mostSpecificWanted ? undefined : 'no bucket for the locality';
}

/**
 * Cuts the spans at range boundaries and gives every piece its executor and bucket.
 * @throws SpanvaultError SV_COVERAGE when the ranges leave a part of a span uncovered
 */
export function planPieces(input: PlanInput): PlannedPiece[] {
  const nodes = new Map(input.nodes.map((node) => [node.nodeId, node]));
  const known = new Set(input.localities);
  const pieces: PlannedPiece[] = [];
  for (const range of input.ranges) {
    const parts = input.spans.flatMap((span) => intersectSpans(span, range.span) ?? []);
    if (parts.length === 0) continue;
    const node = chooseExecutor(range, nodes);
    const localityKv = matchTier(node.locality, known) ?? '';
    for (const span of parts) {
      pieces.push({
        span,
        rangeId: range.rangeId,
        nodeId: node.nodeId,
        localityKv,
        wantedLocality: range.wantedLocality,
        displaced: displacedReason(range, node, localityKv),
        approximateBytes: Math.ceil(range.approximateBytes / parts.length),
      });
    }
  }
  pieces.sort((a, b) => compareBytes(a.span.key, b.span.key));
  const [uncovered] = subtractSpans(
    input.spans,
    pieces.map((piece) => piece.span),
  );
  if (uncovered !== undefined) {
    throw new SpanvaultError('SV_COVERAGE', `no range covers span ${printSpan(uncovered)}`);
  }
  return pieces;
}

/**
 * Plans a backup: pieces of one node and bucket are gathered into tasks in key order, closed when the next piece would pass
 * `taskBytes`; the largest tasks come first so that the last ones to finish are small.
 */
export function planBackup(input: PlanInput): BackupPlan {
  const open = new Map<string, { pieces: PlannedPiece[]; bytes: number }>();
  const tasks: ExportTaskPlan[] = [];
  const close = ({ pieces, bytes }: { readonly pieces: readonly PlannedPiece[]; readonly bytes: number }): void => {
    const { nodeId, localityKv } = pieces[0]!;
    tasks.push({ nodeId, localityKv, pieces, approximateBytes: bytes });
  };
  for (const piece of planPieces({ ...input, spans: mergeSpans(input.spans) })) {
    const owner = `${piece.nodeId} ${piece.localityKv}`;
    const current = open.get(owner);
    if (current !== undefined && current.bytes + piece.approximateBytes <= input.taskBytes) {
      current.pieces.push(piece);
      current.bytes += piece.approximateBytes;
    } else {
      if (current !== undefined) close(current);
      open.set(owner, { pieces: [piece], bytes: piece.approximateBytes });
    }
  }
  for (const task of open.values()) close(task);
  tasks.sort(
    (a, b) => b.approximateBytes - a.approximateBytes || compareBytes(a.pieces[0]!.span.key, b.pieces[0]!.span.key),
  );
  return { tasks, approximateBytes: tasks.reduce((sum, task) => sum + task.approximateBytes, 0) };
}

/** A node for messages: `n3 (region=us-west,az=b)`. */
export function printNode(node: NodeInfo): string {
  return `n${node.nodeId} (${printLocality(node.locality)})`;
}
