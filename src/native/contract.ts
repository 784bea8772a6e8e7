/*
 * The shapes that cross the boundary to the native module; the only description both sides are written against.
 * Every native call is synchronous and bounded: one batch, one part, or one window of a file. Bytes cross in
 * JavaScript-owned memory, keys and values never become JavaScript objects. `null` means none; undefined is a defect.
 */

import type { NativeFiles } from './file_contract.js';
import type { NativeMerge, NativeMergeOptions } from './merge_contract.js';

export type * from './merge_contract.js';

/**
 * A packed batch: `bytes` = key_0 value_0 key_1 value_1 … in engine-key order. `offsets[2i]` is the start of key i,
 * `offsets[2i+1]` the start of value i, `offsets[2*count]` the end. Keys are engine keys (crdb-format.md 4.1), values
 * MVCC values (4.2): an empty value is a tombstone.
 */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly count: number;
}

export type Compression = 'none' | 'snappy' | 'zstd';

export interface NativeSstOptions {
  readonly compression: Compression;
  /** zstd level; ignored for the others. */
  readonly level: number;
  /** Uncompressed size at which a data block is cut; default 32 KiB. */
  readonly blockBytes: number;
  readonly restartInterval: number;
  /** File size at which `write` reports `cut` at the next row boundary; default 128 MiB. */
  readonly targetFileBytes: number;
  /** 'sql': all families of a row and all revisions of a key share a file. 'key': all revisions of a key do. */
  readonly rowBoundary: 'sql' | 'key';
  /** Write values with the 4-byte checksum cleared to 0, as exports since 21.2 do. */
  readonly clearValueChecksums: boolean;
  /** Key prefixes (table and index) of primary indexes whose id is not 1, for the counts of rows; default none. */
  readonly primaries?: readonly Uint8Array[];
}

export interface SstWriteProgress {
  /** Index of the first entry not yet encoded. */
  readonly next: number;
  /** Bytes of `out` that are filled. */
  readonly outPos: number;
  /** 'input': batch consumed. 'out': `out` is full, hand over another. 'cut': target size reached and entry `next` begins a new row: finish this file. */
  readonly reason: 'input' | 'out' | 'cut';
}

export interface SstFileFacts {
  readonly entries: number;
  readonly rawKeyBytes: number;
  readonly rawValueBytes: number;
  readonly dataBlocks: number;
  readonly fileBytes: number;
  /** User keys (no version) of the first and last entry; empty when there is no entry. */
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  /** Entry counts as CockroachDB's RowCount: keys of primary indexes (index id 1, and `primaries`) and of other indexes; data bytes = user key (without version) + value, summed. */
  readonly rows: number;
  readonly indexEntries: number;
  readonly dataBytes: number;
}

/** One SST being written; a new one per file. Output is handed over in parts of any size that JavaScript owns. */
export interface NativeSstWriter {
  write(
    bytes: Uint8Array,
    offsets: Uint32Array,
    count: number,
    from: number,
    out: Uint8Array,
    outPos: number,
  ): SstWriteProgress;
  /** Call until `done`; each call fills `out` from `outPos`. */
  finish(out: Uint8Array, outPos: number): { readonly outPos: number; readonly done: boolean };
  /** Valid after finish reported done. */
  facts(): SstFileFacts;
}

/** A hybrid-logical timestamp on the wire: wall nanoseconds as BigInt. */
export interface NativeTimestamp {
  readonly wall: bigint;
  readonly logical: number;
}

/** What `describeSst` finds in a whole file: format, every block checked, counts, bounds. */
export interface SstReport {
  readonly format: string;
  readonly compression: readonly string[];
  readonly dataBlocks: number;
  readonly entries: number;
  readonly rangeKeys: number;
  readonly rawKeyBytes: number;
  readonly rawValueBytes: number;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  /** Oldest and newest version; null when there is no versioned key. */
  readonly minTimestamp: NativeTimestamp | null;
  readonly maxTimestamp: NativeTimestamp | null;
  readonly valuesVerified: number;
  readonly valuesUnverifiable: number;
  readonly properties: readonly { readonly name: string; readonly value: Uint8Array }[];
}

/** What one call of `NativeScan.encode` did. */
export interface NativeScanEncode {
  /**
   * `more`: enough for one call. `out`: the part is full. `cut`: the file has its target size, finish it and go on in a new one.
   * `done`: the span is finished.
   */
  readonly reason: 'more' | 'out' | 'cut' | 'done';
  /** Entries encoded, and their engine keys and values. */
  readonly count: number;
  readonly bytes: number;
  /** Filled bytes of `out`. */
  readonly outPos: number;
  /** How much of the call's time the encoder took. */
  readonly encodeSeconds: number;
  /** With `cut`: the user key of the entry that begins the next file. */
  readonly nextKey?: Uint8Array;
}

