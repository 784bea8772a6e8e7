import { describe, expect, it } from 'vitest';
import { encodeEngineKey } from '#src/keys/index.js';
import { allocateBatch, native, packBatch } from '#src/native/index.js';
import { codeOf, drain, FOREVER, ingest, MAP_BYTES, rowsBatch, scanAll, withStore } from './kv.js';

/** A value of any type, for calls that TypeScript would refuse. */
function wrong<T>(value: unknown): T {
  return value as T;
}

const key = (text: string): Uint8Array => Buffer.from(text);

describe('the embedded store', () => {
  it('commits data, erasures and metadata together', () =>
    withStore((store) => {
      ingest(store, rowsBatch('a', 10));
      native.storeCommit(
        store,
        rowsBatch('b', 5),
        [{ key: key('a00002'), endKey: key('a00004') }],
        [{ key: 'ranges/1', value: Uint8Array.of(1) }],
      );
      expect(drain(scanAll(store))).toBe(13);
      expect(native.storeMetaGet(store, 'ranges/1')).toEqual(Uint8Array.of(1));
      expect(native.storeMetaGet(store, 'ranges/2')).toBeNull();
      native.storeCommit(store, null, [], [{ key: 'ranges/1', value: null }]);
      expect(native.storeMetaList(store, '')).toEqual([]);
      expect(native.storeGet(store, key('a00002'), FOREVER)).toBeNull();
      const found = native.storeGet(store, key('b00001'), FOREVER);
      expect(found?.timestamp).toEqual({ wall: 1n, logical: 0 });
      expect(found?.value.length).toBe(20);
    }));

  it('stores nothing of a commit that fails', () =>
    withStore((store) => {
      const batch = packBatch([
        { key: encodeEngineKey(key('a'), { wall: 1n, logical: 0 }), value: key('value') },
        { key: encodeEngineKey(key('b'.repeat(4000)), { wall: 1n, logical: 0 }), value: key('value') },
      ]);
      expect(codeOf(() => native.storeCommit(store, batch, [], [{ key: 'm', value: key('x') }]))).toBe('SV_LIMIT');
      expect([drain(scanAll(store)), native.storeMetaGet(store, 'm')]).toEqual([0, null]);
    }));

  it('erases in steps, and walks with split keys', () =>
    withStore(async (store) => {
      ingest(store, rowsBatch('r', 1000));
      const stats = await native.storeStats(store, key('a'), key('z'), 5000, 1e9);
      expect(stats).toMatchObject({ entries: 1000, bytes: 26_000, resumeKey: null });
      expect(stats.splitKeys.length).toBe(5);
      const some = await native.storeStats(store, key('a'), key('z'), 5000, 10_000);
      expect(Buffer.from(some.resumeKey ?? []).toString()).toMatch(/^r\d{5}$/);
      let steps = 0;
      for (let from: Uint8Array | null = key('a'); from !== null; steps++) {
        from = native.storeErase(store, from, key('z'), 10_000);
      }
      expect([steps > 2, drain(scanAll(store, 'all'))]).toEqual([true, 0]);
    }));

  it('finds what changed through its index, as far back as that reaches', () =>
    withStore((store) => {
      ingest(store, rowsBatch('r', 1000));
      native.storeCutChanges(store);
      native.storeCommit(store, rowsBatch('r', 5, 3n), [], []);
      const since = (wall: bigint) => {
        const scan = native.storeScan(store, {
          startKey: key('a'),
          endKey: key('z'),
          asOf: FOREVER,
          after: { wall, logical: 0 },
          mode: 'latest',
          dropTombstones: false,
        });
        const indexed = scan.indexed();
        const { bytes, offsets } = allocateBatch(1 << 20, 2000);
        const first = scan.next(bytes, offsets);
        const visited = scan.bytesVisited();
        scan.close();
        return { indexed, count: first.kind === 'batch' ? first.count : 0, small: visited < 2000 };
      };
      expect(since(2n)).toEqual({ indexed: true, count: 5, small: true });
      expect(since(0n)).toEqual({ indexed: true, count: 1000, small: false });
      native.storeBeginChanges(store, { wall: 99n, logical: 0 });
      while (native.storeForgetChanges(store, { wall: 1n, logical: 0 }, 100));
      expect(since(0n)).toEqual({ indexed: false, count: 1000, small: false });
      expect(since(2n)).toEqual({ indexed: true, count: 5, small: true });
      expect(codeOf(() => native.storeForgetChanges(store, { wall: 1n, logical: 0 }, -1))).toBe('SV_USAGE');
    }));

  it('collects versions that no later read sees, and refuses earlier reads', () =>
    withStore((store) => {
      ingest(store, rowsBatch('r', 1000));
      native.storeCommit(store, rowsBatch('r', 500, 3n), [], []);
      expect(native.storeThreshold(store, key('a'), key('z'))).toBeNull();
      let from: Uint8Array | null = null;
      let versions = 0;
      let steps = 0;
      do {
        const step = native.storeCollect(store, key('a'), key('z'), from, { wall: 5n, logical: 2 }, 10_000);
        expect(step.bytes <= step.visited).toBe(true);
        versions += step.versions;
        from = step.resumeKey;
        steps++;
      } while (from !== null);
      expect([versions, steps > 2]).toEqual([500, true]);
      expect([drain(scanAll(store)), drain(scanAll(store, 'all'))]).toEqual([1000, 1000]);
      expect(native.storeThreshold(store, key('q'), key('s'))).toEqual({ wall: 5n, logical: 2 });
      native.storeRaiseThreshold(store, key('s'), key('t'), { wall: 1_637_073_234_000_000_000n, logical: 1 });
      expect(native.storeThreshold(store, key('q'), key('t'))?.logical).toBe(1);
      const early = { startKey: key('r'), endKey: key('t'), asOf: { wall: 9n, logical: 0 }, after: null } as const;
      expect(() => native.storeScan(store, { ...early, mode: 'latest', dropTombstones: true })).toThrow(
        'batch timestamp 0.000000009,0 must be after replica GC threshold 1637073234.000000000,1',
      );
      expect(
        native.storeCollect(store, key('a'), key('b'), null, { wall: 5n, logical: 2 }, 10_000),
        'a second time',
      ).toEqual({ resumeKey: null, versions: 0, bytes: 0, visited: 0 });
    }));

  it('makes rows of a kv table', () =>
    withStore((store) => {
      const options = { tableId: 104, firstRow: 0, rows: 300, valueBytes: 50, compressibility: 0.5, seed: 1, wall: 5n };
      const bytes = native.fillKv(store, { ...options, checksums: true });
      expect(drain(scanAll(store))).toBe(300);
      // Row 300 does not exist; row 109 has a key column of one byte.
      expect(native.storeGet(store, Uint8Array.of(0xf0, 0x89, 0x88 + 109, 0x88), FOREVER)?.value.length).toBe(57);
      expect(bytes).toBe(300 * 57 + 110 * 4 + 146 * 5 + 44 * 6);
      expect(codeOf(() => native.fillKv(store, { ...options, checksums: true, compressibility: 2 }))).toBe('SV_USAGE');
    }));

  it('counts handles and refuses closed ones', () =>
    withStore((store, directory) => {
      const again = native.openStore(`${directory}/../${directory.split('/').at(-1)}`, MAP_BYTES);
      expect(again).toBe(store);
      native.closeStore(again);
      expect(native.storeMetaGet(store, 'x')).toBeNull();
      const scan = scanAll(store);
      scan.close();
      scan.close();
      expect(codeOf(() => scan.next(new Uint8Array(10), new Uint32Array(10)))).toBe('SV_USAGE');
      expect(codeOf(() => native.closeStore(store + 1000))).toBe('SV_USAGE');
    }));
});

