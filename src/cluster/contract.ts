import type { Locality, Span, Timestamp } from '../keys/index.js';
import type { DescriptorRevision } from '../manifest/index.js';
import type { Batch, NativeScanEncode, NativeSstWriter } from '../native/contract.js';

/** A node that can execute work. */
export interface NodeInfo {
  readonly nodeId: number;
  /** Tiers, least specific first; empty when the node was started without locality. */
  readonly locality: Locality;
}

/** A range: a span with replicas and a leaseholder. */
export interface RangeInfo {
  readonly rangeId: number;
  readonly span: Span;
  readonly replicas: readonly number[];
  readonly leaseholder: number;
  /**
   * The locality the range's data belongs to by its zone configuration (`region=us-west`), undefined when nothing
   * constrains it. The placement report compares it with the bucket that the data went to.
   */
  readonly wantedLocality: Locality | undefined;
  /** Approximate key+value bytes; 0 = unknown. */
  readonly approximateBytes: number;
  /**
   * Garbage-collection threshold of what `ranges` was asked for in this range: versions that only reads at or before it can
   * see may be gone. A read at T needs T > gcThreshold, an export of (S, E] needs S >= gcThreshold. It never moves back.
   * Undefined: nothing was collected yet.
   */
  readonly gcThreshold?: Timestamp;
}

/** What to back up or restore. */
export type Targets =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'databases'; readonly names: readonly string[] }
  /** Patterns as in SQL: `t`, `db.t`, `db.schema.t`, `db.*`; a bare name is looked up in `currentDatabase`. */
  | { readonly kind: 'tables'; readonly patterns: readonly string[]; readonly currentDatabase: string }
  /** For stores without a catalog. */
  | { readonly kind: 'spans'; readonly spans: readonly Span[] };

/** What the source resolves targets to, at a time. */
export interface BackupScope {
  /** Sorted, disjoint spans of every public index of the targets. */
  readonly spans: readonly Span[];
  /** Marshalled sqlbase.Descriptor of everything referenced: databases, schemas, types, tables. */
  readonly descriptors: readonly Uint8Array[];
  /** Ids of databases that are backed up as a whole. */
  readonly completeDatabases: readonly number[];
  readonly coverage: 'requested' | 'cluster';
}

/** How the catalog of a backup's targets changed over a window of time, for backups with revision history. */
export interface ScopeHistory {
  /**
   * Descriptors of the targets as they were at the window's start, at that time, then every later version of them and of what
   * came into the targets, deletions included (crdb-format.md 2.3, field 16).
   */
  readonly changes: readonly DescriptorRevision[];
  /** Sorted, disjoint spans of every index that any of those versions has: dropped ones can be restored to a time before. */
  readonly spans: readonly Span[];
  /** Changes at or before this time may be lost to garbage collection; empty = none are. */
  readonly knownSince: Timestamp;
}

/** Selection of versions for an export (crdb-format.md 7.1). */
export interface ScanRequest {
  readonly span: Span;
  /** Exclusive; empty = full export. */
  readonly startTime: Timestamp;
  /** Inclusive. */
  readonly endTime: Timestamp;
  /** True: every version in the window, tombstones included. False: the newest; tombstones only when startTime is set. */
  readonly allRevisions: boolean;
}

/**
 * Reads in one thread. `next` fills the caller's memory and is synchronous or asynchronous; it returns the number of
 * entries in engine-key order, 0 at the end, or the bytes that the next entry alone needs when the buffer is too small.
 */
export interface RangeScanner {
  open(request: ScanRequest): RangeScan;
  close(): void | Promise<void>;
}

export type ScanFill =
  | { readonly kind: 'batch'; readonly count: number; readonly bytesUsed: number }
  | { readonly kind: 'grow'; readonly bytes: number }
  | { readonly kind: 'done' };

export interface RangeScan {
  next(bytes: Uint8Array, offsets: Uint32Array): ScanFill | Promise<ScanFill>;
  /**
   * The short cut of the embedded source, whose rows native code can reach: encodes what `next` would return, about `limitBytes`
   * of it, into `part` from `partPos` on, as `sst.write` would: the files are the same. Absent, as in any other source: whoever
   * scans takes batches from `next` and encodes them. Calls of both may alternate.
   */
  encode?(sst: NativeSstWriter, part: Uint8Array, partPos: number, limitBytes: number): NativeScanEncode;
  /** Bytes of keys, values and index entries that were looked at so far, selected or not. Absent: the source does not count. */
  bytesVisited?(): number;
  /**
   * True when this scan finds what changed through an index; absent or false when it looks at every version in its span and
   * filters, as every full export does. What it returns is the same.
   */
  readonly indexed?: boolean;
  close(): void;
}

/**
 * How a worker thread gets its half of a source or a sink: it imports `module` (a file URL) and calls its export
 * `openScanner(data)` / `openWriter(data)`. `data` is structured-cloneable.
 */
export interface WorkerHalf {
  readonly module: string;
  readonly data: unknown;
}

