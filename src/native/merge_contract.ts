import type { NativeTimestamp } from './contract.js';
import type { NativeFileFault } from './file_contract.js';

/* A merge of layers, as native code sees it. */

/** What a merge of layers is to do. */
export interface NativeMergeOptions {
  /** User-key bounds, half-open; both empty = everything. */
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
  /** Versions after this are skipped; null = none skipped. */
  readonly asOf: NativeTimestamp | null;
  /** Versions at or before this are skipped (incremental export); null = none skipped. */
  readonly after: NativeTimestamp | null;
  /** 'latest': newest remaining version of each key. 'all': every remaining version. */
  readonly mode: 'latest' | 'all';
  /** In mode 'latest': drop a key whose newest version is a tombstone (true) or emit the tombstone (false). */
  readonly dropTombstones: boolean;
  /**
   * Key prefixes to rewrite, as pairs old, new, in one packed list (oldPrefix_0, newPrefix_0, …); an empty list rewrites
   * nothing and keeps every key. With prefixes given, keys under no listed prefix are skipped. Interleaved components
   * (`fe ‖ table ‖ index`) are rewritten by the same table-level pairs.
   */
  readonly rewrites: readonly Uint8Array[];
  /** When given, every emitted version gets this timestamp (RESTORE) and value checksums are recomputed as `checksums` says. */
  readonly rewriteTimestamp: NativeTimestamp | null;
  /** 'keep' bytes; 'clear' to 0; 'compute' CRC-32 IEEE over the emitted key (crdb-format.md 4.3). */
  readonly checksums: 'keep' | 'clear' | 'compute';
  /** Check value checksums that are not zero while reading; a wrong one is SV_CORRUPT_VALUE. */
  readonly verifyChecksums: boolean;
  /** Prefixes of emitted keys that belong to primary indexes whose id is not 1, for the counts of rows; default none. */
  readonly primaries?: readonly Uint8Array[];
  /**
   * Bytes of windows that all files together hold; default 64 MiB. With less of it, many files are read in smaller windows: no smaller
   * than 16 KiB, or one block.
   */
  readonly windowBudget?: number;
}

/** One input file of a merge. */
export interface NativeMergeFile {
  /** For messages; redacted path. */
  readonly name: string;
  readonly fileBytes: number;
  /** Position of the layer in the chain; on equal key and timestamp the higher layer wins. */
  readonly layer: number;
  /** Un-elided prefix that was removed from every key of this file (crdb-format.md 6.7); empty = full keys. */
  readonly elidedPrefix: Uint8Array;
  /** Further user-key bounds of this file entry, half-open (inclusive end when endInclusive); both empty = none. */
  readonly startKey: Uint8Array;
  readonly endKey: Uint8Array;
  readonly endInclusive: boolean;
  /**
   * Every read is a round trip over a network: larger windows are asked for, the next one earlier, and what does not decode once more.
   * Default false.
   */
  readonly remote?: boolean;
  /** Bytes of the file's end that are asked for first; default as many as opening most files takes. */
  readonly tailBytes?: number;
}

/** Bytes of a file that a merge needs. */
export interface Need {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  /** They were handed in before and did not decode: they may have been damaged on their way. */
  readonly again: boolean;
}

export type MergeStep =
  /** `count` entries are in the buffers handed in; more may follow. */
  | { readonly kind: 'batch'; readonly count: number; readonly bytesUsed: number }
  /** Read [offset, offset+length) of file `file` and call feed, then call next again. Several may be outstanding. */
  | {
      readonly kind: 'need';
      readonly needs: readonly Need[];
    }
  /** The next entry alone does not fit: hand in at least this many bytes. */
  | { readonly kind: 'grow'; readonly bytes: number }
  /** A file of this machine cannot be read (any more). */
  | { readonly kind: 'failed'; readonly file: number; readonly fault: NativeFileFault }
  | { readonly kind: 'done' };

export interface MergeFacts {
  readonly entriesRead: number;
  readonly entriesEmitted: number;
  /** Key and value bytes of the emitted entries: user key without version, and value. */
  readonly bytesEmitted: number;
  /** Rows of primary indexes and entries of other indexes among the emitted entries, counted as in SstFileFacts. */
  readonly rows: number;
  readonly indexEntries: number;
  readonly bytesRead: number;
  readonly blocksRead: number;
  readonly tombstonesDropped: number;
  readonly keysOutsideRewrites: number;
}

/** K-way merge over SST files that are read through windows which JavaScript fetches. */
export interface NativeMerge {
  addFile(file: NativeMergeFile): number;
  /**
   * Adds a file of this machine below `root`, which the merge reads itself, on the thread that calls it: it never becomes a need. Its
   * size is looked up and told; `fileBytes` does not count.
   */
  addLocalFile(
    file: NativeMergeFile,
    root: string,
    path: string,
  ): { readonly fault: NativeFileFault } | { readonly fault?: undefined; readonly fileBytes: number };
  /** What was read of the files of this machine so far, by the files' numbers. */
  localReads(): {
    readonly reads: readonly number[];
    readonly bytes: readonly number[];
    readonly seconds: readonly number[];
  };
  feed(file: number, offset: number, bytes: Uint8Array): void;
  /**
   * Fills `bytes` and `offsets` (2*count+1 used), behind the `held` entries (default 0) that they hold already: a merge that had
   * to wait for bytes fills up what it began. Counts are those of the whole batch; a step without a new entry says that it is full.
   */
  next(bytes: Uint8Array, offsets: Uint32Array, held?: number): MergeStep;
  facts(): MergeFacts;
  /** Frees what the merge holds: megabytes for each of many files, which the collector knows nothing of. No call follows. */
  close(): void;
}
