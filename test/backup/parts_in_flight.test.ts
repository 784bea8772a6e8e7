import { describe, expect, it } from 'vitest';
import { PartsInFlight } from '#src/backup/parts_in_flight.js';
import type { ObjectWriter } from '#src/storage/index.js';

/** A store that answers when it is told to. */
function slowWriter(parallelParts: boolean) {
  const memory = new Set<ArrayBufferLike>();
  const written: number[] = [];
  const waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  let most = 0;
  const writer: ObjectWriter = {
    parallelParts,
    write: async (part) => {
      memory.add(part.buffer);
      written.push(part[0]!);
      const answered = new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
      most = Math.max(most, waiting.length);
      await answered;
    },
    finish: async () => undefined,
    abort: async () => undefined,
  };
  return { writer, memory, written, waiting, most: () => most };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('parts in flight', () => {
  for (const [parallel, most] of [
    [true, 3],
    [false, 1],
  ] as const) {
    it(`are ${most} at a time and take ${most + 1} parts of memory, used again (parallel ${parallel})`, async () => {
      const store = slowWriter(parallel);
      const spare = [new Uint8Array(16), new Uint8Array(64)];
      const parts = new PartsInFlight(64, 3, spare);
      const all = (async () => {
        for (let index = 0; index < 50; index++) {
          parts.current[0] = index;
          await parts.send(store.writer, 10);
        }
        await parts.arrived();
      })();
      let ended = false;
      void all.then(() => {
        ended = true;
      });
      for (let turns = 1; !ended; turns++) {
        await turn();
        // The last one first, and after the parts that may leave have left: answers come in any order.
        if (turns % 8 === 0) store.waiting.pop()?.resolve();
      }
      await all;
      expect(store.written).toEqual(Array.from({ length: 50 }, (_, index) => index));
      expect(store.most()).toBe(most);
      expect(store.memory.size).toBeLessThanOrEqual(most + 1);
      parts.giveBack();
      // What was left is used where it fits, and left again.
      expect(spare.map(({ length }) => length).sort()).toEqual([16, ...Array(most + 1).fill(64)]);
      expect(new Set(spare).size).toBe(most + 2);
    });
  }

  it('leave while the next one is filled, though filling never waits', async () => {
    const store = slowWriter(true);
    const parts = new PartsInFlight(64, 3, []);
    let turns = 0;
    for (let index = 1; index <= 3; index++) {
      setImmediate(() => turns++);
      await parts.send(store.writer, 1);
      expect(turns).toBe(index);
    }
    for (const { resolve } of store.waiting) resolve();
    await parts.arrived();
  });

  it('fail with the first failure in time, though an earlier part fails after it', async () => {
    const store = slowWriter(true);
    const parts = new PartsInFlight(64, 3, []);
    for (let index = 0; index < 3; index++) await parts.send(store.writer, 1);
    store.waiting[1]!.reject(new Error('the cause'));
    await turn();
    store.waiting[0]!.reject(new Error('stopped for it'));
    store.waiting[2]!.reject(new Error('stopped for it'));
    await expect(parts.send(store.writer, 1)).rejects.toThrow('the cause');
    await expect(parts.arrived()).rejects.toThrow('the cause');
    await parts.stopped();
    expect(store.written).toHaveLength(3);
  });
});
