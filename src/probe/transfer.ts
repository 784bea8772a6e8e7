import { randomUUID } from 'node:crypto';
import { isSpanvaultError, throwIfAborted } from '../fault/index.js';
import { type ExternalStorage, openStorage, type StorageConfig } from '../storage/index.js';
import { noise } from './noise.js';

/** How much is transferred. */
export interface TransferOptions {
  /** Bytes of each object. */
  readonly bytes: number;
  readonly concurrently: number;
  /** Goes on with new objects for so long; undefined: one round. */
  readonly milliseconds: number | undefined;
  readonly signal?: AbortSignal;
}

/** What came of it. Speeds are bytes per second, undefined where nothing was transferred. */
export interface TransferResult {
  readonly error: string | undefined;
  readonly transferred: number;
  readonly readSpeed: number | undefined;
  readonly writeSpeed: number | undefined;
  readonly canDelete: boolean;
}

/** Unit of upload, the same as a backup's. */
const PART_BYTES = 8 * 1024 * 1024;

interface Sums {
  written: number;
  writeSeconds: number;
  read: number;
  readSeconds: number;
}

/**
 * Writes objects under names of its own, reads them back and deletes them: CHECK EXTERNAL CONNECTION on one node. A location
 * that fails is a result, not an exception.
 * @throws SpanvaultError SV_ABORTED; other errors that are no SpanvaultError
 */
export async function transfer(config: StorageConfig, options: TransferOptions): Promise<TransferResult> {
  const { signal } = options;
  const sums: Sums = { written: 0, writeSeconds: 0, read: 0, readSeconds: 0 };
  const begin = performance.now();
  let objects = 0;
  let error: string | undefined;
  let canDelete = true;
  const storage = openStorage(config);
  const one = async (): Promise<void> => {
    const name = `spanvault-check-${randomUUID()}`;
    objects++;
    try {
      await timed(sums, 'writeSeconds', () => upload(storage, name, options.bytes, signal));
      sums.written += options.bytes;
      await timed(sums, 'readSeconds', () => download(storage, name, options.bytes, signal));
      sums.read += options.bytes;
    } finally {
      // A location that lets nobody delete is good for backups all the same (crdb-features.md 3.4).
      const [removed] = await Promise.allSettled([storage.delete(name)]);
      canDelete &&= removed.status === 'fulfilled';
    }
  };
  try {
    do {
      throwIfAborted(signal);
      const lanes = Math.max(1, options.concurrently);
      const results = await Promise.allSettled(Array.from({ length: lanes }, one));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    } while (options.milliseconds !== undefined && performance.now() - begin < options.milliseconds);
  } catch (failure) {
    if (!isSpanvaultError(failure) || failure.code === 'SV_ABORTED') throw failure;
    error = failure.message;
  } finally {
    await storage.close();
  }
  const speed = (bytes: number, seconds: number): number | undefined =>
    bytes === 0 ? undefined : bytes / Math.max(seconds / Math.max(1, options.concurrently), 1e-6);
  return {
    error,
    transferred: sums.read,
    readSpeed: speed(sums.read, sums.readSeconds),
    writeSpeed: speed(sums.written, sums.writeSeconds),
    canDelete: canDelete && objects > 0,
  };
}

async function timed(sums: Sums, key: 'writeSeconds' | 'readSeconds', work: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  await work();
  sums[key] += (performance.now() - begin) / 1000;
}

/** Writes an object of noise in parts. */
export async function upload(
  storage: ExternalStorage,
  name: string,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const part = noise(Math.min(bytes, PART_BYTES));
  const writer = await storage.create(name, signal === undefined ? {} : { signal });
  try {
    for (let left = bytes; left > 0; left -= part.length)
      await writer.write(part.subarray(0, Math.min(left, part.length)));
    await writer.finish(bytes);
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Reads an object in pieces of a part's size and lets them go. */
export async function download(
  storage: ExternalStorage,
  name: string,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let offset = 0; offset < bytes; offset += PART_BYTES) {
    await storage.read(name, { offset, length: PART_BYTES, ...(signal === undefined ? {} : { signal }) });
  }
}
