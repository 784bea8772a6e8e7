import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseLayers, type TimedLayer } from '#src/collection/index.js';

const second = 1_000_000_000n;
const time = (seconds: number) => ({ wall: BigInt(seconds) * second, logical: 0 });
let serial = 0;
const CLUSTER = new Uint8Array(16).fill(7);
const layer = (start: number, end: number, history = false, revisionStart = start): TimedLayer => ({
  head: {
    startTime: time(start),
    endTime: time(end),
    mvccFilter: history ? 'all' : 'latest',
    revisionStartTime: time(revisionStart),
    clusterId: CLUSTER,
    id: new Uint8Array(16).fill(++serial),
    elidedPrefix: 'none',
  },
  location: `memory://b/${start}-${end}`,
});
const withHead = (one: TimedLayer, change: Partial<TimedLayer['head']>): TimedLayer => ({
  ...one,
  head: { ...one.head, ...change },
});
const windows = (chain: readonly TimedLayer[]) =>
  chain.map(({ head }) => [Number(head.startTime.wall / second), Number(head.endTime.wall / second)]);

test('without a time, the whole chain up to the newest end is taken', () => {
  const { chain, time: at } = chooseLayers([layer(10, 20), layer(0, 10), layer(20, 30)], undefined);
  expect(windows(chain)).toEqual([
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
  expect(at).toEqual(time(30));
});

test('a time that is the end of a layer ends the chain there', () => {
  expect(chooseLayers([layer(0, 10), layer(10, 20)], time(10)).chain.length).toBe(1);
});

test('a time inside a layer needs revision history, and the nearest ends are named', () => {
  const layers = [layer(0, 10), layer(10, 20)];
  expect(() => chooseLayers(layers, time(5))).toThrow(
    "invalid RESTORE timestamp: restoring to arbitrary time requires that BACKUP for requested time be created with 'revision_history' option. nearest backup time is 1970-01-01 00:00:10",
  );
  expect(() => chooseLayers(layers, time(15))).toThrow(
    'nearest BACKUP times are 1970-01-01 00:00:10 or 1970-01-01 00:00:20',
  );
  expect(chooseLayers([layer(0, 10), layer(10, 20, true)], time(15)).time).toEqual(time(15));
});

test('a time before the recorded history is refused', () => {
  expect(() => chooseLayers([layer(0, 10, true, 4)], time(3))).toThrow(
    'invalid RESTORE timestamp: BACKUP for requested time only has revision history from 1970-01-01 00:00:04',
  );
});

test('a time after the newest end is refused', () => {
  expect(() => chooseLayers([layer(0, 10)], time(11))).toThrow(
    'invalid RESTORE timestamp: supplied backups do not cover requested time',
  );
});

test('a compacted layer wins over the layers that it swallowed', () => {
  const layers = [layer(0, 10), layer(10, 20), layer(20, 30), layer(10, 30), layer(30, 40)];
  const { chain } = chooseLayers(layers, undefined);
  expect(windows(chain)).toEqual([
    [0, 10],
    [10, 30],
    [30, 40],
  ]);
});

test('the times of swallowed layers stay restorable, also by history that a compacted layer does not have', () => {
  const layers = [layer(0, 10), layer(10, 20), layer(20, 30, true), layer(10, 30), layer(30, 40)];
  expect(windows(chooseLayers(layers, time(20)).chain)).toEqual([
    [0, 10],
    [10, 20],
  ]);
  expect(windows(chooseLayers(layers, time(25)).chain)).toEqual([
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
});

test('a compacted layer that leads to nothing is passed over for the layers that do', () => {
  const layers = [layer(0, 10), layer(10, 20), layer(20, 30), layer(5, 30)];
  expect(windows(chooseLayers(layers, undefined).chain)).toEqual([
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
});

test('overlapping windows and a layer of another chain off the path do no harm', () => {
  const layers = [layer(0, 10), layer(5, 15), layer(10, 20), layer(18, 19)];
  expect(windows(chooseLayers(layers, undefined).chain)).toEqual([
    [0, 10],
    [10, 20],
  ]);
  expect(() => chooseLayers(layers, time(15))).toThrow(
    'backups are not continuous: the first backup starts at 1970-01-01 00:00:05, not at the beginning of time: memory://b/5-15 (1970-01-01 00:00:05, 1970-01-01 00:00:15]',
  );
});

test('two layers from the same start, as two writers at once leave them, both lead on', () => {
  const layers = [layer(0, 10), layer(10, 20), layer(10, 21), layer(21, 30)];
  expect(windows(chooseLayers(layers, undefined).chain)).toEqual([
    [0, 10],
    [10, 21],
    [21, 30],
  ]);
  expect(windows(chooseLayers(layers, time(20)).chain)).toEqual([
    [0, 10],
    [10, 20],
  ]);
});

test('a gap is refused, and the layers on both sides are named with their times', () => {
  expect(() => chooseLayers([layer(0, 10), layer(20, 30)], undefined)).toThrow(
    'backups are not continuous: 0th backup ends at 1970-01-01 00:00:10, 1th backup starts at 1970-01-01 00:00:20: memory://b/0-10 (the beginning, 1970-01-01 00:00:10] and memory://b/20-30 (1970-01-01 00:00:20, 1970-01-01 00:00:30]',
  );
  expect(() => chooseLayers([layer(10, 20)], undefined)).toThrow(
    'backups are not continuous: the first backup starts at 1970-01-01 00:00:10, not at the beginning of time: memory://b/10-20',
  );
  expect(() => chooseLayers([layer(0, 10), layer(20, 30)], undefined, ['b/10-20 is unfinished'])).toThrow(
    expect.objectContaining({ hint: 'b/10-20 is unfinished' }),
  );
});

test('layers given twice count once; two fulls are refused', () => {
  const full = layer(0, 10);
  const next = layer(10, 20);
  expect(windows(chooseLayers([next, full, next, full], undefined).chain)).toEqual([
    [0, 10],
    [10, 20],
  ]);
  expect(() => chooseLayers([full, layer(0, 20)], undefined)).toThrow(
    'backup layers memory://b/0-10 (the beginning, 1970-01-01 00:00:10] and memory://b/0-20 (the beginning, 1970-01-01 00:00:20] are both full backups: a chain has one',
  );
});

test('a layer of another cluster, or with keys cut otherwise, is refused where it would be used', () => {
  const foreign = withHead(layer(10, 20), { clusterId: new Uint8Array(16).fill(9) });
  expect(() => chooseLayers([layer(0, 10), foreign], undefined)).toThrow(
    'backup layer memory://b/10-20 (1970-01-01 00:00:10, 1970-01-01 00:00:20] belongs to cluster 09090909-0909-0909-0909-090909090909, its full backup memory://b/0-10',
  );
  expect(chooseLayers([layer(0, 10), foreign], time(10)).chain.length).toBe(1);
  const elided = withHead(layer(10, 20), { elidedPrefix: 'tenantAndTable' });
  expect(() => chooseLayers([layer(0, 10), elided], undefined)).toThrow(
    'writes keys with elided prefix tenantAndTable, its full backup memory://b/0-10 (the beginning, 1970-01-01 00:00:10] with none',
  );
});

test('no path has a gap, and every end that a gap-free path reaches is chosen: against a search of all paths', () => {
  const windowsOf = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 9,
  });
  fc.assert(
    fc.property(windowsOf, (list) => {
      const layers = [layer(0, 1), ...list.map(([start, length]) => layer(start, start + length))];
      const reachable = new Set([1]);
      for (const _ of layers) {
        for (const [start, end] of windows(layers)) if (start === 0 || reachable.has(start!)) reachable.add(end!);
      }
      for (const end of new Set(windows(layers).map(([, last]) => last!))) {
        let chain: readonly TimedLayer[];
        try {
          chain = chooseLayers(layers, time(end)).chain;
        } catch {
          expect(reachable.has(end)).toBe(false);
          continue;
        }
        const path = windows(chain);
        expect([path[0]![0], path.at(-1)![1]]).toEqual([0, end]);
        for (const [index, [start]] of path.entries()) if (index > 0) expect(start).toBe(path[index - 1]![1]);
      }
    }),
  );
});