/** A scan of the embedded store; reads a snapshot taken at creation. */
export interface NativeScan {
  /**
   * Fills a batch with what the options select; 'done' when the span is finished; 'grow' as in MergeStep. A batch of
   * count 0 is possible: the call visited only versions that are not selected; call again.
   */
  next(
    bytes: Uint8Array,
    offsets: Uint32Array,
  ):
    | { readonly kind: 'batch'; readonly count: number; readonly bytesUsed: number }
    | { readonly kind: 'grow'; readonly bytes: number }
    | { readonly kind: 'done' };
  /**
   * Encodes what `next` would pack, from the store's pages straight into a file: the same bytes, without a batch between. Ends
   * after about `limitBytes` of entries; calls may alternate with `next`.
   */
  encode(sst: NativeSstWriter, out: Uint8Array, outPos: number, limitBytes: number): NativeScanEncode;
  /** Bytes of keys, values and index entries visited, including versions that were not selected. */
  bytesVisited(): number;
  /** True when the change index tells the scan where to look: `after` is given and not before the index's mark. */
  indexed(): boolean;
  close(): void;
}

export interface NativeScanOptions {
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
  readonly asOf: NativeTimestamp;
  /** Exclusive lower bound of versions; null = from time zero. */
  readonly after: NativeTimestamp | null;
  readonly mode: 'latest' | 'all';
  /** In mode 'latest': omit keys whose newest version is a tombstone. */
  readonly dropTombstones: boolean;
}

/** Rows of `kv (k INT8 PRIMARY KEY, v BYTES)`, column ids 1 and 2, for benches and demonstrations. */
export interface FillOptions {
  readonly tableId: number;
  /** `k` of the first row; the following count up. */
  readonly firstRow: number;
  readonly rows: number;
  /** Bytes of `v`, at most 1 MiB. */
  readonly valueBytes: number;
  /** Fraction of `v` that a compressor can remove, 0 to 1. */
  readonly compressibility: number;
  readonly seed: number;
  /** Wall time of every row's version. */
  readonly wall: bigint;
  /** Compute value checksums, or leave them 0. */
  readonly checksums: boolean;
}

/** Size facts of a span of the embedded store, for splitting ranges. */
export interface SpanStats {
  readonly entries: number;
  /** User key (without version) + value bytes of every version. */
  readonly bytes: number;
  /** User keys at row boundaries that cut the span into pieces of about the asked size. */
  readonly splitKeys: readonly Uint8Array[];
}

/** What one step of a garbage collection did. */
export interface NativeCollected {
  /** User key to go on with; null when the span is finished. */
  readonly resumeKey: Uint8Array | null;
  /** Versions erased, and their bytes of keys and values. */
  readonly versions: number;
  readonly bytes: number;
  /** Bytes of keys, values and index entries that were looked at. */
  readonly visited: number;
}

/**
 * The embedded store: LMDB, opened once per process; a handle is a number that any worker thread may use. MVCC data
 * and a separate table of small metadata records (`meta`), both written in the same transaction by `commit`.
 */
