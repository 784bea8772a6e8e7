import { setImmediate } from 'node:timers/promises';
import type { ObjectWriter } from '../storage/index.js';

/**
 * The parts of a task's files: one is filled while others are on their way, as many as are allowed and the store takes side by
 * side. Memory is taken when a part needs it, first what earlier tasks left, and used again for later parts: `most` + 1 parts at most.
 */
export class PartsInFlight {
  readonly #partBytes: number;
  readonly #most: number;
  /** What earlier tasks of this thread left, parts of other sizes among it. */
  readonly #spare: Uint8Array[];
  readonly #free: Uint8Array[] = [];
  readonly #onTheirWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #current: Uint8Array;

  constructor(partBytes: number, most: number, spare: Uint8Array[]) {
    this.#partBytes = partBytes;
    this.#most = most;
    this.#spare = spare;
    this.#current = this.#take();
  }

  /** The part to fill; another one after each `send`. */
  get current(): Uint8Array {
    return this.#current;
  }

  /** Sends the first `bytes` of the current part, once so few are on their way that it may. @throws what an earlier part failed with */
  async send(writer: ObjectWriter, bytes: number): Promise<void> {
    const allowed = writer.parallelParts === true ? this.#most : 1;
    while (this.#onTheirWay.size >= allowed) await Promise.race(this.#onTheirWay);
    this.#check();
    const part = this.#current;
    const sent = writer
      .write(part.subarray(0, bytes))
      .catch((error: unknown) => {
        // The first failure is the cause; it stops the others, which fail of that.
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#onTheirWay.delete(sent);
        this.#free.push(part);
      });
    this.#onTheirWay.add(sent);
    this.#current = this.#take();
    // Filling parts never waits: without a turn of the event loop none would leave before so many are full that the next must wait.
    await setImmediate();
  }

  /** Waits until the store has every part. @throws what one of them failed with */
  async arrived(): Promise<void> {
    await this.stopped();
    this.#check();
  }

  /** Waits until no part is on its way, whatever became of it. */
  async stopped(): Promise<void> {
    await Promise.all(this.#onTheirWay);
  }

  /** Leaves the memory to later tasks; no part is on its way. */
  giveBack(): void {
    this.#spare.push(...this.#free.splice(0), this.#current);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #take(): Uint8Array {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const found = this.#spare.findIndex(({ length }) => length === this.#partBytes);
    return found >= 0 ? this.#spare.splice(found, 1)[0]! : new Uint8Array(this.#partBytes);
  }
}
