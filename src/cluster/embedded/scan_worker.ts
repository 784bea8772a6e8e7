import { isEmptyTimestamp } from '../../keys/index.js';
import { native } from '../../native/index.js';
import type { RangeScan, RangeScanner, ScanRequest } from '../contract.js';

/** What a worker thread needs to reach the store; the native module keeps one registry of open stores per process. */
export interface StoreAddress {
  readonly directory: string;
  readonly mapBytes: number;
}

/** The worker half of the embedded source: scans in native code into the caller's memory. */
export function openScanner(data: unknown): RangeScanner {
  const { directory, mapBytes } = data as StoreAddress;
  const store = native.openStore(directory, mapBytes);
  return {
    open(request: ScanRequest): RangeScan {
      const incremental = !isEmptyTimestamp(request.startTime);
      const scan = native.storeScan(store, {
        startKey: request.span.key,
        endKey: request.span.endKey,
        asOf: request.endTime,
        after: incremental ? request.startTime : null,
        mode: request.allRevisions ? 'all' : 'latest',
        // A full export of the newest versions holds no tombstones; every other export needs them (crdb-format.md 7.1).
        dropTombstones: !incremental && !request.allRevisions,
      });
      const { next, encode, bytesVisited, close } = scan;
      return { next, encode, bytesVisited, indexed: scan.indexed(), close };
    },
    close(): void {
      native.closeStore(store);
    },
  };
}