export interface NativeStore {
  openStore(directory: string, mapBytes: number): number;
  /** Closes when the last opener has closed; what was ingested is synced first. A scan that is still open keeps its snapshot. */
  closeStore(store: number): void;
  /** Newest version at or before `asOf`: its timestamp and value; null when none; tombstones are returned (empty value). */
  storeGet(
    store: number,
    key: Uint8Array,
    asOf: NativeTimestamp,
  ): { readonly timestamp: NativeTimestamp; readonly value: Uint8Array } | null;
  /**
   * One atomic, durable transaction: puts of a packed batch (engine keys, any order), user-key spans whose every version
   * is erased first, and metadata puts (`value` null deletes). It makes earlier ingests durable too, which takes as long as
   * the disk needs for them: call storeSync in a worker thread before committing on the main thread.
   */
  storeCommit(
    store: number,
    batch: Batch | null,
    clearSpans: readonly { readonly key: Uint8Array; readonly endKey: Uint8Array }[],
    meta: readonly { readonly key: string; readonly value: Uint8Array | null }[],
  ): void;
  /** Bulk put of a sorted packed batch, fastest path; durable only after storeSync. */
  storeIngest(store: number, bytes: Uint8Array, offsets: Uint32Array, count: number): void;
  storeSync(store: number): void;
  /**
   * Erases every version of keys in [startKey, endKey), at most about `limitBytes` of them per call, so that spans of any size
   * go in bounded steps. Returns the key to go on with, null when the span is empty. Durable only after storeSync or
   * the next storeCommit.
   */
  storeErase(store: number, startKey: Uint8Array, endKey: Uint8Array, limitBytes: number): Uint8Array | null;
  storeMetaGet(store: number, key: string): Uint8Array | null;
  /** All metadata records whose key begins with `prefix`, in key order. */
  storeMetaList(store: number, prefix: string): readonly { readonly key: string; readonly value: Uint8Array }[];
  /** @throws SV_COVERAGE `batch timestamp … must be after replica GC threshold …` when garbage collection was faster. */
  storeScan(store: number, options: NativeScanOptions): NativeScan;
  /**
   * Begins the change index of a store that was filled without one; nothing when it has begun. No version may be newer than
   * `since`: windows that begin at or after it are read through the index from now on. New stores have an index.
   */
  storeBeginChanges(store: number, since: NativeTimestamp): void;
  /** Lets the next change begin a new run of the index, so that a window that begins now reads nothing of before. */
  storeCutChanges(store: number): void;
  /**
   * Drops what the index knows of versions at or before `through`, about `limit` entries per call, and says whether there is
   * more to drop. Windows that begin before it are scanned whole from now on. Durable after storeSync.
   */
  storeForgetChanges(store: number, through: NativeTimestamp, limit: number): boolean;
  /** The greatest garbage-collection threshold of any key of a span: reads at or before it are refused. */
  storeThreshold(store: number, startKey: Uint8Array, endKey: Uint8Array): NativeTimestamp | null;
  /** Raises the threshold of a span, for a caller that erases it. Durable after storeSync. */
  storeRaiseThreshold(store: number, startKey: Uint8Array, endKey: Uint8Array, threshold: NativeTimestamp): void;
  /**
   * One step of a garbage collection: raises the span's threshold and erases versions that no read after it can see, until
   * about `limitBytes` were looked at. Begins at `from` (null = the start); call again with the resume key until there is
   * none. Durable after storeSync; threshold and erasure are lost together or not at all.
   */
  storeCollect(
    store: number,
    startKey: Uint8Array,
    endKey: Uint8Array,
    from: Uint8Array | null,
    threshold: NativeTimestamp,
    limitBytes: number,
  ): NativeCollected;
  /** Ingests rows at the speed of the store (call it in steps of some 100 MB); returns user key + value bytes. Durable only after storeSync. */
  fillKv(store: number, options: FillOptions): number;
  /**
   * Walks a span and proposes split keys; `limitBytes` bounds the walk of one call, `resumeKey` continues it (null = finished).
   * The walk is on a thread of its own, the only call that is not over when it returns.
   */
  storeStats(
    store: number,
    startKey: Uint8Array,
    endKey: Uint8Array,
    splitBytes: number,
    limitBytes: number,
  ): Promise<SpanStats & { readonly resumeKey: Uint8Array | null }>;
}

/** Objects of memory:// storage, shared by every thread of the process. */
export interface NativeMemoryObjects {
  memoryPut(bucket: string, name: string, bytes: Uint8Array, ifAbsent: boolean): boolean;
  /** Null when absent. `offset`/`length` clip; length -1 = to the end. */
  memoryGet(bucket: string, name: string, offset: number, length: number): Uint8Array | null;
  memorySize(bucket: string, name: string): number | null;
  memoryDelete(bucket: string, name: string): boolean;
  /** Names with the prefix in byte order, after `startAfter`, at most `limit`. */
  memoryList(bucket: string, prefix: string, startAfter: string, limit: number): string[];
}

/** The allocator of native code. */
export interface NativeHeap {
  /** Gives its free pages, of all threads, back to the system: some milliseconds; where the allocator cannot, nothing. */
  releaseFreeMemory(): void;
}

/** Kernels measured as ceilings by the benches, and checks used by tests. */
export interface NativeKernels {
  crc32c(bytes: Uint8Array, seed: number): number;
  /** CRC-32C of what has CRC-32C `first`, followed by `secondBytes` bytes of CRC-32C `second`. */
  crc32cCombine(first: number, second: number, secondBytes: number): number;
  crc32Ieee(bytes: Uint8Array): number;
  /**
   * Compresses `input` in blocks of `blockBytes` into scratch, CRCs each and copies it once; returns compressed bytes. The
   * ceiling of an encoder. With `published`, snappy is that of the crate `snap`; ours writes the same bytes.
   */
  codecCeiling(
    input: Uint8Array,
    compression: Compression,
    level: number,
    blockBytes: number,
    scratch: Uint8Array,
    published: boolean,
  ): number;
}

/** The whole native module. */
export interface NativeModule extends NativeStore, NativeMemoryObjects, NativeFiles, NativeHeap, NativeKernels {
  newSstWriter(options: NativeSstOptions): NativeSstWriter;
  newMerge(options: NativeMergeOptions): NativeMerge;
  /** Reads and checks a whole file held in memory. @throws SV_CORRUPT_SST, SV_CORRUPT_VALUE, SV_UNSUPPORTED_FORMAT */
  describeSst(name: string, bytes: Uint8Array): SstReport;
}
