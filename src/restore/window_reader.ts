import { invariant, SpanvaultError } from '../fault/index.js';
import type { Span } from '../keys/index.js';
import type { NativeFileFault, NativeMerge, NativeMergeFile, Need } from '../native/index.js';
import { type ExternalStorage, inLanes, type LocalObject } from '../storage/index.js';

/** One input file of a unit as it crosses to a worker thread. */
export interface IngestFile {
  /** Index into `stores`. */
  readonly store: number;
  readonly path: string;
  readonly layer: number;
  readonly elidedPrefix: Uint8Array;
  readonly span: Span;
  readonly endInclusive: boolean;
  /** Keys and values that it holds, about, where the unit takes all of them; else 0. */
  readonly wholeBytes: number;
}

/** Bytes of a file that are read first: the footer, the index and the properties of most files, and the whole of small ones. */
const TAIL_BYTES = 64 * 1024;
/** A file of a remote store that is not larger is read in one go; all files of a unit together take at most the second figure. */
const WHOLE_BYTES_MOST = 4 * 1024 * 1024;
const WHOLE_BYTES_OF_ALL = 32 * 1024 * 1024;
/** Memory for windows of remote stores: as large as merges ask for (native/core/src/cursor.rs). */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Smaller reads get memory of their own. */
const REUSED_BYTES_LEAST = WINDOW_BYTES / 4;

/** Bytes of one file that a merge asks for. */
export type Window = Need;

interface Fetched extends Window {
  readonly bytes: Uint8Array;
  /** What they may lie in, ours to use again. */
  readonly memory: Uint8Array | undefined;
}

/** Bytes of windows that a merge holds where another read costs next to nothing; its own default is for round trips. */
const LOCAL_BUDGET_BYTES = 8 * 1024 * 1024;

/** What a merge of files from such stores should be given as its `windowBudget`. */
export function windowBudgetOf(stores: readonly ExternalStorage[]): { readonly windowBudget?: number } {
  return stores.every(({ local }) => local !== undefined) ? { windowBudget: LOCAL_BUDGET_BYTES } : {};
}

/** Memory of windows that a thread keeps from unit to unit: fresh memory is the larger half of what a download costs. */
export const WINDOW_MEMORY = { most: 4, fits: ({ length }: Uint8Array): boolean => length === WINDOW_BYTES };

/** Fetches what a merge asks for, ahead of its need: memory is the windows that the merge has named. */
export class WindowReader {
  readonly #merge: NativeMerge;
  readonly #files: readonly IngestFile[];
  readonly #stores: readonly ExternalStorage[];
  readonly #signal: AbortSignal;
  /** Memory of windows that the merge has taken. */
  readonly #spare: Uint8Array[];
  /** Ends of files until the merge has taken them: it keeps what it still needs. */
  readonly #tails: ({ readonly bytes: Uint8Array; readonly offset: number } | undefined)[] = [];
  /** Reads under way, by window; each settles always, and its failure is thrown by whoever waits for it. */
  readonly #reads = new Map<
    string,
    Promise<{ readonly key: string; readonly fetched?: Fetched; readonly failure?: unknown }>
  >();
  /** Files that the merge reads itself, by number. */
  readonly #locals = new Map<number, LocalObject>();
  bytesRead = 0;

  constructor(
    merge: NativeMerge,
    files: readonly IngestFile[],
    stores: readonly ExternalStorage[],
    signal: AbortSignal,
    spare: Uint8Array[],
  ) {
    this.#merge = merge;
    this.#files = files;
    this.#stores = stores;
    this.#signal = signal;
    this.#spare = spare;
  }

  /**
   * Names the files to the merge. Those of this machine it reads itself; of each other one its tail is read, which also tells its size
   * and is kept until the merge asks for it.
   */
  async addFiles(): Promise<void> {
    // Side by side: a unit of a long chain has hundreds of files, and each read is a round trip.
    const tails = await inLanes(this.#files, async (file) => {
      const storage = this.#stores[file.store]!;
      if (storage.local !== undefined) return undefined;
      return await storage.read(file.path, { offset: -this.#tailBytes(file), signal: this.#signal });
    });
    for (const [index, file] of this.#files.entries()) {
      const tail = tails[index];
      const named = this.#named(file, tail?.totalBytes ?? 0);
      if (tail === undefined) {
        this.#addLocal(index, file, named);
        continue;
      }
      this.bytesRead += tail.bytes.length;
      this.#tails[index] = { bytes: tail.bytes, offset: tail.totalBytes - tail.bytes.length };
      const remote = this.#stores[file.store]!.remote === true;
      this.#merge.addFile(remote ? { ...named, remote, tailBytes: tail.bytes.length } : named);
    }
  }

  #named({ path, layer, elidedPrefix, span, endInclusive, store }: IngestFile, fileBytes: number): NativeMergeFile {
    const name = `${this.#stores[store]!.display}/${path}`;
    return { name, fileBytes, layer, elidedPrefix, startKey: span.key, endKey: span.endKey, endInclusive };
  }

