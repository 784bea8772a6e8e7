import { encodeEngineKey } from '#src/keys/index.js';
import type { Batch } from '#src/native/index.js';

export const BATCH_BYTES = 1024 * 1024;
const USER_KEY_BYTES = 16;
const PHRASES = 64;
const PHRASE_BYTES = 16;

/** Equal seeds give equal bytes (xorshift; of a quality that no codec sees through). */
class Noise {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.next() >>> 24;
  }
}

/** Records in engine-key order as packed batches. */
export interface Records {
  readonly batches: readonly Batch[];
  readonly entries: number;
  /** Engine keys and values. */
  readonly bytes: number;
}

/**
 * Rows of an SQL table: `/Table/104/1/<k INT8>/<one letter>/0`, 16 bytes of user key, 26 of engine key; values are a cleared
 * checksum and a tag, then bytes of which half is noise and half repeats one of 64 phrases.
 */
export function makeRecords(bytes: number, valueBytes: number): Records {
  const noise = new Noise(valueBytes);
  const phrases = Array.from({ length: PHRASES }, () => new Uint8Array(PHRASE_BYTES));
  for (const phrase of phrases) noise.fill(phrase);
  const value = new Uint8Array(valueBytes);
  const user = Uint8Array.from([0xf0, 0x89, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x61, 0, 1, 0x88]);
  const room = new DataView(user.buffer);
  const entryBytes = USER_KEY_BYTES + 10 + valueBytes;
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / entryBytes));
  const batches: Batch[] = [];
  let counter = 0;
  for (let made = 0; made < bytes; made += perBatch * entryBytes) {
    const packed = new Uint8Array(perBatch * entryBytes);
    const offsets = new Uint32Array(2 * perBatch + 1);
    for (let i = 0; i < perBatch; i++) {
      counter += 1 + (noise.next() & 0xfff);
      room.setUint32(7, counter);
      user[12] = 0x61 + (noise.next() & 15);
      const key = encodeEngineKey(user, { wall: 1_700_000_000_000_000_000n + BigInt(counter), logical: 0 });
      noise.fill(value.subarray(0, valueBytes / 2));
      const phrase = phrases[noise.next() & (PHRASES - 1)]!;
      for (let at = valueBytes >> 1; at < valueBytes; at++) value[at] = phrase[at % PHRASE_BYTES]!;
      value.set([0, 0, 0, 0, 3]);
      packed.set(key, i * entryBytes);
      packed.set(value, i * entryBytes + key.length);
      offsets[2 * i + 1] = i * entryBytes + key.length;
      offsets[2 * i + 2] = (i + 1) * entryBytes;
    }
    batches.push({ bytes: packed, offsets, count: perBatch });
  }
  const entries = batches.length * perBatch;
  return { batches, entries, bytes: entries * entryBytes };
}

/** The records in the file format of the peers: u32le key length, u32le value length, key, value. */
export function peerFile(records: Records): Uint8Array {
  const out = new Uint8Array(records.bytes + 8 * records.entries);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const { bytes, offsets, count } of records.batches) {
    for (let i = 0; i < count; i++) {
      const [key, value, end] = [offsets[2 * i]!, offsets[2 * i + 1]!, offsets[2 * i + 2]!];
      view.setUint32(at, value - key, true);
      view.setUint32(at + 4, end - value, true);
      out.set(bytes.subarray(key, end), at + 8);
      at += 8 + end - key;
    }
  }
  return out;
}
