import { SpanvaultError } from '../fault/index.js';
import type { Span } from '../keys/index.js';
import type { NativeMerge } from '../native/index.js';
import { type ExternalStorage, inLanes } from '../storage/index.js';

/** One input file of a unit as it crosses to a worker thread. */
export interface IngestFile {
  /** Index into `stores`. */
  readonly store: number;
  readonly path: string;
  readonly layer: number;
  readonly elidedPrefix: Uint8Array;
  readonly span: Span;
  readonly endInclusive: boolean;
}

/** Bytes of a file that are read first: the footer, the index and the properties of most files, and the whole of small ones. */
const TAIL_BYTES = 64 * 1024;
/** Bytes of one file that a merge asks for. */
export interface Window {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

interface Fetched extends Window {
  readonly bytes: Uint8Array;
}

/** Fetches what a merge asks for, ahead of its need: memory is the windows that the merge has named. */
export class WindowReader {
  readonly #merge: NativeMerge;
  readonly #files: readonly IngestFile[];
  readonly #stores: readonly ExternalStorage[];
  readonly #signal: AbortSignal;
  /** Ends of files until the merge has taken them: it keeps what it still needs. */
  readonly #tails: ({ readonly bytes: Uint8Array; readonly offset: number } | undefined)[] = [];
  /** Reads under way, by window; each settles always, and its failure is thrown by whoever waits for it. */
  readonly #reads = new Map<
    string,
    Promise<{ readonly key: string; readonly fetched?: Fetched; readonly failure?: unknown }>
  >();
  bytesRead = 0;

  constructor(
    merge: NativeMerge,
    files: readonly IngestFile[],
    stores: readonly ExternalStorage[],
    signal: AbortSignal,
  ) {
    this.#merge = merge;
    this.#files = files;
    this.#stores = stores;
    this.#signal = signal;
  }

  /** One read per file: its tail, which also tells its size; kept until the merge asks for it. */
  async addFiles(): Promise<void> {
    // Side by side: a unit of a long chain has hundreds of files, and each read is a round trip.
    const tails = await inLanes(this.#files, (file) =>
      this.#stores[file.store]!.read(file.path, { offset: -TAIL_BYTES, signal: this.#signal }),
    );
    for (const [index, file] of this.#files.entries()) {
      const storage = this.#stores[file.store]!;
      const { bytes, totalBytes } = tails[index]!;
      this.bytesRead += bytes.length;
      this.#tails.push({ bytes, offset: totalBytes - bytes.length });
      this.#merge.addFile({
        name: `${storage.display}/${file.path}`,
        fileBytes: totalBytes,
        layer: file.layer,
        elidedPrefix: file.elidedPrefix,
        startKey: file.span.key,
        endKey: file.span.endKey,
        endInclusive: file.endInclusive,
      });
    }
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
      if (tail !== undefined && at >= 0 && at + window.length <= tail.bytes.length) {
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
  }

  async #fetch({ file, offset, length }: Window): Promise<Fetched> {
    const { store, path } = this.#files[file]!;
    const storage = this.#stores[store]!;
    const { bytes } = await storage.read(path, { offset, length, signal: this.#signal });
    if (bytes.length !== length) {
      throw new SpanvaultError(
        'SV_CORRUPT_SST',
        `${storage.display}/${path} ended after ${offset + bytes.length} bytes, ${offset + length} were expected`,
      );
    }
    return { file, offset, length, bytes };
  }
}
