import type { BucketUsage } from '../storage/index.js';
import { printBytes, printCount, printPlural } from './quantities.js';

/** One line per bucket: requests by kind, where its driver counts them, else calls; bytes both ways, and repetitions. */
export function* usageLines(usages: readonly BucketUsage[]): Generator<string, void, undefined> {
  for (const { bucket, operations, requests } of usages) {
    const calls = Object.entries(operations).map(([name, { calls: count }]) => [name, count] as const);
    const counted = Object.entries(requests);
    const kinds = counted.length > 0 ? counted : calls.filter(([, count]) => count > 0);
    const sum = kinds.reduce((total, [, count]) => total + count, 0);
    if (sum === 0) continue;
    const list = kinds.map(([kind, count]) => `${printCount(count)} ${kind}`).join(', ');
    const retries = Object.values(operations).reduce((total, { retries: count }) => total + count, 0);
    const written = printBytes(operations.write.bytes + operations.part.bytes);
    const what = printPlural(sum, counted.length > 0 ? 'request' : 'call');
    const repeated = retries > 0 ? `, ${printCount(retries)} repeated` : '';
    yield `${bucket}: ${what} (${list}), ${written} written, ${printBytes(operations.read.bytes)} read${repeated}\n`;
  }
}

/** The same for JSON: operations that were never called are left out. */
export function usageJson(usages: readonly BucketUsage[]): readonly object[] {
  return usages.map(({ bucket, operations, requests }) => ({
    bucket,
    requests,
    operations: Object.fromEntries(Object.entries(operations).filter(([, { calls }]) => calls > 0)),
  }));
}
