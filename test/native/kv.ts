import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeEngineKey, type Timestamp } from '#src/keys/index.js';
import { allocateBatch, type Batch, iterateBatch, type NativeScan, native, packBatch } from '#src/native/index.js';

export const MAP_BYTES = 2 ** 30;
export const FOREVER: Timestamp = { wall: 2n ** 62n, logical: 0 };

/** Runs with an open store in a directory of its own. */
export async function withStore<T>(use: (store: number, directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'spanvault-native-'));
  try {
    const store = native.openStore(directory, MAP_BYTES);
    try {
      return await use(store, directory);
    } finally {
      native.closeStore(store);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Rows `prefix00000 → value`, sorted. */
export function rowsBatch(prefix: string, count: number, wall = 1n, valueBytes = 20): Batch {
  // The checksum of a value comes first; 0 means that there is none.
  const value = new Uint8Array(valueBytes).fill(7).fill(0, 0, 4);
  return packBatch(
    Array.from({ length: count }, (_, row) => ({
      key: encodeEngineKey(Buffer.from(`${prefix}${String(row).padStart(5, '0')}`), { wall, logical: 0 }),
      value,
    })),
  );
}

export function ingest(store: number, batch: Batch): void {
  native.storeIngest(store, batch.bytes, batch.offsets, batch.count);
}

export function scanAll(store: number, mode: 'latest' | 'all' = 'latest'): NativeScan {
  return native.storeScan(store, {
    startKey: new Uint8Array(),
    endKey: Uint8Array.of(0xff, 0xff),
    asOf: FOREVER,
    after: null,
    mode,
    dropTombstones: true,
  });
}

/** Number of entries of a scan, which is closed. */
export function drain(scan: NativeScan): number {
  const { bytes, offsets } = allocateBatch(1 << 16, 1000);
  let total = 0;
  for (;;) {
    const step = scan.next(bytes, offsets);
    if (step.kind === 'done') break;
    if (step.kind === 'grow') throw new Error(`an entry needs ${step.bytes} bytes`);
    for (const { key, value } of iterateBatch({ bytes, offsets, count: step.count })) {
      if (key.length < 10 || value.length === 0) throw new Error('a strange entry');
      total++;
    }
  }
  scan.close();
  return total;
}

/** The code of what `call` throws. */
export function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
  return 'nothing was thrown';
}
