import type { PlacementReport } from '../backup/index.js';
import { printBytes, printCount } from './quantities.js';
import { tableLines } from './render.js';

/** How many ranges that left their locality are listed one by one. */
const LISTED = 10;

/** The placement report as a table of buckets and a list of the ranges whose data left its own locality. */
export function* placementLines(placement: PlacementReport): Generator<string, void, undefined> {
  const columns = [
    { name: 'nodes of' },
    { name: 'bucket' },
    { name: 'ranges', numeric: true },
    { name: 'files', numeric: true },
    { name: 'data', numeric: true },
    { name: 'on disk', numeric: true },
  ];
  const rows = placement.buckets.map(({ locality, bucket, ranges, files, dataBytes, fileBytes }) => [
    locality === 'default' ? 'anywhere else' : locality,
    bucket,
    printCount(ranges),
    printCount(files),
    printBytes(dataBytes),
    printBytes(fileBytes),
  ]);
  yield* tableLines(columns, rows);
  const { displaced } = placement;
  if (displaced.length === 0) {
    yield 'Every range with a wanted locality went to a bucket of it.\n';
    return;
  }
  yield `${printCount(displaced.length)} ${displaced.length === 1 ? 'range' : 'ranges'} went elsewhere than wanted:\n`;
  for (const { rangeId, wanted, nodeId, bucket, reason } of displaced.slice(0, LISTED)) {
    yield `  r${rangeId} wants ${wanted}; node ${nodeId} wrote it to ${bucket}: ${reason}\n`;
  }
  if (displaced.length > LISTED) yield `  … and ${printCount(displaced.length - LISTED)} more\n`;
}
