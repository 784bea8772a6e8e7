/*
 * The part of the boundary to the native module that reads and writes local files; see contract.ts.
 */

/** Why a local file or directory was not read. */
export interface NativeFileFault {
  /** `outside`: a symbolic link leads out of the root. `cut`: the file became shorter while it was read. */
  readonly kind: 'system' | 'outside' | 'notAFile' | 'cut' | 'panic';
  /** The system's error number of kind `system`. */
  readonly errno?: number;
  /** Of kind `cut`: where the file ended, and its size when it was opened. */
  readonly at?: number;
  readonly total?: number;
}

/** A window of a file, or the fault. */
export type NativeFileWindow =
  | { readonly fault: NativeFileFault }
  | { readonly fault?: undefined; readonly bytes: Uint8Array; readonly total: number };

/** A window of a file to read; `offset` and `length` as in `fileRead`. */
export interface NativeFilePiece {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** Windows of many files, in the order in which they were asked for. */
export interface NativeFilePieces {
  /** The bytes of all, one after the other. */
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
  /** Size of each file; -1 where there is no window. */
  readonly totals: readonly number[];
  /** Why there is none: one for each -1. */
  readonly faults: readonly NativeFileFault[];
}

/** What to list below `base`, which is below `root`. */
export interface NativeFileWalkOptions {
  readonly root: string;
  readonly base: string;
  /** Only names that begin with it. */
  readonly prefix: string;
  /** Names are cut behind its first occurrence past the prefix, and each cut name is given once. */
  readonly delimiter?: string;
  /** Only names behind this one in byte order. */
  readonly after?: string;
  /** Components that begin with it are left out. */
  readonly hidden: string;
}

/** Some names in byte order, or the fault; links count as what they lead to, and what leads nowhere is left out. */
export type NativeFileWalkPage =
  | { readonly fault: NativeFileFault }
  | {
      readonly fault?: undefined;
      readonly names: readonly string[];
      /** Bytes of each file; -1 for a cut name. */
      readonly sizes: readonly number[];
      /** When each file was last written, in milliseconds since 1970; 0 for a cut name. */
      readonly modified: readonly number[];
      /** Nothing follows. A page may be empty and not the last. */
      readonly done: boolean;
    };

/** A listing in progress. */
export interface NativeFileWalk {
  /** The next names, at most `most`: one task on a thread of Node's pool. Calls do not overlap. */
  next(most: number): Promise<NativeFileWalkPage>;
}

/**
 * Local files below `root`, which no symbolic link leads out of. Each read is one task on a thread of Node's pool: as calls of
 * node:fs, a small read is six of them.
 */
export interface NativeFiles {
  /** A negative `offset` counts from the end; a negative `length` reads to it. Reading past the end gives what there is. */
  fileRead(root: string, path: string, offset: number, length: number): Promise<NativeFileWindow>;
  /** Small windows of many files as one task, each what `fileRead` would give. */
  fileReadPieces(root: string, pieces: readonly NativeFilePiece[]): Promise<NativeFilePieces>;
  /** A listing before its first name. A directory that is not there, or not there any more, holds nothing. */
  fileWalk(options: NativeFileWalkOptions): NativeFileWalk;
  /**
   * Writes all of `bytes` from byte `position` of an open file, on the calling thread, and asks the disk to begin with them without
   * waiting: not durable before a sync. Returns 0, or the system's error number.
   */
  fileWriteHere(descriptor: number, bytes: Uint8Array, position: number): number;
}
