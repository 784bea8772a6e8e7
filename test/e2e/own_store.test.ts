import { expect, test } from 'vitest';
import { backup, restore } from '#src/index.js';
import { OwnStore } from './own_store.js';

test("a user's own in-memory store is backed up into one bucket per region and read back", async () => {
  const store = new OwnStore();
  for (const word of ['apple', 'kiwi', 'mango', 'orange', 'pear', 'zucchini']) store.rows.set(word, word.toUpperCase());
  const targets = { kind: 'spans', spans: [{ key: Buffer.from('a'), endKey: Buffer.from('{') }] } as const;

  const taken = await backup({
    source: store.source(),
    into: ['memory://own/east?COCKROACH_LOCALITY=default', 'memory://own/west?COCKROACH_LOCALITY=region%3Dwest'],
    targets,
  });
  expect(taken.placement.buckets.map(({ locality, files }) => [locality, files])).toEqual([
    ['default', 1],
    ['region=west', 1],
  ]);

  const copy = new OwnStore();
  await restore({ sink: copy.sink(), from: 'LATEST', in: ['memory://own/west', 'memory://own/east'], targets });
  expect(copy.rows).toEqual(store.rows);
});
