import { expect, test } from 'vitest';
import { chooseLayers } from '#src/restore/chain.js';

const second = 1_000_000_000n;
const time = (seconds: number) => ({ wall: BigInt(seconds) * second, logical: 0 });
const layer = (start: number, end: number, history = false, revisionStart = start) => ({
  startTime: time(start),
  endTime: time(end),
  allRevisions: history,
  revisionStartTime: time(revisionStart),
});

test('without a time, the whole chain up to the newest end is taken', () => {
  const { chain, time: at } = chooseLayers([layer(10, 20), layer(0, 10), layer(20, 30)], undefined);
  expect(chain.map((one) => one.endTime)).toEqual([time(10), time(20), time(30)]);
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
  expect(chain.map((one) => [one.startTime, one.endTime])).toEqual([
    [time(0), time(10)],
    [time(10), time(30)],
    [time(30), time(40)],
  ]);
});

test('a gap is refused', () => {
  expect(() => chooseLayers([layer(0, 10), layer(20, 30)], undefined)).toThrow('backups are not continuous');
  expect(() => chooseLayers([layer(10, 20)], undefined)).toThrow('backups are not continuous');
});
