import { invariant } from '../fault/index.js';
import type { Batch } from '../native/index.js';

/** Room for entries of a full batch of small rows; a batch ends at whichever limit comes first. */
const BYTES_PER_ENTRY_MIN = 24;

export interface Memory {
  bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** How many batches may be held, and which memory is one's. */
export function batchRoom(batchBytes: number, holdBytes: number): { most: number; fits(memory: Memory): boolean } {
  return {
    most: Math.max(1, Math.floor(holdBytes / batchBytes)),
    fits: ({ bytes }) => bytes.length === batchBytes,
  };
}

/** A batch that is being filled: a merge stops at every window that it waits for, and goes on behind what it has. */
interface OpenBatch {
  readonly memory: Memory;
  count: number;
}

/** Merged batches of a unit that wait for its turn to be written. */
export class HeldBatches {
  readonly #batchBytes: number;
  readonly #limit: number;
  /** Memory of batches that were written, for later units. */
  readonly #spare: Memory[];
  readonly #full: OpenBatch[] = [];
  #open: OpenBatch | undefined;

  constructor(batchBytes: number, holdBytes: number, spare: Memory[]) {
    this.#batchBytes = batchBytes;
    this.#limit = batchRoom(batchBytes, holdBytes).most;
    this.#spare = spare;
  }

  /** Memory to go on with behind the `count` entries that it holds; undefined when no more may be held. */
  room(): { readonly bytes: Uint8Array; readonly offsets: Uint32Array; readonly count: number } | undefined {
    if (this.#open === undefined && this.#full.length >= this.#limit) return undefined;
    this.#open ??= { memory: this.#memory(), count: 0 };
    return { ...this.#open.memory, count: this.#open.count };
  }

  #memory(): Memory {
    const found = this.#spare.pop();
    if (found !== undefined && found.bytes.length >= this.#batchBytes) return found;
    const entries = Math.ceil(this.#batchBytes / BYTES_PER_ENTRY_MIN);
    return { bytes: new Uint8Array(this.#batchBytes), offsets: new Uint32Array(2 * entries + 1) };
  }

  /** Makes the open memory, which is empty, large enough for one entry that did not fit. */
  grow(bytes: number): void {
    const open = this.#open;
    invariant(
      open !== undefined && open.count === 0 && bytes > open.memory.bytes.length,
      `a merge asked for ${bytes} bytes that it has`,
    );
    open.memory.bytes = new Uint8Array(bytes);
  }

  /** Keeps what the open memory holds now; as many entries as before mean that it is full. */
  keep(count: number): void {
    const open = this.#open;
    invariant(open !== undefined && count >= open.count, `a merge made ${count} entries of a batch that had more`);
    if (count > open.count) open.count = count;
    else this.#close();
  }

  #close(): void {
    if (this.#open !== undefined) this.#full.push(this.#open);
    this.#open = undefined;
  }

  /** Hands out what is held, in order; each batch is the caller's until it asks for the next one. */
  *take(): Generator<Batch, void, undefined> {
    this.#close();
    for (let next = this.#full.shift(); next !== undefined; next = this.#full.shift()) {
      const { bytes, offsets } = next.memory;
      if (next.count > 0) yield { bytes, offsets, count: next.count };
      // Memory that grew for one large entry goes back to the collector.
      if (bytes.length === this.#batchBytes) this.#spare.push(next.memory);
    }
  }
}
