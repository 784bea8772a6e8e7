import type { SpanvaultError } from '../fault/index.js';
import type { NativeFileFault } from '../native/index.js';

/** One object as a listing returns it. */
export interface ListedObject {
  /** Name relative to the storage's root. */
  readonly name: string;
  /** Size in bytes where the listing tells it; undefined otherwise. */
  readonly bytes: number | undefined;
  /** When it was last written, by the store's clock, where the listing tells it. */
  readonly modified?: Date;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  /** First byte; default 0. Negative counts from the end: -65536 reads the last 64 KiB (or the whole file). */
  readonly offset?: number;
  /** Bytes to read; default to the end. Reading past the end returns what there is. */
  readonly length?: number;
  /**
   * Memory for the bytes: a driver that can puts them there and returns a part of it, where it is large enough. Its caller leaves it alone
   * until the promise has settled.
   */
  readonly into?: Uint8Array;
  /** What an earlier call returned did not pass its reader's checks: counted as a repetition of that call. */
  readonly again?: boolean;
}

export interface ReadResult {
  readonly bytes: Uint8Array;
  /** Size of the whole object. */
  readonly totalBytes: number;
}

/** An object, or a window of one, among several that are read in one go. */
export interface ReadPiece extends Pick<ReadOptions, 'offset' | 'length'> {
  readonly name: string;
}

/** An object that is a file of this machine, for native code that reads it itself. */
export interface LocalObject {
  /** No symbolic link leads out of this directory. */
  readonly root: string;
  readonly path: string;
  /** Counts what was read of it. */
  count(reads: { readonly calls: number; readonly bytes: number; readonly seconds: number }): void;
  /** The error that stands for why native code could not read it. */
  fault(fault: NativeFileFault): SpanvaultError;
}

/** What one of several reads came to; a failure is a value here, so that it does not end the others. */
export type PieceResult = ReadResult | SpanvaultError;

export interface WriteOptions extends CallOptions {
  /** Fail with SV_STORAGE_EXISTS when the object exists, atomically where the store can. */
  readonly ifAbsent?: boolean;
  /**
   * Names this write, the same in every repetition of it: a driver that keeps it beside the object can tell its own object from
   * another's when a write that was reported as failed had happened. Set by openStorage's wrapper.
   */
  readonly writeId?: string;
}

export interface ListOptions extends CallOptions {
  /** Names are cut after its first occurrence past the prefix, and each cut name is listed once. */
  readonly delimiter?: string;
  /** Only names behind this one in byte order. A driver may list it and earlier ones all the same: openStorage's wrapper drops them. */
  readonly after?: string;
}

export interface PartOptions extends CallOptions {
  /**
   * Place of the part among the object's, from 0: the same when a call is made again, ascending by one otherwise. Default: behind the
   * parts that were written. openStorage's wrapper gives it.
   */
  readonly index?: number;
}

/**
 * A multi-part write. It ends in exactly one of finish or abort. Nothing is visible before finish has resolved; after
 * it the object is whole and durable. Calls do not overlap: await each write before the next, unless `parallelParts` says
 * otherwise. A call that failed with `retry: 'backoff'` may be made again with the same arguments; after any other failure only
 * abort follows.
 */
export interface ObjectWriter {
  /**
   * True when calls of `write` may overlap, each with its `index`. They begin in the order of the parts; all have settled
   * before finish or abort is called, which openStorage's wrapper sees to for abort.
   */
  readonly parallelParts?: boolean;
  /** Appends a part; the writer is done with `part` when the promise settles, so the caller may reuse the memory. */
  write(part: Uint8Array, options?: PartOptions): Promise<void>;
  /** Makes the object visible. `expectedBytes` is what the caller wrote in sum; a difference aborts with SV_STORAGE_IO. */
  finish(expectedBytes: number, options?: CallOptions): Promise<void>;
  /** Best effort, never throws; nothing stays visible. */
  abort(): Promise<void>;
}

/**
 * One storage location (a collection root or a directory below it). Names are relative, `/`-separated, never empty, never
 * with `.` or `..` components. Implementations are stateless between calls and may be opened in any thread from the same
 * StorageConfig. Every method fails with a SpanvaultError of class storage; a missing object is SV_STORAGE_NOT_FOUND.
 */
