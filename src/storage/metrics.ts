import type { ExternalStorage, ListedObject, ObjectWriter, ReadOptions, ReadResult, WriteOptions } from './contract.js';

/** Operations that are counted; the parts and the finish of a multi-part write count as one `part` each. */
export type StorageOperation = 'read' | 'size' | 'write' | 'create' | 'part' | 'finish' | 'list' | 'delete';

/** Sums of one operation. */
export interface OperationMetrics {
  calls: number;
  failures: number;
  /** Bytes of object content that crossed. */
  bytes: number;
  /** Time between call and settling, summed over calls that may have run at the same time. */
  seconds: number;
}

/** Sums per operation of one or many storages. */
export type StorageMetrics = Record<StorageOperation, OperationMetrics>;

/** All zero. */
export function newStorageMetrics(): StorageMetrics {
  const zero = (): OperationMetrics => ({ calls: 0, failures: 0, bytes: 0, seconds: 0 });
  return {
    read: zero(),
    size: zero(),
    write: zero(),
    create: zero(),
    part: zero(),
    finish: zero(),
    list: zero(),
    delete: zero(),
  };
}

/** The same storage, its calls added to `metrics`. */
export function withMetrics(storage: ExternalStorage, metrics: StorageMetrics): ExternalStorage {
  return new MeteredStorage(storage, metrics);
}

async function metered<T>(into: OperationMetrics, call: () => Promise<T>, bytesOf: (result: T) => number): Promise<T> {
  const begin = performance.now();
  into.calls++;
  try {
    const result = await call();
    into.bytes += bytesOf(result);
    return result;
  } catch (error) {
    into.failures++;
    throw error;
  } finally {
    into.seconds += (performance.now() - begin) / 1000;
  }
}

const NO_BYTES = (): number => 0;

class MeteredStorage implements ExternalStorage {
  readonly display: string;
  readonly #inner: ExternalStorage;
  readonly #metrics: StorageMetrics;

  constructor(inner: ExternalStorage, metrics: StorageMetrics) {
    this.display = inner.display;
    this.#inner = inner;
    this.#metrics = metrics;
  }

  read(name: string, options?: ReadOptions): Promise<ReadResult> {
    return metered(
      this.#metrics.read,
      () => this.#inner.read(name, options),
      (result) => result.bytes.length,
    );
  }

  size(name: string): Promise<number> {
    return metered(this.#metrics.size, () => this.#inner.size(name), NO_BYTES);
  }

  write(name: string, bytes: Uint8Array, options?: WriteOptions): Promise<void> {
    return metered(
      this.#metrics.write,
      () => this.#inner.write(name, bytes, options),
      () => bytes.length,
    );
  }

  async create(name: string, options?: WriteOptions): Promise<ObjectWriter> {
    const metrics = this.#metrics;
    const writer = await metered(metrics.create, () => this.#inner.create(name, options), NO_BYTES);
    return {
      write: (part) =>
        metered(
          metrics.part,
          () => writer.write(part),
          () => part.length,
        ),
      finish: (expectedBytes) => metered(metrics.finish, () => writer.finish(expectedBytes), NO_BYTES),
      abort: () => writer.abort(),
    };
  }

  async *list(
    prefix: string,
    options?: { readonly delimiter?: string; readonly signal?: AbortSignal },
  ): AsyncIterable<ListedObject> {
    const into = this.#metrics.list;
    const names = this.#inner.list(prefix, options)[Symbol.asyncIterator]();
    into.calls++;
    try {
      for (;;) {
        // Only the waits for the store are timed, not what the caller does between two names.
        const begin = performance.now();
        const next = await names.next();
        into.seconds += (performance.now() - begin) / 1000;
        if (next.done === true) return;
        yield next.value;
      }
    } catch (error) {
      into.failures++;
      throw error;
    } finally {
      await names.return?.();
    }
  }

  delete(name: string): Promise<void> {
    return metered(this.#metrics.delete, () => this.#inner.delete(name), NO_BYTES);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
