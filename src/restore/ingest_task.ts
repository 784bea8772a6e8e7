import type { RangeWriter, WorkerHalf } from '../cluster/contract.js';
import type { TaskContext } from '../executor/index.js';
import { invariant, SpanvaultError } from '../fault/index.js';
import type { Span, Timestamp } from '../keys/index.js';
import { type MergeFacts, type NativeMerge, native } from '../native/index.js';
import { type ExternalStorage, openStorage, type StorageConfig } from '../storage/index.js';

/** One input file of a unit as it crosses to a worker thread. */
export interface IngestFile {
  /** Index into `stores`. */
  readonly store: number;
  readonly path: string;
  readonly layer: number;
  readonly elidedPrefix: Uint8Array;
  readonly span: Span;
  readonly endInclusive: boolean;
}

/** One work unit of a restore. */
export interface IngestTaskArgs {
  /** Where merged batches go; null reads and checks everything and discards it. */
  readonly writer: WorkerHalf | RangeWriter | null;
  readonly stores: readonly StorageConfig[];
  readonly files: readonly IngestFile[];
  readonly span: Span;
  readonly asOf: Timestamp;
  /** Flat list: old prefix, new prefix, …; empty keeps every key. */
  readonly rewrites: readonly Uint8Array[];
  readonly writeTime: Timestamp | null;
  readonly batchBytes: number;
}

export interface IngestTaskResult {
  readonly facts: MergeFacts;
  readonly bytesRead: number;
  readonly readSeconds: number;
  readonly mergeSeconds: number;
  readonly writeSeconds: number;
}

/** Bytes of a file that are read first: the footer, the index and the properties of most files, and the whole of small ones. */
const TAIL_BYTES = 64 * 1024;
/** Room for entries of a full batch of small rows; a batch ends at whichever limit comes first. */
const BYTES_PER_ENTRY_MIN = 24;

/** Reads, merges and writes one unit: memory is the merge's windows and one batch. */
export async function ingestTask(args: IngestTaskArgs, context: TaskContext): Promise<IngestTaskResult> {
  const stores = args.stores.map((config) => openStorage(config));
  const writer = args.writer === null ? undefined : await openWriter(args.writer);
  const timings = { readSeconds: 0, mergeSeconds: 0, writeSeconds: 0 };
  try {
    const merge = native.newMerge({
      startKey: args.span.key,
      endKey: args.span.endKey,
      asOf: args.asOf,
      after: null,
      mode: 'latest',
      dropTombstones: true,
      rewrites: args.rewrites,
      rewriteTimestamp: args.writeTime,
      checksums: args.writeTime === null ? 'keep' : 'compute',
      verifyChecksums: true,
    });
    const reader = new UnitReader(args.files, stores, context.signal);
    await timed(timings, 'readSeconds', () => reader.addFiles(merge));
    let bytes = new Uint8Array(args.batchBytes);
    const offsets = new Uint32Array(2 * Math.ceil(args.batchBytes / BYTES_PER_ENTRY_MIN) + 1);
    let told = 0;
    for (;;) {
      context.throwIfCancelled();
      const begin = performance.now();
      const step = merge.next(bytes, offsets);
      timings.mergeSeconds += (performance.now() - begin) / 1000;
      if (step.kind === 'done') break;
      if (step.kind === 'need') {
        await timed(timings, 'readSeconds', () => reader.feed(merge, step.needs));
      } else if (step.kind === 'grow') {
        invariant(step.bytes > bytes.length, `the merge asked for ${step.bytes} bytes and has ${bytes.length}`);
        bytes = new Uint8Array(step.bytes);
      } else {
        if (step.count > 0)
          await timed(timings, 'writeSeconds', async () => writer?.write({ bytes, offsets, count: step.count }));
        // Key and value bytes without versions, as manifests and results count them.
        const { bytesEmitted } = merge.facts();
        context.progress(bytesEmitted - told, step.count);
        told = bytesEmitted;
      }
    }
    await timed(timings, 'writeSeconds', async () => writer?.flush());
    return { facts: merge.facts(), bytesRead: reader.bytesRead, ...timings };
  } finally {
    if (args.writer !== null && 'module' in args.writer) await writer?.close();
    await Promise.all(stores.map((store) => store.close()));
  }
}

async function timed<K extends string>(sums: Record<K, number>, name: K, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await work();
  sums[name] += (performance.now() - begin) / 1000;
}

async function openWriter(half: WorkerHalf | RangeWriter): Promise<RangeWriter> {
  if (!('module' in half)) return half;
  const loaded = (await import(half.module)) as { openWriter?: (data: unknown) => RangeWriter | Promise<RangeWriter> };
  if (loaded.openWriter === undefined) {
    throw new SpanvaultError('SV_SINK', `module ${half.module} of the range sink has no export openWriter`);
  }
  return loaded.openWriter(half.data);
}

/** Fetches what the merge asks for. */
class UnitReader {
  readonly #files: readonly IngestFile[];
  readonly #stores: readonly ExternalStorage[];
  readonly #signal: AbortSignal;
  readonly #tails: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  bytesRead = 0;

  constructor(files: readonly IngestFile[], stores: readonly ExternalStorage[], signal: AbortSignal) {
    this.#files = files;
    this.#stores = stores;
    this.#signal = signal;
  }

  /** One read per file: its tail, which also tells its size; kept until the merge asks for it. */
  async addFiles(merge: NativeMerge): Promise<void> {
    for (const file of this.#files) {
      const storage = this.#stores[file.store]!;
      const { bytes, totalBytes } = await storage.read(file.path, { offset: -TAIL_BYTES, signal: this.#signal });
      this.bytesRead += bytes.length;
      this.#tails.push({ bytes, offset: totalBytes - bytes.length });
      merge.addFile({
        name: `${storage.display}/${file.path}`,
        fileBytes: totalBytes,
        layer: file.layer,
        elidedPrefix: file.elidedPrefix,
        startKey: file.span.key,
        endKey: file.span.endKey,
        endInclusive: file.endInclusive,
      });
    }
  }

  async feed(
    merge: NativeMerge,
    needs: readonly { readonly file: number; readonly offset: number; readonly length: number }[],
  ): Promise<void> {
    await Promise.all(
      needs.map(async ({ file, offset, length }) => {
        const tail = this.#tails[file]!;
        if (offset >= tail.offset && offset + length <= tail.offset + tail.bytes.length) {
          merge.feed(file, offset, tail.bytes.subarray(offset - tail.offset, offset - tail.offset + length));
          return;
        }
        const { store, path } = this.#files[file]!;
        const storage = this.#stores[store]!;
        const { bytes } = await storage.read(path, { offset, length, signal: this.#signal });
        if (bytes.length !== length) {
          throw new SpanvaultError(
            'SV_CORRUPT_SST',
            `${storage.display}/${path} ended after ${offset + bytes.length} bytes, ${offset + length} were expected`,
          );
        }
        this.bytesRead += bytes.length;
        merge.feed(file, offset, bytes);
      }),
    );
  }
}