export interface ExternalStorage {
  /** The location for messages, secrets redacted, no COCKROACH_LOCALITY, no trailing slash. */
  readonly display: string;
  /**
   * Larger parts than this gain nothing here: a local file takes what is still in the processor's cache. Absent: any size that the
   * caller likes.
   */
  readonly partBytesMost?: number;
  /**
   * True where every call is a round trip over a network, which may damage what it carries: few large reads are better than many, and
   * what does not pass its reader's checks is worth a second read. Absent: files of this machine.
   */
  readonly remote?: boolean;
  read(name: string, options?: ReadOptions): Promise<ReadResult>;
  /**
   * Reads several small pieces in one go, each as `read` would and in the order given: for a store where that costs a fraction of as
   * many reads. Absent elsewhere.
   */
  readAll?(pieces: readonly ReadPiece[], options?: CallOptions): Promise<readonly PieceResult[]>;
  /** Where an object is on this machine, if it is there at all: for a store of local files whose calls nobody limits or traces. */
  local?(name: string): LocalObject;
  /** Size in bytes. */
  size(name: string, options?: CallOptions): Promise<number>;
  /** Atomic: readers see the old object, or the whole new one. Durable when it resolves. */
  write(name: string, bytes: Uint8Array, options?: WriteOptions): Promise<void>;
  create(name: string, options?: WriteOptions): Promise<ObjectWriter>;
  /** Objects whose name begins with `prefix`, in byte order of names. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>;
  /** Deleting a missing object is not an error. */
  delete(name: string, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

/** What is needed to open a storage in any thread: plain data, structured-cloneable. May hold secrets: never print it. */
export interface StorageConfig {
  /** Full URI without COCKROACH_LOCALITY. */
  readonly uri: string;
  readonly settings: StorageSettings;
}

/** Facts about this process that drivers need. */
export interface StorageSettings {
  /** Directory that holds one directory per node, `<root>/<node id>/`, for nodelocal://. Undefined: nodelocal is refused. */
  readonly externalIODir?: string;
  /** Node that nodelocal://self means; default 1. */
  readonly selfNode?: number;
  /** How failed calls are repeated; what is not given is DEFAULT_RETRY's. */
  readonly retry?: Partial<RetrySettings>;
  /** Limits shared by all threads that get the same one: see newStorageLimits. */
  readonly limits?: StorageLimits;
  /** Print every call to stderr, secrets redacted. */
  readonly trace?: boolean;
  /**
   * Do not hash what is sent to s3 over plain HTTP for its signature, which takes 0.7 seconds of a core per gigabyte. The CRC-32C still
   * finds accidents; somebody on the way who may change a body could make one that fits. Over HTTPS bodies are never hashed.
   */
  readonly unsignedPayload?: boolean;
  /** What external://name stands for, by name; may hold secrets. */
  readonly connections?: Readonly<Record<string, string>>;
  /** The open embedded cluster that userfile:// lies in. Undefined: userfile is refused. */
  readonly userfile?: UserfileSettings;
}

/** An embedded cluster's store, as any thread opens it. */
export interface UserfileSettings {
  readonly directory: string;
  readonly mapBytes: number;
  readonly readOnly: boolean;
}

/** How failed calls are repeated. Only failures that may pass by themselves are. */
export interface RetrySettings {
  /** Most times that one call is made. */
  readonly attempts: number;
  /** The first wait is chosen evenly from 0 to this; each later one from a range twice as long. Throttled calls begin at eight times this. */
  readonly baseMs: number;
  /** No wait is longer. */
  readonly capMs: number;
  /** A single call is given up after this long, and a second more for each MiB it carries. */
  readonly callTimeoutMs: number;
  /** A call and its repetitions together: nothing is repeated after this. */
  readonly operationTimeoutMs: number;
}

/** Limits on what all workers of a run do together. Plain data, structured-cloneable. */
export interface StorageLimits {
  /** Bytes of object content per second, both directions together; 0 = no limit. */
  readonly bytesPerSecond: number;
  /** Calls per second; 0 = no limit. */
  readonly requestsPerSecond: number;
  /** When the next call and the next byte may go: two 64-bit numbers of nanoseconds, shared between threads. */
  readonly shared: SharedArrayBuffer;
}
