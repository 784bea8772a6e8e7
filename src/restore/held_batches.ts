import { invariant } from '../fault/index.js';
import type { Batch } from '../native/index.js';

/** Room for entries of a full batch of small rows; a batch ends at whichever limit comes first. */
const BYTES_PER_ENTRY_MIN = 24;

export interface Memory {
  bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** Merged batches of a unit that wait for its turn to be written. */
export class HeldBatches {
  readonly #batchBytes: number;
  readonly #limit: number;
  readonly #kept: { readonly memory: Memory; readonly count: number }[] = [];
  /** Memory of batches that were written, for later units. */
  readonly #spare: Memory[];
  #open: Memory | undefined;

  constructor(batchBytes: number, holdBytes: number, spare: Memory[]) {
    this.#spare = spare;
    this.#batchBytes = batchBytes;
    this.#limit = Math.max(1, Math.floor(holdBytes / batchBytes));
  }

  /** Memory for the next batch; undefined when no more may be held. */
  room(): { readonly bytes: Uint8Array; readonly offsets: Uint32Array } | undefined {
    if (this.#open === undefined && this.#kept.length >= this.#limit) return undefined;
    this.#open ??= this.#memory();
    return this.#open;
  }

  #memory(): Memory {
    const found = this.#spare.pop();
    if (found !== undefined && found.bytes.length >= this.#batchBytes) return found;
    const entries = Math.ceil(this.#batchBytes / BYTES_PER_ENTRY_MIN);
    return { bytes: new Uint8Array(this.#batchBytes), offsets: new Uint32Array(2 * entries + 1) };
  }

  /** Makes the open memory large enough for one entry that did not fit. */
  grow(bytes: number): void {
    const open = this.#open;
    invariant(open !== undefined && bytes > open.bytes.length, `a merge asked for ${bytes} bytes that it has`);
    open.bytes = new Uint8Array(bytes);
  }

  /** Keeps what the open memory was filled with. */
  keep(count: number): void {
    if (count === 0 || this.#open === undefined) return;
    this.#kept.push({ memory: this.#open, count });
    this.#open = undefined;
  }

  /** Hands out what is held, in order; each batch is the caller's until it asks for the next one. */
  *take(): Generator<Batch, void, undefined> {
    for (let next = this.#kept.shift(); next !== undefined; next = this.#kept.shift()) {
      const { bytes, offsets } = next.memory;
      yield { bytes, offsets, count: next.count };
      // Memory that grew for one large entry goes back to the collector.
      if (bytes.length === this.#batchBytes) this.#spare.push(next.memory);
    }
  }
}
