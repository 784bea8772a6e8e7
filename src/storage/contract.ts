/** One object as a listing returns it. */
export interface ListedObject {
  /** Name relative to the storage's root. */
  readonly name: string;
  /** Size in bytes where the listing tells it; undefined otherwise. */
  readonly bytes: number | undefined;
}

export interface ReadOptions {
  /** First byte; default 0. Negative counts from the end: -65536 reads the last 64 KiB (or the whole file). */
  readonly offset?: number;
  /** Bytes to read; default to the end. Reading past the end returns what there is. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

export interface ReadResult {
  readonly bytes: Uint8Array;
  /** Size of the whole object. */
  readonly totalBytes: number;
}

export interface WriteOptions {
  /** Fail with SV_STORAGE_EXISTS when the object exists, atomically where the store can. */
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * A multi-part write. It ends in exactly one of finish or abort. Nothing is visible before finish has resolved; after
 * it the object is whole and durable. Calls do not overlap: await each write before the next.
 */
export interface ObjectWriter {
  /** Appends a part; the writer is done with `part` when the promise settles, so the caller may reuse the memory. */
  write(part: Uint8Array): Promise<void>;
  /** Makes the object visible. `expectedBytes` is what the caller wrote in sum; a difference aborts with SV_STORAGE_IO. */
  finish(expectedBytes: number): Promise<void>;
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
  read(name: string, options?: ReadOptions): Promise<ReadResult>;
  /** Size in bytes. */
  size(name: string): Promise<number>;
  /** Atomic: readers see the old object, or the whole new one. Durable when it resolves. */
  write(name: string, bytes: Uint8Array, options?: WriteOptions): Promise<void>;
  create(name: string, options?: WriteOptions): Promise<ObjectWriter>;
  /** Objects whose name begins with `prefix`, in byte order of names. With `delimiter`, names are cut after its first occurrence past the prefix and each cut name is listed once. */
  list(
    prefix: string,
    options?: { readonly delimiter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<ListedObject>;
  /** Deleting a missing object is not an error. */
  delete(name: string): Promise<void>;
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
  /** What external://name stands for, by name; may hold secrets. */
  readonly connections?: Readonly<Record<string, string>>;
}
