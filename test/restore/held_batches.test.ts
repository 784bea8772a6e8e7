import { expect, test } from 'vitest';
import { HeldBatches, type Memory } from '#src/restore/held_batches.js';

/** Puts single-byte keys without values into the open memory, as a merge does; false when nothing more may be held. */
function put(held: HeldBatches, keys: string): boolean {
  for (const key of keys) {
    for (;;) {
      const room = held.room();
      if (room === undefined) return false;
      const full = room.count === room.bytes.length;
      if (!full) {
        room.bytes[room.count] = key.charCodeAt(0);
        room.offsets.set([room.count, room.count + 1, room.count + 1], 2 * room.count);
      }
      held.keep(full ? room.count : room.count + 1);
      if (!full) break;
    }
  }
  return true;
}

const taken = (held: HeldBatches): string[] =>
  [...held.take()].map(({ bytes, count }) => Buffer.from(bytes.subarray(0, count)).toString());

test('batches are filled up before another is begun, and no more are held than allowed', () => {
  const spare: Memory[] = [];
  const held = new HeldBatches(4, 8, spare);
  // The offsets are laid out for 24 bytes an entry; here one is enough.
  spare.push(...[0, 1].map(() => ({ bytes: new Uint8Array(4), offsets: new Uint32Array(9) })));
  expect(put(held, 'abcdefgh')).toBe(true);
  expect(put(held, 'i')).toBe(false);
  expect(taken(held)).toEqual(['abcd', 'efgh']);
  expect(spare.length).toBe(2);
  expect(put(held, 'ijklm')).toBe(true);
  expect(taken(held)).toEqual(['ijkl', 'm']);
  expect(taken(held)).toEqual([]);
});

test('memory that grew for one entry is not kept, and only empty memory grows', () => {
  const spare: Memory[] = [];
  const held = new HeldBatches(4, 8, spare);
  held.room();
  held.grow(100);
  expect(held.room()?.bytes.length).toBe(100);
  held.keep(1);
  expect(() => held.grow(200)).toThrow('a merge asked for 200 bytes that it has');
  expect([...held.take()].map(({ count }) => count)).toEqual([1]);
  expect(spare).toEqual([]);
});