describe('arguments of native calls', () => {
  it('are refused when wrong, missing, empty or oversized', () =>
    withStore((store) => {
      const { bytes, offsets, count } = rowsBatch('a', 3);
      const calls: readonly [string, () => unknown][] = [
        ['offsets of bytes', () => native.storeIngest(store, bytes, wrong(bytes), count)],
        ['no bytes', () => native.storeIngest(store, wrong(undefined), offsets, count)],
        ['a count too large', () => native.storeIngest(store, bytes, offsets, count + 1)],
        ['a count of a half', () => native.storeIngest(store, bytes, offsets, 0.5)],
        ['a negative count', () => native.storeIngest(store, bytes, offsets, -1)],
        ['a huge count', () => native.storeIngest(store, bytes, offsets, 2 ** 53)],
        ['bytes that are cut', () => native.storeIngest(store, bytes.subarray(1), offsets, count)],
        ['offsets that descend', () => native.storeIngest(store, bytes, Uint32Array.of(5, 3, 9), 1)],
        ['no offsets', () => native.storeIngest(store, bytes, new Uint32Array(), 0)],
        ['a handle that is text', () => native.storeSync(wrong('1'))],
        ['a handle that is no number', () => native.storeSync(Number.NaN)],
        ['no directory', () => native.openStore('', MAP_BYTES)],
        ['a directory that is a number', () => native.openStore(wrong(1), MAP_BYTES)],
        ['an infinite map', () => native.openStore('/', Number.POSITIVE_INFINITY)],
        ['a negative time', () => native.storeGet(store, key('a'), { wall: -1n, logical: 0 })],
        ['a time too large', () => native.storeGet(store, key('a'), { wall: 2n ** 64n, logical: 0 })],
        ['a time that is a number', () => native.storeGet(store, key('a'), wrong({ wall: 1, logical: 0 }))],
        ['a logical part too large', () => native.storeGet(store, key('a'), { wall: 1n, logical: 2 ** 32 })],
        ['no time', () => native.storeGet(store, key('a'), wrong(null))],
        ['a key that is text', () => native.storeGet(store, wrong('a'), FOREVER)],
        ['spans that are null', () => native.storeCommit(store, null, wrong(null), [])],
        ['metadata without a name', () => native.storeCommit(store, null, [], [{ key: '', value: null }])],
      ];
      expect(calls.map(([name, call]) => [name, codeOf(call)])).toEqual(calls.map(([name]) => [name, 'SV_USAGE']));
      expect(drain(scanAll(store))).toBe(0);
    }));

  it('are refused by walks, before they begin and in their thread', () =>
    withStore(async (store) => {
      const walks = [
        native.storeStats(store, key('a'), key('b'), -1, 1),
        native.storeStats(store, key('a'), key('b'), 1, 0),
        native.storeStats(99_999, key('a'), key('b'), 1, 1),
      ];
      const ends = await Promise.allSettled(walks);
      expect(ends).toMatchObject(ends.map(() => ({ reason: { code: 'SV_USAGE' } })));
    }));

  it('are refused by scans', () =>
    withStore((store) => {
      ingest(store, rowsBatch('a', 3));
      const options = { startKey: key('a'), endKey: key('b'), asOf: FOREVER, after: null, dropTombstones: true };
      expect(codeOf(() => native.storeScan(store, { ...options, mode: wrong('none') }))).toBe('SV_USAGE');
      expect(codeOf(() => native.storeScan(store, { ...options, mode: 'all', endKey: key('A') }))).toBe('SV_USAGE');
      const scan = native.storeScan(store, { ...options, mode: 'all' });
      expect(codeOf(() => scan.next(new Uint8Array(100), new Uint32Array(2)))).toBe('SV_USAGE');
      const shared = new ArrayBuffer(64);
      expect(codeOf(() => scan.next(new Uint8Array(shared), new Uint32Array(shared)))).toBe('SV_USAGE');
      expect(codeOf(() => scan.next(wrong([]), new Uint32Array(9)))).toBe('SV_USAGE');
      expect(scan.next(new Uint8Array(0), new Uint32Array(9))).toEqual({ kind: 'grow', bytes: 36 });
      expect(scan.next(new Uint8Array(80), new Uint32Array(9))).toEqual({ kind: 'batch', count: 2, bytesUsed: 72 });
      expect(scan.next(new Uint8Array(80), new Uint32Array(9))).toEqual({ kind: 'batch', count: 1, bytesUsed: 36 });
      expect(scan.next(new Uint8Array(80), new Uint32Array(9))).toEqual({ kind: 'done' });
      expect(scan.bytesVisited()).toBe(108);
      scan.close();
    }));
});

