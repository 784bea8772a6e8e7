import { isSpanvaultError } from '../fault/index.js';
import type { ObjectWriter, PartOptions } from './contract.js';

/** Makes one call of a writer through the layers of its storage. */
export type WriterCall = <T>(
  operation: 'part' | 'finish',
  signal: AbortSignal,
  work: (signal: AbortSignal | undefined) => Promise<T>,
  sentBytes: number,
) => Promise<T>;

/**
 * A writer whose calls go through layers. Parts may be written side by side where the driver takes them so: they reach it in
 * their order, and once one has failed for good, or the writer is aborted, none of the others goes on.
 */
export class LayeredWriter implements ObjectWriter {
  readonly parallelParts: boolean;
  readonly #inner: ObjectWriter;
  readonly #call: WriterCall;
  /** Fires with the caller's signal, when a part has failed and at abort. */
  readonly #stop = new AbortController();
  readonly #release: () => void;
  readonly #running = new Set<Promise<void>>();
  #parts = 0;
  /** Settles when the newest part has reached the driver, or never will. */
  #arrived: Promise<void> = Promise.resolve();

  constructor(inner: ObjectWriter, signal: AbortSignal | undefined, call: WriterCall) {
    this.parallelParts = inner.parallelParts ?? false;
    this.#inner = inner;
    this.#call = call;
    const relay = (): void => this.#stop.abort(signal?.reason);
    if (signal?.aborted === true) relay();
    signal?.addEventListener('abort', relay, { once: true });
    this.#release = () => signal?.removeEventListener('abort', relay);
  }

  async write(part: Uint8Array, options: PartOptions = {}): Promise<void> {
    const written = this.#send(part, options.index ?? this.#parts);
    this.#running.add(written);
    try {
      await written;
    } catch (error) {
      // What may be made again changes nothing for the other parts.
      if (!isSpanvaultError(error) || error.retry !== 'backoff') this.#stop.abort(error);
      throw error;
    } finally {
      this.#running.delete(written);
    }
  }

  #send(part: Uint8Array, index: number): Promise<void> {
    let before = Promise.resolve();
    let arrived = (): void => undefined;
    if (index >= this.#parts) {
      this.#parts = index + 1;
      before = this.#arrived;
      this.#arrived = new Promise((resolve) => {
        arrived = resolve;
      });
    }
    const work = async (signal: AbortSignal | undefined): Promise<void> => {
      // What holds up one call, such as a limit, must not let a later part come before it.
      await before;
      const written = this.#inner.write(part, { index, ...(signal === undefined ? {} : { signal }) });
      arrived();
      await written;
    };
    return this.#call('part', this.#stop.signal, work, part.length).finally(() => arrived());
  }

  async finish(expectedBytes: number): Promise<void> {
    const finish = (signal: AbortSignal | undefined): Promise<void> =>
      this.#inner.finish(expectedBytes, signal === undefined ? {} : { signal });
    await this.#call('finish', this.#stop.signal, finish, 0);
    this.#release();
  }

  async abort(): Promise<void> {
    this.#release();
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    await this.#inner.abort();
  }
}
