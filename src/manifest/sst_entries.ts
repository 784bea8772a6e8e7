import { SpanvaultError, invariant, throwIfAborted } from '../fault/index.js';
import { compareMvccKeys, decodeEngineKey } from '../keys/index.js';
import { native } from '../native/index.js';
import type { ExternalStorage } from '../storage/index.js';

/** One entry of a small metadata SST. */
export interface SstEntry {
  /** Engine key (crdb-format.md 4.1). */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

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
      const batch = packBatch(sorted, from);
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

function packBatch(
  entries: readonly SstEntry[],
  from: number,
): { readonly bytes: Uint8Array; readonly offsets: Uint32Array; readonly count: number } {
  let to = from;
  let size = 0;
  while (to < entries.length && to - from < BATCH_ENTRIES && (to === from || size < BATCH_BYTES)) {
    size += entries[to]!.key.length + entries[to]!.value.length;
    to++;
  }
  const bytes = new Uint8Array(size);
  const offsets = new Uint32Array(2 * (to - from) + 1);
  let at = 0;
  for (let index = from; index < to; index++) {
    const { key, value } = entries[index]!;
    offsets[2 * (index - from)] = at;
    bytes.set(key, at);
    at += key.length;
    offsets[2 * (index - from) + 1] = at;
    bytes.set(value, at);
    at += value.length;
  }
  offsets[2 * (to - from)] = at;
  return { bytes, offsets, count: to - from };
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
  let bytes = new Uint8Array(BATCH_BYTES);
  const offsets = new Uint32Array(2 * BATCH_ENTRIES + 1);
  for (;;) {
    throwIfAborted(signal);
    const step = merge.next(bytes, offsets);
    if (step.kind === 'done') return;
    if (step.kind === 'grow') {
      if (step.bytes > fileBytes * 256 + BATCH_BYTES)
        throw new SpanvaultError('SV_CORRUPT_SST', `${shown} claims an entry of ${step.bytes} bytes`);
      bytes = new Uint8Array(step.bytes);
    } else if (step.kind === 'need') {
      for (const { file, offset, length } of step.needs) {
        merge.feed(
          file,
          offset,
          (await storage.read(name, { offset, length, ...(signal === undefined ? {} : { signal }) })).bytes,
        );
      }
    } else {
      for (let index = 0; index < step.count; index++) {
        const [start, middle, end] = [offsets[2 * index]!, offsets[2 * index + 1]!, offsets[2 * index + 2]!];
        // Copies: the buffers are filled again by the next call.
        yield { key: bytes.slice(start, middle), value: bytes.slice(middle, end) };
      }
    }
  }
}
