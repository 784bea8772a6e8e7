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

/** Entries of an SST in order, fetched in windows; every block is checked. @throws SpanvaultError SV_CORRUPT_SST, SV_STORAGE_NOT_FOUND */
export async function* readSst(storage: ExternalStorage, name: string, signal?: AbortSignal): AsyncGenerator<SstEntry> {
  const fileBytes = await storage.size(name);
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
  });
  let memory = allocateBatch(BATCH_BYTES, BATCH_ENTRIES);
  for (;;) {
    throwIfAborted(signal);
    const step = merge.next(memory.bytes, memory.offsets);
    if (step.kind === 'done') return;
    if (step.kind === 'grow') {
      if (step.bytes > fileBytes * 256 + BATCH_BYTES)
        throw new SpanvaultError('SV_CORRUPT_SST', `${shown} claims an entry of ${step.bytes} bytes`);
      memory = allocateBatch(step.bytes, BATCH_ENTRIES);
    } else if (step.kind === 'need') {
      for (const { file, offset, length } of step.needs) {
        merge.feed(
          file,
          offset,
          (await storage.read(name, { offset, length, ...(signal === undefined ? {} : { signal }) })).bytes,
        );
      }
    } else {
      // Copies: the memory is filled again by the next call.
      for (const { key, value } of iterateBatch(filledBatch(memory, step.count)))
        yield { key: key.slice(), value: value.slice() };
    }
  }
}
