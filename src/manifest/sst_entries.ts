import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { compareMvccKeys, decodeEngineKey } from '../keys/index.js';
import { allocateBatch, type BatchEntry, filledBatch, iterateBatch, native, packBatch } from '../native/index.js';
import type { ExternalStorage } from '../storage/index.js';

/** One entry of a small metadata SST: an engine key (crdb-format.md 4.1) and bytes. */
export type SstEntry = BatchEntry;

/** Entries packed per native call, and the memory that they share. */
const BATCH_ENTRIES = 4096;
const BATCH_BYTES = 1024 * 1024;
const PART_BYTES = 1024 * 1024;
/** Bytes of an SST that are read first: all of most lists, and of the others the end that opening them takes. */
export const LIST_TAIL_BYTES = 64 * 1024;
/** Memory for entries by bytes of the file: lists compress to a third or less; what is too little is filled again. */
const ENTRY_BYTES_PER_FILE_BYTE = 4;
const MEMORY_BYTES_MIN = 4096;
/** Room of an entry of a list, about; at least that of a file's name, span and counts. */
const BYTES_PER_ENTRY = 64;

/** Writes entries, in any order, as one SST. */
export async function writeSst(storage: ExternalStorage, name: string, entries: readonly SstEntry[]): Promise<void> {
  const sorted = entries
    .map((entry) => ({ entry, at: decodeEngineKey(entry.key) }))
    .sort((a, b) => compareMvccKeys(a.at, b.at))
    .map(({ entry }) => entry);
  const sst = native.newSstWriter({
    compression: 'snappy',
    level: 1,
    blockBytes: 128 * 1024,
    restartInterval: 16,
    targetFileBytes: 2 ** 40,
    rowBoundary: 'key',
    clearValueChecksums: false,
  });
  const object = await storage.create(name);
  const part = new Uint8Array(PART_BYTES);
  let filled = 0;
  let total = 0;
  const send = async (): Promise<void> => {
    if (filled > 0) await object.write(part.subarray(0, filled));
    total += filled;
    filled = 0;
  };
  try {
    for (let from = 0; from < sorted.length; ) {
      const batch = packBatch(sorted.slice(from, batchEnd(sorted, from)));
      for (let next = 0; next < batch.count; ) {
        const progress = sst.write(batch.bytes, batch.offsets, batch.count, next, part, filled);
        next = progress.next;
        filled = progress.outPos;
        invariant(progress.reason !== 'cut', `${name} was cut although it has no target size`);
        if (progress.reason === 'out') await send();
      }
      from += batch.count;
    }
    for (let done = false; !done; ) {
      const step = sst.finish(part, filled);
      filled = step.outPos;
      done = step.done;
      await send();
    }
    await object.finish(total);
  } catch (error) {
    await object.abort();
    throw error;
  }
}

/** How many entries from `from` on fit one call. */
function batchEnd(entries: readonly SstEntry[], from: number): number {
  let size = 0;
  let to = from;
  while (to < entries.length && to - from < BATCH_ENTRIES && size < BATCH_BYTES) {
    size += entries[to]!.key.length + entries[to]!.value.length;
    to++;
  }
  return to;
}

/**
 * Entries of an SST in order; every block is checked. A small file takes one read, a larger one is fetched in windows.
 * @throws SpanvaultError SV_CORRUPT_SST, SV_STORAGE_NOT_FOUND
 */
export async function* readSst(storage: ExternalStorage, name: string, signal?: AbortSignal): AsyncGenerator<SstEntry> {
  const own = signal === undefined ? {} : { signal };
  const { bytes: tail, totalBytes: fileBytes } = await storage.read(name, { offset: -LIST_TAIL_BYTES, ...own });
  const tailOffset = fileBytes - tail.length;
  const nothing = new Uint8Array(0);
  const merge = native.newMerge({
    startKey: nothing,
    endKey: nothing,
    asOf: null,
    after: null,
    mode: 'all',
    dropTombstones: false,
    rewrites: [],
    rewriteTimestamp: null,
    checksums: 'keep',
    verifyChecksums: false,
  });
  const shown = `${storage.display}/${name}`;
  merge.addFile({
    name: shown,
    fileBytes,
    layer: 0,
    elidedPrefix: nothing,
    startKey: nothing,
    endKey: nothing,
    endInclusive: false,
    remote: storage.remote === true,
  });
  const memoryBytes = Math.min(BATCH_BYTES, Math.max(MEMORY_BYTES_MIN, ENTRY_BYTES_PER_FILE_BYTE * fileBytes));
  const entries = Math.min(BATCH_ENTRIES, Math.ceil(memoryBytes / BYTES_PER_ENTRY));
  let memory = allocateBatch(memoryBytes, entries);
  try {
    for (;;) {
      throwIfAborted(signal);
      const step = merge.next(memory.bytes, memory.offsets);
      if (step.kind === 'done') return;
      if (step.kind === 'grow') {
        if (step.bytes > fileBytes * 256 + BATCH_BYTES)
          throw new SpanvaultError('SV_CORRUPT_SST', `${shown} claims an entry of ${step.bytes} bytes`);
        memory = allocateBatch(step.bytes, entries);
      } else if (step.kind === 'need') {
        for (const { file, offset, length, again } of step.needs) {
          const at = offset - tailOffset;
          const held = !again && at >= 0 && at + length <= tail.length;
          const bytes = held
            ? tail.subarray(at, at + length)
            : (await storage.read(name, { offset, length, again, ...own })).bytes;
          merge.feed(file, offset, bytes);
        }
      } else {
        invariant(step.kind === 'batch', `${shown} is none of this machine's files`);
        // Copies: the memory is filled again by the next call.
        for (const { key, value } of iterateBatch(filledBatch(memory, step.count)))
          yield { key: key.slice(), value: value.slice() };
      }
    }
  } finally {
    merge.close();
  }
}
