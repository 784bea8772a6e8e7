import { expect, test } from 'vitest';
import { type AppendableChain, lockChain } from '#src/collection/index.js';
import { SpanvaultError } from '#src/fault/index.js';
import { EMPTY_MANIFEST } from '#src/manifest/index.js';
import { openStorage, printUri, registerDriver } from '#src/storage/index.js';

let writes = 0;

/** `ghost://bucket`: an object exists for whoever creates it, and for nobody who reads it. */
registerDriver('ghost', {
  parameters: [],
  open(uri, settings) {
    const inner = openStorage({ uri: printUri({ ...uri, scheme: 'memory' }), settings });
    return {
      display: inner.display,
      read: (name, options) => inner.read(name, options),
      size: (name) => inner.size(name),
      create: (name, options) => inner.create(name, options),
      list: (prefix, options) => inner.list(prefix, options),
      delete: (name) => inner.delete(name),
      close: () => inner.close(),
      write: async (name) => {
        writes++;
        throw new SpanvaultError('SV_STORAGE_EXISTS', `${name} exists already`);
      },
    };
  },
});

test('a lock that exists and cannot be read is given up after some tries', async () => {
  const chain: AppendableChain = {
    subdir: '/2026/01/01-000000.00',
    newest: { directory: '/2026/01/01-000000.00', manifest: EMPTY_MANIFEST },
    incrementals: [],
    uris: { defaultUri: 'ghost://lock', byLocality: new Map() },
    directory: '/incrementals/2026/01/01-000000.00',
    namesTellStart: true,
  };
  const layer = { start: { wall: 1n, logical: 0 }, directory: '/x', jobId: '7' };
  await expect(lockChain(chain, {}, layer)).rejects.toMatchObject({
    code: 'SV_EXISTS',
    message: expect.stringMatching(/already contains a `BACKUP-LOCK` file written by another writer$/),
  });
  expect(writes).toBe(5);
});