describe('objects of memory', () => {
  it('are put once, read in windows and listed', () => {
    const bucket = `native-${process.pid}`;
    expect(native.memoryPut(bucket, 'a/1', key('hello'), true)).toBe(true);
    expect(native.memoryPut(bucket, 'a/1', key('other'), true)).toBe(false);
    expect(native.memoryPut(bucket, 'a/2', key(''), false)).toBe(true);
    const window = (offset: number, length: number) => {
      const found = native.memoryGet(bucket, 'a/1', offset, length);
      return found === null ? null : Buffer.from(found).toString();
    };
    expect([window(0, -1), window(1, 3), window(4, 100), window(9, -1)]).toEqual(['hello', 'ell', 'o', '']);
    expect(native.memoryGet(bucket, 'none', 0, -1)).toBeNull();
    expect([native.memorySize(bucket, 'a/1'), native.memorySize(bucket, 'none')]).toEqual([5, null]);
    expect(native.memoryList(bucket, 'a/', 'a/1', 10)).toEqual(['a/2']);
    expect(codeOf(() => native.memoryGet(bucket, 'a/1', -1, -1))).toBe('SV_USAGE');
    expect(codeOf(() => native.memoryGet(bucket, 'a/1', 0, -2))).toBe('SV_USAGE');
    expect([native.memoryDelete(bucket, 'a/1'), native.memoryDelete(bucket, 'a/1')]).toEqual([true, false]);
    native.memoryDelete(bucket, 'a/2');
  });
});
