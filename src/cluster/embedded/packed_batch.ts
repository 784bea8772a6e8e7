import { encodeVersion, type Timestamp } from '../../keys/index.js';
import type { Batch } from '../../native/contract.js';

const INITIAL_BYTES = 64 * 1024;

/** Collects versions of one timestamp into a packed batch (native/contract.ts Batch); memory is reused after `reset`. */
export class PackedBatch {
  /** `00 ‖ version ‖ length`, the engine key's tail. */
  readonly #suffix: Uint8Array;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #offsets = new Uint32Array(1025);
  #length = 0;
  #count = 0;

  constructor(timestamp: Timestamp) {
    const version = encodeVersion(timestamp);
    this.#suffix = Uint8Array.of(0, ...version, version.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of keys and values so far. */
  get byteLength(): number {
    return this.#length;
  }

  /** Adds a version; an empty value is a tombstone. */
  add(key: Uint8Array, value: Uint8Array): void {
    const needed = this.#length + key.length + this.#suffix.length + value.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    if (2 * this.#count + 3 > this.#offsets.length) this.#growOffsets();
    const bytes = this.#bytes;
    let at = this.#length;
    bytes.set(key, at);
    at += key.length;
    bytes.set(this.#suffix, at);
    at += this.#suffix.length;
    this.#offsets[2 * this.#count + 1] = at;
    bytes.set(value, at);
    this.#length = at + value.length;
    this.#count++;
    this.#offsets[2 * this.#count] = this.#length;
  }

  /** Calls `visit` with every user key and the bytes of key and value; the key is a view that is valid within the call. */
  forEach(visit: (key: Uint8Array, bytes: number) => void): void {
    for (let index = 0; index < this.#count; index++) {
      const start = this.#offsets[2 * index]!;
      const keyEnd = this.#offsets[2 * index + 1]! - this.#suffix.length;
      const valueBytes = this.#offsets[2 * index + 2]! - this.#offsets[2 * index + 1]!;
      visit(this.#bytes.subarray(start, keyEnd), keyEnd - start + valueBytes);
    }
  }

  /** The batch; its memory is valid until the next add or reset. */
  batch(): Batch {
    return {
      bytes: this.#bytes.subarray(0, this.#length),
      offsets: this.#offsets.subarray(0, 2 * this.#count + 1),
      count: this.#count,
    };
  }

  reset(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }

  #growOffsets(): void {
    const offsets = new Uint32Array(2 * this.#offsets.length);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
  }
}

/** A key with the value that a commit gives it. */
export interface KeyValue {
  readonly key: Uint8Array;
  /** Empty = tombstone. */
  readonly value: Uint8Array;
}

/** The batch of a few versions of one timestamp. */
export function packPairs(pairs: readonly KeyValue[], timestamp: Timestamp): PackedBatch {
  const packed = new PackedBatch(timestamp);
  for (const { key, value } of pairs) packed.add(key, value);
  return packed;
}
