import type { RangeWriter, WorkerHalf } from '../cluster/contract.js';
import type { TaskContext } from '../executor/index.js';
import { SpanvaultError } from '../fault/index.js';
import type { Span, Timestamp } from '../keys/index.js';
import { type MergeFacts, native } from '../native/index.js';
import { type BucketUsage, measureStorage, openStorage, type StorageConfig } from '../storage/index.js';
import { batchRoom, HeldBatches } from './held_batches.js';
import { type IngestFile, WINDOW_MEMORY, WindowReader, windowBudgetOf } from './window_reader.js';

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
  /** Prefixes, after rewriting, of primary indexes whose id is not 1. */
  readonly primaries: readonly Uint8Array[];
  readonly writeTime: Timestamp | null;
  readonly batchBytes: number;
  /** Bytes of merged batches that are kept until the unit's turn to write; at least one batch. */
  readonly holdBytes: number;
}

export interface IngestTaskResult {
  readonly facts: MergeFacts;
  readonly bytesRead: number;
  readonly readSeconds: number;
  readonly mergeSeconds: number;
  readonly writeSeconds: number;
  /** What was asked of the unit's buckets. */
  readonly usage: readonly BucketUsage[];
}

/** Reads, merges and writes one unit: memory is the merge's windows and the batches that are held. */
export function ingestTask(args: IngestTaskArgs, context: TaskContext): Promise<IngestTaskResult> {
  return measureStorage(async (ledger) => ({ ...(await ingestUnit(args, context)), usage: ledger.usages() }));
}

async function ingestUnit(args: IngestTaskArgs, context: TaskContext): Promise<Omit<IngestTaskResult, 'usage'>> {
  const stores = args.stores.map((config) => openStorage(config));
  const writer = args.writer === null ? undefined : await openWriter(args.writer);
  const timings = { readSeconds: 0, mergeSeconds: 0, writeSeconds: 0 };
  const merge = native.newMerge({
    startKey: args.span.key,
    endKey: args.span.endKey,
    asOf: args.asOf,
    after: null,
    mode: 'latest',
    dropTombstones: true,
    rewrites: args.rewrites,
    primaries: args.primaries,
    rewriteTimestamp: args.writeTime,
    checksums: args.writeTime === null ? 'keep' : 'compute',
    verifyChecksums: true,
    ...windowBudgetOf(stores),
  });
  try {
    const reader = new WindowReader(merge, args.files, stores, context.signal, context.spare('windows', WINDOW_MEMORY));
    await timed(timings, 'readSeconds', () => reader.addFiles());
    const held = new HeldBatches(
      args.batchBytes,
      args.holdBytes,
      context.spare('batches', batchRoom(args.batchBytes, args.holdBytes)),
    );
    let told = 0;
    /** Merges until nothing is left or no more can be held; true at the end. */
    const fill = async (): Promise<boolean> => {
      for (;;) {
        context.throwIfCancelled();
        const room = held.room();
        if (room === undefined) return false;
        const begin = performance.now();
        const step = merge.next(room.bytes, room.offsets, room.count);
        timings.mergeSeconds += (performance.now() - begin) / 1000;
        if (step.kind === 'done') return true;
        if (step.kind === 'need') {
          // Windows are named ahead of need: reading goes on while the merge does, until it is blocked.
          if (!reader.start(step.needs)) await timed(timings, 'readSeconds', () => reader.settle());
        } else if (step.kind === 'failed') {
          throw reader.failureOf(step.file, step.fault);
        } else if (step.kind === 'grow') {
          held.grow(step.bytes);
        } else {
          held.keep(step.count);
          // Key and value bytes without versions, as manifests and results count them.
          const { bytesEmitted } = merge.facts();
          context.progress(bytesEmitted - told, step.count - room.count);
          told = bytesEmitted;
        }
      }
    };
    const put = (): Promise<void> =>
      timed(timings, 'writeSeconds', async () => {
        for (const batch of held.take()) {
          context.throwIfCancelled();
          await writer?.write(batch);
        }
      });
    // Units are merged side by side and put down in key order: a store that grows at its end takes them twice as fast as one
    // that is filled in its middle. A unit that is larger than what may be held waits for its turn and goes on from there.
    let complete = await fill();
    await context.inOrder(async () => {
      for (await put(); !complete; await put()) complete = await fill();
      await timed(timings, 'writeSeconds', async () => writer?.flush());
    });
    // What the merge read itself took its time.
    const localSeconds = reader.countLocal();
    timings.readSeconds += localSeconds;
    timings.mergeSeconds -= localSeconds;
    return { facts: merge.facts(), bytesRead: reader.bytesRead, ...timings };
  } finally {
    merge.close();
    // Buffers of hundreds of small files, read on several threads, leave heaps of holes.
    native.releaseFreeMemory();
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
