import { randomBytes } from 'node:crypto';
import { isSpanvaultError, type SpanvaultError, throwIfAborted } from '../fault/index.js';
import type {
  CallOptions,
  ExternalStorage,
  ListedObject,
  ListOptions,
  ObjectWriter,
  PieceResult,
  ReadOptions,
  ReadPiece,
  ReadResult,
  WriteOptions,
} from './contract.js';
import { LayeredWriter } from './layered_writer.js';
import { compareNames } from './names.js';

/** Operations of the contract; each part of a part-wise write is one, and each page of a listing. */
export type StorageOperation = 'read' | 'size' | 'write' | 'create' | 'part' | 'finish' | 'list' | 'delete';

/** One call on its way to a driver. */
export interface StorageCall {
  readonly operation: StorageOperation;
  /** Object, or prefix of a listing. */
  readonly name: string;
  /** Bytes of object content that it sends. */
  readonly sentBytes: number;
  /** Bytes that it is likely to receive, where its caller says so; else 0. */
  readonly expectedBytes: number;
  readonly signal: AbortSignal | undefined;
  /** Objects that it reads where it is several reads in one; else 1. */
  readonly objects: number;
  /** It reads what was read before, because that did not pass its reader's checks. */
  readonly again: boolean;
}

/** What came back, and how many bytes of object content with it. */
export interface CallResult<T> {
  readonly value: T;
  readonly receivedBytes: number;
  /** Objects of a call of several that could not be read. */
  readonly failures?: number;
}

/**
 * Something done around every call: counting, repeating, delaying, printing. `next` makes the call; it may be made again
 * after a failure whose `retry` is backoff, and stops when the signal it is given fires.
 */
export type CallLayer = <T>(
  call: StorageCall,
  next: (signal: AbortSignal | undefined) => Promise<CallResult<T>>,
) => Promise<CallResult<T>>;

/** Names fetched per call of a listing. */
const LIST_PAGE = 1000;

/** The same storage with `layers` around its calls, the first one outermost. */
export function withLayers(storage: ExternalStorage, layers: readonly CallLayer[]): ExternalStorage {
  return layers.length === 0 ? storage : new LayeredStorage(storage, layers);
}

class LayeredStorage implements ExternalStorage {
  readonly display: string;
  readonly partBytesMost?: number;
  readonly remote?: boolean;
  readonly readAll?: NonNullable<ExternalStorage['readAll']>;
  readonly #inner: ExternalStorage;
  readonly #layers: readonly CallLayer[];

  constructor(inner: ExternalStorage, layers: readonly CallLayer[]) {
    this.display = inner.display;
    if (inner.partBytesMost !== undefined) this.partBytesMost = inner.partBytesMost;
    if (inner.remote !== undefined) this.remote = inner.remote;
    const several = inner.readAll?.bind(inner);
    if (several !== undefined) this.readAll = (pieces, options) => this.#readAll(several, pieces, options);
    this.#inner = inner;
    this.#layers = layers;
  }

