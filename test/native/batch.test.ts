import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateBatch, iterateBatch, packBatch } from '#src/native/index.js';
import { codeOf } from './kv.js';

describe('packed batches', () => {
  it('give back what was packed', () => {
    const bytes = fc.uint8Array({ maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.record({ key: bytes, value: bytes }), { maxLength: 30 }), (entries) => {
        const batch = packBatch(entries);
        expect(batch.count).toBe(entries.length);
        const read = [...iterateBatch(batch)].map(({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
        expect(read).toEqual(entries.map(({ key, value }) => [Buffer.from(key), Buffer.from(value)]));
      }),
    );
  });

  it('have limits', () => {
    expect(allocateBatch(10, 4).offsets.length).toBe(9);
    for (const [bytes, entries] of [
      [2 ** 32, 1],
      [-1, 1],
      [1.5, 1],
      [1, 0],
      [1, 2 ** 31],
    ] as const) {
      expect(codeOf(() => allocateBatch(bytes, entries))).toBe('SV_LIMIT');
    }
  });

  it('own their memory, so that it can be transferred', () => {
    const { bytes, offsets } = allocateBatch(64, 4);
    structuredClone(bytes, { transfer: [bytes.buffer, offsets.buffer] });
    expect([bytes.byteLength, offsets.byteLength]).toEqual([0, 0]);
  });
});
