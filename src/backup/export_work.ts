import type { RangeScanner, WorkerHalf } from '../cluster/contract.js';
import type { Span, Timestamp } from '../keys/index.js';
import type { NativeSstOptions } from '../native/index.js';
import type { BucketUsage, StorageConfig } from '../storage/index.js';

/** One task of a backup as it crosses to a worker thread. */
export interface ExportTaskArgs {
  readonly scanner: WorkerHalf | RangeScanner;
  /** The layer's directory in the bucket of the executing node. */
  readonly storage: StorageConfig;
  /** Name of file number `n` of this task, given that number. Names are fixed at planning: a task that runs twice overwrites its own files. */
  readonly fileNames: readonly string[];
  readonly spans: readonly Span[];
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  readonly allRevisions: boolean;
  readonly sst: NativeSstOptions;
  readonly batchBytes: number;
  readonly partBytes: number;
  readonly partsInFlight: number;
}

/** One finished SST object: numbers and keys for its manifest entry. */
export interface ExportedFile {
  readonly name: string;
  readonly span: Span;
  readonly rows: number;
  readonly indexEntries: number;
  readonly dataBytes: number;
  readonly fileBytes: number;
}

/** Seconds a task spent waiting per hand-over; the slowest stage of a run is read off these. */
export interface ExportWaits {
  readonly scanSeconds: number;
  readonly encodeSeconds: number;
  /** Opening objects, waiting for parts before, and making objects whole and durable. */
  readonly uploadWaitSeconds: number;
}

/** What the source looked at for what it gave. */
export interface ExportReads {
  /** Bytes of keys, values and index entries, selected or not; undefined when the source does not count. */
  readonly bytesVisited: number | undefined;
  /** Scans of an incremental's window that looked at every version of their span, for want of an index that reaches back. */
  readonly scansWithoutIndex: number;
}

/** The reads of two pieces of work together. */
export function addReads(a: ExportReads, b: ExportReads): ExportReads {
  const counted = a.bytesVisited !== undefined && b.bytesVisited !== undefined;
  return {
    bytesVisited: counted ? a.bytesVisited + b.bytesVisited : undefined,
    scansWithoutIndex: a.scansWithoutIndex + b.scansWithoutIndex,
  };
}

export const NO_READS: ExportReads = { bytesVisited: 0, scansWithoutIndex: 0 };

export interface ExportTaskResult {
  readonly files: readonly ExportedFile[];
  readonly waits: ExportWaits;
  readonly reads: ExportReads;
  /** What was asked of the task's bucket. */
  readonly usage: readonly BucketUsage[];
}
