import { describe, expect, it } from 'vitest';
import {
  type Batch,
  iterateBatch,
  type NativeMerge,
  type NativeMergeOptions,
  type NativeSstOptions,
  native,
} from '#src/native/index.js';
import { codeOf, rowsBatch } from './kv.js';

const OPTIONS: NativeSstOptions = {
  compression: 'snappy',
  level: 0,
  blockBytes: 1024,
  restartInterval: 16,
  targetFileBytes: 1 << 20,
  rowBoundary: 'key',
  clearValueChecksums: false,
};

const MERGE: NativeMergeOptions = {
  startKey: new Uint8Array(),
  endKey: new Uint8Array(),
  asOf: null,
  after: null,
  mode: 'latest',
  dropTombstones: true,
  rewrites: [],
  rewriteTimestamp: null,
  checksums: 'keep',
  verifyChecksums: false,
};

/** A whole file, written through parts of `partBytes`. */
function writeFile(batch: Batch, partBytes: number): Buffer {
  const writer = native.newSstWriter(OPTIONS);
  const parts: Buffer[] = [];
  const keep = (out: Uint8Array, end: number) => parts.push(Buffer.from(out.slice(0, end)));
  for (let from = 0; from < batch.count; ) {
    const out = new Uint8Array(partBytes);
    const step = writer.write(batch.bytes, batch.offsets, batch.count, from, out, 0);
    keep(out, step.outPos);
    from = step.next;
    expect(step.reason).not.toBe('cut');
  }
  for (let done = false; !done; ) {
    const out = new Uint8Array(partBytes);
    const step = writer.finish(out, 0);
    keep(out, step.outPos);
    done = step.done;
  }
  const file = Buffer.concat(parts);
  expect(writer.facts()).toMatchObject({ entries: batch.count, fileBytes: file.length });
  expect(codeOf(() => writer.finish(new Uint8Array(10), 0))).toBe('SV_USAGE');
  return file;
}

/** Feeds what a merge needs from files in memory, and gives the user keys and walls that come out. */
function run(merge: NativeMerge, files: readonly Buffer[]): string[] {
  const bytes = new Uint8Array(4096);
  const offsets = new Uint32Array(101);
  const found: string[] = [];
  for (;;) {
    const step = merge.next(bytes, offsets);
    if (step.kind === 'done') return found;
    if (step.kind === 'grow') throw new Error('no entry is so large');
    if (step.kind === 'need') {
      for (const { file, offset, length } of step.needs) {
        merge.feed(file, offset, files[file]!.subarray(offset, offset + length));
      }
      continue;
    }
    if (step.kind === 'failed') throw new Error('no file of this machine was added');
    for (const { key } of iterateBatch({ bytes, offsets, count: step.count })) {
      found.push(`${Buffer.from(key.subarray(0, -10))}@${key.at(-2)}`);
    }
  }
}

describe('SSTs through the binding', () => {
  it('are the same whatever the size of the parts, and are described', () => {
    const batch = rowsBatch('k', 500, 3n);
    const file = writeFile(batch, 700);
    expect(writeFile(batch, 1 << 20).equals(file)).toBe(true);
    const report = native.describeSst('one.sst', file);
    expect(report).toMatchObject({ entries: 500, compression: ['snappy'], minTimestamp: { wall: 3n, logical: 0 } });
    expect(Buffer.from(report.lastKey).toString()).toBe('k00499');
    const damaged = Buffer.from(file);
    damaged[100]! ^= 1;
    expect(codeOf(() => native.describeSst('one.sst', damaged))).toBe('SV_CORRUPT_SST');
    expect(codeOf(() => native.describeSst('one.sst', new Uint8Array()))).toBe('SV_CORRUPT_SST');
  });

  it('are merged, the newest version first', () => {
    const files = [writeFile(rowsBatch('k', 300, 3n), 4096), writeFile(rowsBatch('k', 200, 5n), 4096)];
    const merge = native.newMerge(MERGE);
    for (const [layer, file] of files.entries()) {
      const none = new Uint8Array();
      const rest = { elidedPrefix: none, startKey: none, endKey: none, endInclusive: false };
      expect(merge.addFile({ name: `${layer}.sst`, fileBytes: file.length, layer, ...rest })).toBe(layer);
    }
    const name = (row: number) => `k${String(row).padStart(5, '0')}@${row < 200 ? 5 : 3}`;
    expect(run(merge, files)).toEqual(Array.from({ length: 300 }, (_, row) => name(row)));
    expect(merge.facts()).toMatchObject({ entriesRead: 500, entriesEmitted: 300 });
    expect(codeOf(() => merge.feed(7, 0, new Uint8Array(1)))).toBe('SV_USAGE');
    merge.close();
    merge.close();
    native.releaseFreeMemory();
    for (const call of [() => merge.facts(), () => merge.feed(0, 0, new Uint8Array(1))])
      expect(codeOf(call)).toBe('SV_USAGE');
  });

  it('refuse wrong options and memory that is used twice', () => {
    expect(codeOf(() => native.newSstWriter({ ...OPTIONS, blockBytes: 1.5 }))).toBe('SV_USAGE');
    expect(codeOf(() => native.newSstWriter({ ...OPTIONS, rowBoundary: 'row' as 'sql' }))).toBe('SV_USAGE');
    expect(codeOf(() => native.newMerge({ ...MERGE, mode: 'none' as 'all' }))).toBe('SV_USAGE');
    const { bytes, offsets, count } = rowsBatch('k', 3);
    const writer = native.newSstWriter(OPTIONS);
    expect(codeOf(() => writer.write(bytes, offsets, count, 0, bytes, 0))).toBe('SV_USAGE');
    expect(codeOf(() => writer.write(bytes, offsets, count, 4, new Uint8Array(10), 0))).toBe('SV_USAGE');
    expect(codeOf(() => native.newSstWriter(OPTIONS).facts())).toBe('SV_USAGE');
  });
});