/** A range-partitioned key/value store as a backup sees it. */
export interface RangeSource {
  /** 16 bytes; incrementals must agree. */
  readonly clusterId: Uint8Array;
  nodes(): Promise<readonly NodeInfo[]>;
  /** The node that plans, and that answers for nodelocal://self. */
  readonly coordinator: number;
  now(): Timestamp;
  /** @throws SV_UNDEFINED for a target that does not exist at that time. */
  resolve(targets: Targets, asOf: Timestamp): Promise<BackupScope>;
  /**
   * Changes of the catalog in (startTime, endTime]; an empty startTime = from the beginning. A store without a catalog needs none.
   * @throws SV_UNDEFINED for a target that does not exist at the end
   */
  history?(targets: Targets, startTime: Timestamp, endTime: Timestamp): Promise<ScopeHistory>;
  /** Ranges that cover `spans`, in key order; they may reach beyond the spans. */
  ranges(spans: readonly Span[]): Promise<readonly RangeInfo[]>;
  /**
   * Where scans run. A WorkerHalf lets worker threads scan (the fast path); a RangeScanner is scanned on the calling
   * thread and its batches are handed to the workers.
   */
  readonly scanner: WorkerHalf | RangeScanner;
  /**
   * What an incremental export costs. 'indexed': the scanner uses `startTime` to look only at what changed since, as far as
   * its index reaches back (RangeScan.indexed says for each scan whether it did). 'scanned', the default: it looks at every
   * version of the span and leaves out what is not in the window.
   */
  readonly incremental?: 'indexed' | 'scanned';
  /** Keeps versions at or after `ts` from garbage collection until the returned function is called. */
  protect?(ts: Timestamp): Promise<() => Promise<void>>;
}

/** What a restore will write, before it does: everything needed to validate and to allocate ids. */
export interface RestoreScope {
  readonly coverage: 'requested' | 'cluster';
  readonly targets: Targets;
  /** Marshalled sqlbase.Descriptor of the backup's catalog at the restore time: all of it, not only the targets. */
  readonly descriptors: readonly Uint8Array[];
  readonly endTime: Timestamp;
  readonly options: {
    readonly intoDb?: string;
    readonly newDbName?: string;
    readonly skipMissingForeignKeys?: boolean;
    readonly skipMissingSequences?: boolean;
    readonly skipMissingSequenceOwners?: boolean;
    readonly skipMissingViews?: boolean;
    readonly skipLocalitiesCheck?: boolean;
    readonly schemaOnly?: boolean;
  };
}

/** One stage of a restore: stages run in order; spans are of the backup's key space. */
export interface RestoreStage {
  readonly name: 'zones' | 'data' | 'system';
  readonly spans: readonly Span[];
}

/** The sink's answer to a scope: nothing is visible yet. */
export interface RestoreTicket {
  readonly id: string;
  readonly stages: readonly RestoreStage[];
  /** Pairs old prefix, new prefix; empty = keys stay as they are. */
  readonly rewrites: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[];
  /** Timestamp that every restored version gets. */
  readonly writeTime: Timestamp;
  readonly warnings: readonly string[];
  readonly databases: readonly string[];
  readonly tables: readonly string[];
}

/** What restoring did to placement, measured by the sink. */
export interface SinkReport {
  /** Bytes that lay on nodes where the zone configurations do not want them and had to move afterwards. */
  readonly bytesMoved: number;
  /** Per node: bytes of which it is leaseholder. */
  readonly bytesPerNode: readonly { readonly nodeId: number; readonly bytes: number }[];
  readonly warnings: readonly string[];
}

/** Writes in one thread: sorted batches of rewritten keys. */
export interface RangeWriter {
  write(batch: Batch): void | Promise<void>;
  /**
   * Called at the end of a work unit: nothing that was written stays in this writer when it resolves. It need not be durable
   * before RangeSink.stageDone has resolved, so that a store may sync once for a whole stage.
   */
  flush(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** A range-partitioned key/value store as a restore sees it. */
export interface RangeSink {
  nodes(): Promise<readonly NodeInfo[]>;
  readonly coordinator: number;
  /** Validates everything (SV_EXISTS, SV_UNDEFINED, SV_NOT_EMPTY…), allocates ids, records what a rollback must erase. Writes nothing that a reader can see. */
  begin(scope: RestoreScope): Promise<RestoreTicket>;
  /** Where writes run; as RangeSource.scanner. */
  readonly writer: WorkerHalf | RangeWriter;
  /** Called when every writer of a stage has flushed; makes its data durable. After 'zones' the sink re-reads zone configurations for placement. */
  stageDone(ticket: RestoreTicket, stage: RestoreStage['name']): Promise<void>;
  /** Makes everything visible in one atomic step. */
  publish(ticket: RestoreTicket): Promise<SinkReport>;
  /** Erases all that was written; what was there before stays. Safe to call after a crash, twice, or at any stage. */
  rollback(ticket: RestoreTicket): Promise<void>;
}
