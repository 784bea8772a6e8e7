import { randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { openScanner } from '#src/cluster/embedded/scan_worker.js';
import { EMPTY_TIMESTAMP, MAX_TIMESTAMP, type Span } from '#src/keys/index.js';
import type { Batch, NativeSstOptions } from '#src/native/index.js';
import { openStorage, type StorageConfig } from '#src/storage/index.js';
import { encodeBatches, PART_BYTES } from './encode_batches.js';
import { BATCH_BYTES } from './records.js';

/** Files to put, as a backup's worker does. */
export interface PutWork {
  readonly storage: StorageConfig;
  readonly names: readonly string[];
  readonly fileBytes: number;
}

/** What a thread is told to do for one round. */
export type ThreadWork = 'encode' | 'scan' | PutWork;

/** What one thread of the encode-only and scan-only runs gets: the same rows that the backup exports. */
export interface EncodeWorkerData {
  readonly store: { readonly directory: string; readonly mapBytes: number };
  readonly span: Span;
  readonly sst: NativeSstOptions;
  /** Rows held in memory and encoded again and again. */
  readonly heldBytes: number;
  /** Key and value bytes to encode, at least. */
  readonly totalBytes: number;
}

/** Bytes of a version in an engine key without a logical part: figures count user keys. */
const VERSION_BYTES = 10;

/** Reads batches until `heldBytes` are in memory. */
async function hold({ store, span, heldBytes }: EncodeWorkerData): Promise<Batch[]> {
  const scanner = openScanner(store);
  const scan = scanner.open({ span, startTime: EMPTY_TIMESTAMP, endTime: MAX_TIMESTAMP, allRevisions: false });
  const batches: Batch[] = [];
  for (let held = 0; held < heldBytes; ) {
    const bytes = new Uint8Array(BATCH_BYTES);
    const offsets = new Uint32Array(2 * 64 * 1024 + 1);
    const fill = await scan.next(bytes, offsets);
    if (fill.kind !== 'batch') break;
    if (fill.count > 0) batches.push({ bytes, offsets, count: fill.count });
    held += fill.bytesUsed;
  }
  scan.close();
  await scanner.close();
  return batches;
}

/** Encodes files of all held batches until enough is done; the bytes of keys and values encoded. */
function encode(batches: readonly Batch[], { sst, totalBytes }: EncodeWorkerData, part: Uint8Array): number {
  let bytes = 0;
  while (bytes < totalBytes) bytes += encodeBatches(batches, sst, part).dataBytes;
  return bytes;
}

/** Scans the whole span into one batch that is overwritten, as a task of a backup does; the bytes of keys and values visited. */
async function scanAll({ store, span }: EncodeWorkerData): Promise<number> {
  const scanner = openScanner(store);
  const scan = scanner.open({ span, startTime: EMPTY_TIMESTAMP, endTime: MAX_TIMESTAMP, allRevisions: false });
  const [bytes, offsets] = [new Uint8Array(BATCH_BYTES), new Uint32Array(2 * 64 * 1024 + 1)];
  let [visited, entries] = [0, 0];
  for (;;) {
    const fill = await scan.next(bytes, offsets);
    if (fill.kind === 'done') break;
    if (fill.kind !== 'batch') throw new RangeError('a row of the bench does not fit into a batch');
    visited += fill.bytesUsed;
    entries += fill.count;
  }
  scan.close();
  await scanner.close();
  return visited - entries * VERSION_BYTES;
}

/** Puts files durably, two at a time as a backup's worker, in parts as large as the storage likes them; their bytes. */
async function put({ storage: config, names, fileBytes }: PutWork): Promise<number> {
  const storage = openStorage(config);
  const part = randomBytes(Math.min(PART_BYTES, storage.partBytesMost ?? PART_BYTES));
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < names.length) {
      const object = await storage.create(names[next++]!);
      for (let left = fileBytes; left > 0; left -= part.length) await object.write(part.subarray(0, left));
      await object.finish(fileBytes);
    }
  };
  await Promise.all([lane(), lane()]);
  await storage.close();
  return names.length * fileBytes;
}

const port = parentPort;
if (port !== null) {
  const data = workerData as EncodeWorkerData;
  const batches = await hold(data);
  const part = new Uint8Array(PART_BYTES);
  port.on('message', async (work: ThreadWork) => {
    const bytes =
      typeof work === 'object'
        ? await put(work)
        : work === 'encode'
          ? encode(batches, data, part)
          : await scanAll(data);
    port.postMessage({ bytes });
  });
  port.postMessage({ ready: true });
}
