import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import type { NativeMemoryObjects } from '../native/contract.js';
import type { ExternalStorage, ListedObject, ObjectWriter, ReadOptions, ReadResult, WriteOptions } from './contract.js';
import { checkName, clipRange, cutName } from './names.js';
import { printUri, type StorageUri } from './uri.js';

/** Names fetched per native call: bounds the call and the strings that cross. */
const LIST_PAGE = 1000;

/**
 * Objects in the memory of this process: `memory://<bucket>/<path>`. The native module holds them, so every thread sees
 * the same ones. For tests and for trying things out: nothing survives the process.
 */
export class MemoryStorage implements ExternalStorage {
  readonly display: string;
  readonly #objects: NativeMemoryObjects;
  readonly #bucket: string;
  /** Path of the location as the beginning of every object's name in the bucket. */
  readonly #under: string;

  /** @throws SpanvaultError SV_URI without a bucket */
  constructor(uri: StorageUri, objects: NativeMemoryObjects) {
    this.display = printUri(uri);
    if (uri.host === '')
      throw new SpanvaultError('SV_URI', `storage URI ${JSON.stringify(this.display)} names no bucket`);
    this.#objects = objects;
    this.#bucket = uri.host;
    this.#under = uri.path === '' ? '' : `${uri.path.slice(1)}/`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    throwIfAborted(options.signal);
    const totalBytes = await this.size(name);
    const { start, length } = clipRange(totalBytes, options.offset, options.length);
    const bytes = this.#objects.memoryGet(this.#bucket, this.#under + name, start, length);
    if (bytes === null) throw this.#missing(name);
    return { bytes, totalBytes };
  }

  async size(name: string): Promise<number> {
    checkName(name);
    const bytes = this.#objects.memorySize(this.#bucket, this.#under + name);
    if (bytes === null) throw this.#missing(name);
    return bytes;
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkName(name);
    throwIfAborted(options.signal);
    if (!this.#objects.memoryPut(this.#bucket, this.#under + name, bytes, options.ifAbsent ?? false)) {
      throw new SpanvaultError('SV_STORAGE_EXISTS', `writing ${this.display}/${name} failed: it exists already`);
    }
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name);
    throwIfAborted(options.signal);
    return new MemoryWriter(this, name, options);
  }

  async *list(
    prefix: string,
    options: { readonly delimiter?: string; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<ListedObject> {
    const { delimiter, signal } = options;
    let after = '';
    let last: string | undefined;
    for (;;) {
      throwIfAborted(signal);
      const page = this.#objects.memoryList(this.#bucket, this.#under + prefix, after, LIST_PAGE);
      for (const key of page) {
        const full = key.slice(this.#under.length);
        const name = cutName(full, prefix, delimiter);
        if (name !== full) {
          if (name !== last) yield { name, bytes: undefined };
        } else {
          const bytes = this.#objects.memorySize(this.#bucket, key);
          if (bytes !== null) yield { name, bytes };
        }
        last = name;
      }
      const end = page.at(-1);
      if (end === undefined || page.length < LIST_PAGE) return;
      after = end;
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#objects.memoryDelete(this.#bucket, this.#under + name);
  }

  async close(): Promise<void> {}

  #missing(name: string): SpanvaultError {
    return new SpanvaultError('SV_STORAGE_NOT_FOUND', `reading ${this.display}/${name} failed: it does not exist`);
  }
}

/** Keeps copies of the parts until finish. */
class MemoryWriter implements ObjectWriter {
  readonly #storage: MemoryStorage;
  readonly #name: string;
  readonly #options: WriteOptions;
  readonly #parts: Uint8Array[] = [];
  #ended = false;

  constructor(storage: MemoryStorage, name: string, options: WriteOptions) {
    this.#storage = storage;
    this.#name = name;
    this.#options = options;
  }

  async write(part: Uint8Array): Promise<void> {
    invariant(!this.#ended, `writing ${this.#name}: a part came after finish or abort`);
    throwIfAborted(this.#options.signal);
    this.#parts.push(Uint8Array.from(part));
  }

  async finish(expectedBytes: number): Promise<void> {
    invariant(!this.#ended, `writing ${this.#name}: finished or aborted twice`);
    this.#ended = true;
    const bytes = Buffer.concat(this.#parts);
    this.#parts.length = 0;
    if (bytes.length !== expectedBytes) {
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `writing ${this.#storage.display}/${this.#name} failed: ${expectedBytes} bytes were expected and ${bytes.length} written`,
      );
    }
    await this.#storage.write(this.#name, bytes, this.#options);
  }

  async abort(): Promise<void> {
    this.#ended = true;
    this.#parts.length = 0;
  }
}