  #addLocal(number: number, file: IngestFile, named: NativeMergeFile): void {
    const object = this.#stores[file.store]?.local?.(file.path);
    invariant(object !== undefined, `${named.name} is no file of this machine`);
    this.#locals.set(number, object);
    const added = this.#merge.addLocalFile(named, object.root, object.path);
    if (added.fault !== undefined) throw object.fault(added.fault);
  }

  /** The error of a file that the merge could not read. */
  failureOf(file: number, fault: NativeFileFault): SpanvaultError {
    const object = this.#locals.get(file);
    invariant(object !== undefined, `a merge failed to read file ${file}, which is none of this machine`);
    return object.fault(fault);
  }

  /** Counts what the merge has read itself. Call it once, at the end; the seconds that it took. */
  countLocal(): number {
    const { reads, bytes, seconds } = this.#merge.localReads();
    let sum = 0;
    for (const [file, object] of this.#locals) {
      object.count({ calls: reads[file]!, bytes: bytes[file]!, seconds: seconds[file]! });
      this.bytesRead += bytes[file]!;
      sum += seconds[file]!;
    }
    return sum;
  }

  /** A little more than what a file holds where it is worth reading whole: what is not compressed is not larger than that. */
  #tailBytes({ store, wholeBytes }: IngestFile): number {
    if (this.#stores[store]!.remote !== true) return TAIL_BYTES;
    const bytes = Math.ceil(wholeBytes * 1.125) + TAIL_BYTES;
    return bytes <= Math.min(WHOLE_BYTES_MOST, WHOLE_BYTES_OF_ALL / this.#files.length) ? bytes : TAIL_BYTES;
  }

  /** Begins to read windows that are not on their way yet; false when all of them are, so that only waiting helps. */
  start(windows: readonly Window[]): boolean {
    let begun = false;
    for (const window of windows) {
      const key = `${window.file} ${window.offset}`;
      if (this.#reads.has(key)) continue;
      begun = true;
      const tail = this.#tails[window.file];
      const at = tail === undefined ? -1 : window.offset - tail.offset;
      if (!window.again && tail !== undefined && at >= 0 && at + window.length <= tail.bytes.length) {
        this.#merge.feed(window.file, window.offset, tail.bytes.subarray(at, at + window.length));
        this.#tails[window.file] = undefined;
        continue;
      }
      const read = this.#fetch(window).then(
        (fetched) => ({ key, fetched }),
        (failure: unknown) => ({ key, failure }),
      );
      this.#reads.set(key, read);
    }
    return begun;
  }

  /** Waits for the next window to arrive and hands it in. */
  async settle(): Promise<void> {
    const { key, fetched, failure } = await Promise.race(this.#reads.values());
    this.#reads.delete(key);
    if (fetched === undefined) throw failure;
    this.bytesRead += fetched.bytes.length;
    this.#merge.feed(fetched.file, fetched.offset, fetched.bytes);
    const { memory } = fetched;
    if (memory !== undefined && this.#spare.length < WINDOW_MEMORY.most) this.#spare.push(memory);
  }

  async #fetch(window: Window): Promise<Fetched> {
    const { file, offset, length, again } = window;
    const { store, path } = this.#files[file]!;
    const storage = this.#stores[store]!;
    const reused = storage.remote === true && length >= REUSED_BYTES_LEAST && length <= WINDOW_BYTES;
    const memory = reused ? (this.#spare.pop() ?? new Uint8Array(WINDOW_BYTES)) : undefined;
    const options = { offset, length, again, signal: this.#signal };
    const { bytes } = await storage.read(path, memory === undefined ? options : { ...options, into: memory });
    if (bytes.length !== length) {
      throw new SpanvaultError(
        'SV_CORRUPT_SST',
        `${storage.display}/${path} ended after ${offset + bytes.length} bytes, ${offset + length} were expected`,
      );
    }
    return { ...window, bytes, memory };
  }
}