  read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    return this.#call(
      'read',
      name,
      options.signal,
      async (signal) => {
        const value = await this.#inner.read(name, { ...options, ...signalOf(signal) });
        return { value, receivedBytes: value.bytes.length };
      },
      { expectedBytes: options.length ?? 0, again: options.again === true },
    );
  }

  /** Guarded as one call; what may pass is then read again by itself, as often as the policy allows. */
  async #readAll(
    several: NonNullable<ExternalStorage['readAll']>,
    pieces: readonly ReadPiece[],
    options: CallOptions = {},
  ): Promise<readonly PieceResult[]> {
    if (pieces.length === 0) return [];
    const name = pieces.length === 1 ? pieces[0]!.name : `${pieces[0]!.name} and ${pieces.length - 1} more`;
    const work = async (signal: AbortSignal | undefined): Promise<CallResult<readonly PieceResult[]>> => {
      const value = await several(pieces, signalOf(signal));
      const failures = value.filter(isSpanvaultError).length;
      return { value, failures, receivedBytes: value.reduce((sum, one) => sum + bytesOf(one), 0) };
    };
    const results = await this.#call('read', name, options.signal, work, { objects: pieces.length });
    return await Promise.all(
      results.map((result, index) =>
        isSpanvaultError(result) && result.retry === 'backoff'
          ? this.read(pieces[index]!.name, { ...pieces[index]!, ...options }).catch(asFault)
          : result,
      ),
    );
  }

  size(name: string, options: CallOptions = {}): Promise<number> {
    return this.#call('size', name, options.signal, async (signal) =>
      nothingBut(await this.#inner.size(name, signalOf(signal))),
    );
  }

  write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const fixed = { ...options, writeId: newWriteId() };
    const work = async (signal: AbortSignal | undefined) =>
      nothingBut(await this.#inner.write(name, bytes, { ...fixed, ...signalOf(signal) }));
    return this.#call('write', name, options.signal, work, { sentBytes: bytes.length });
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    const { signal } = options;
    // The writer keeps its caller's signal, not that of the one call that opened it.
    const writer = await this.#call('create', name, signal, async () =>
      nothingBut(await this.#inner.create(name, { ...options, writeId: newWriteId() })),
    );
    return new LayeredWriter(writer, signal, (operation, stop, work, sentBytes) =>
      this.#call(operation, name, stop, async (own) => nothingBut(await work(own)), { sentBytes }),
    );
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    let names: AsyncIterator<ListedObject> | undefined;
    let last = options.after;
    try {
      for (;;) {
        const page = await this.#call('list', prefix, options.signal, async (signal) => {
          // After a failure the listing begins anew behind the last name that was passed on.
          names ??= this.#inner
            .list(prefix, { ...options, ...signalOf(options.signal), ...(last === undefined ? {} : { after: last }) })
            [Symbol.asyncIterator]();
          try {
            return { value: await pageOf(names, last, signal), receivedBytes: 0 };
          } catch (error) {
            names = undefined;
            throw error;
          }
        });
        yield* page.objects;
        last = page.objects.at(-1)?.name ?? last;
        if (page.done) return;
      }
    } finally {
      await names?.return?.();
    }
  }

  delete(name: string, options: CallOptions = {}): Promise<void> {
    return this.#call('delete', name, options.signal, async (signal) =>
      nothingBut(await this.#inner.delete(name, signalOf(signal))),
    );
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #call<T>(
    operation: StorageOperation,
    name: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal | undefined) => Promise<CallResult<T>>,
    told: Partial<Pick<StorageCall, 'sentBytes' | 'expectedBytes' | 'objects' | 'again'>> = {},
  ): Promise<T> {
    const usual = { sentBytes: 0, expectedBytes: 0, objects: 1, again: false };
    const call: StorageCall = { operation, name, ...usual, ...told, signal };
    const run = (index: number, own: AbortSignal | undefined): Promise<CallResult<T>> => {
      const layer = this.#layers[index];
      return layer === undefined ? work(own) : layer({ ...call, signal: own }, (inner) => run(index + 1, inner));
    };
    return (await run(0, signal)).value;
  }
}

interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly done: boolean;
}

/** Up to a page of names behind `after`; leaves `names` alone as soon as the signal fires. */
async function pageOf(
  names: AsyncIterator<ListedObject>,
  after: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ListPage> {
  const objects: ListedObject[] = [];
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
  });
  // It may be rejected when nothing races with it any more.
  aborted.catch(() => undefined);
  signal?.addEventListener('abort', stop);
  try {
    while (objects.length < LIST_PAGE) {
      throwIfAborted(signal);
      const next = await Promise.race([names.next(), aborted]);
      if (next.done === true) return { objects, done: true };
      if (after === undefined || compareNames(next.value.name, after) > 0) objects.push(next.value);
    }
    return { objects, done: false };
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function nothingBut<T>(value: T): CallResult<T> {
  return { value, receivedBytes: 0 };
}

function bytesOf(result: PieceResult): number {
  return isSpanvaultError(result) ? 0 : result.bytes.length;
}

/** The error as a value; what is none of a storage is a defect and goes on. */
function asFault(error: unknown): SpanvaultError {
  if (isSpanvaultError(error)) return error;
  throw error;
}

function signalOf(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal };
}

/** Tells one write from every other, and stays the same when the call is repeated. */
function newWriteId(): string {
  return randomBytes(12).toString('hex');
}
