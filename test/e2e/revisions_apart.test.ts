import { describe, expect, test } from 'vitest';
import { hasCode } from '#src/fault/index.js';
import { encodeEngineKey } from '#src/keys/index.js';
import { EMPTY_FILE, EMPTY_MANIFEST, type Manifest, writeManifest } from '#src/manifest/index.js';
import { native, packBatch } from '#src/native/index.js';
import { restore } from '#src/restore/index.js';
import { bytesValue } from '#src/rows/index.js';
import { openStorage, printUri, registerDriver } from '#src/storage/index.js';
import { OwnStore } from './own_store.js';

/*
 * Failure classes of reading that need files which no writer of ours makes (crdb-features.md, section 10).
 */

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const at = (wall: number) => ({ wall: BigInt(wall), logical: 0 });
const SPAN = { key: text('a'), endKey: text('z') };

/** An SST of versions of one key: `value <wall>` at each time, newest first. */
function revisions(key: string, from: number, to: number): Uint8Array {
  const entries = [];
  for (let wall = from; wall >= to; wall--)
    entries.push({ key: encodeEngineKey(text(key), at(wall)), value: bytesValue(text(`value ${wall}`)) });
  const writer = native.newSstWriter({
    compression: 'snappy',
    level: 1,
    blockBytes: 1024,
    restartInterval: 16,
    targetFileBytes: 2 ** 30,
    rowBoundary: 'key',
    clearValueChecksums: false,
  });
  const parts: Uint8Array[] = [];
  const part = new Uint8Array(64 * 1024);
  const { bytes, offsets, count } = packBatch(entries);
  for (let next = 0; next < count; ) {
    const step = writer.write(bytes, offsets, count, next, part, 0);
    parts.push(part.slice(0, step.outPos));
    next = step.next;
  }
  for (let done = false; !done; ) {
    const step = writer.finish(part, 0);
    parts.push(part.slice(0, step.outPos));
    done = step.done;
  }
  return Buffer.concat(parts);
}

describe('A101963: a key with more revisions than one file holds', () => {
  /** Writers before 24.1 cut such a key apart; both files then name it, one as its end. */
  async function splitKey(bucket: string): Promise<void> {
    const storage = openStorage({ uri: `memory://${bucket}`, settings: {} });
    await storage.write('1.sst', revisions('key', 20_000, 10_001));
    await storage.write('2.sst', revisions('key', 10_000, 1));
    const file = { ...EMPTY_FILE, entryCounts: { dataSize: 1n, rows: 1n, indexEntries: 0n } };
    const manifest: Manifest = {
      ...EMPTY_MANIFEST,
      endTime: at(20_000),
      mvccFilter: 'all',
      clusterVersion: { major: 21, minor: 1, patch: 0, internal: 0 },
      clusterId: new Uint8Array(16).fill(1),
      id: new Uint8Array(16).fill(2),
      spans: [SPAN],
      files: [
        { ...file, span: { key: SPAN.key, endKey: text('key') }, path: '1.sst' },
        { ...file, span: { key: text('key'), endKey: SPAN.endKey }, path: '2.sst' },
      ],
    };
    await writeManifest(storage, manifest);
    await storage.close();
  }

  test.each([20_000, 15_000, 10_001, 10_000, 9_999, 1])('is restored as it was at %i', async (wall) => {
    const bucket = `a101963-${wall}`;
    await splitKey(bucket);
    const store = new OwnStore();
    const options = { from: undefined, in: [`memory://${bucket}`], targets: { kind: 'spans', spans: [SPAN] } } as const;
    // Units as small as they get: the two files would otherwise be read together anyway.
    await restore({ ...options, sink: store.sink(), asOf: at(wall), workers: 0, unitBytes: 1 });
    expect([...store.rows]).toEqual([['key', `value ${wall}`]]);
  });
});

describe('A161317: a read that ends early is not the end of the file', () => {
  const seen = { shorten: false };
  /** `short://bucket`: gives half of what is asked of a data file, without an error, once told to. */
  registerDriver('short', {
    parameters: [],
    open(uri, settings) {
      const inner = openStorage({ uri: printUri({ ...uri, scheme: 'memory' }), settings });
      return {
        display: inner.display,
        size: (name) => inner.size(name),
        write: (name, bytes, options) => inner.write(name, bytes, options),
        create: (name, options) => inner.create(name, options),
        list: (prefix, options) => inner.list(prefix, options),
        delete: (name) => inner.delete(name),
        close: () => inner.close(),
        async read(name, options) {
          const whole = await inner.read(name, options);
          const cut = seen.shorten && name.endsWith('.sst') && options?.offset !== undefined && options.offset >= 0;
          return cut ? { ...whole, bytes: whole.bytes.subarray(0, whole.bytes.length >> 1) } : whole;
        },
      };
    },
  });

  test('and the restore says which file, and leaves nothing', async () => {
    const storage = openStorage({ uri: 'memory://a161317', settings: {} });
    await storage.write('1.sst', revisions('key', 40_000, 1));
    await writeManifest(storage, {
      ...EMPTY_MANIFEST,
      endTime: at(40_000),
      mvccFilter: 'all',
      clusterId: new Uint8Array(16).fill(1),
      id: new Uint8Array(16).fill(2),
      spans: [SPAN],
      files: [{ ...EMPTY_FILE, span: SPAN, path: '1.sst' }],
    });
    const store = new OwnStore();
    const run = (): Promise<unknown> =>
      restore({
        from: undefined,
        in: ['short://a161317'],
        targets: { kind: 'spans', spans: [SPAN] },
        sink: store.sink(),
        workers: 0,
      });
    seen.shorten = true;
    const failure = await run().catch((error: unknown) => error);
    expect(hasCode(failure, 'SV_CORRUPT_SST'), String(failure)).toBe(true);
    expect(String(failure)).toMatch(/memory:\/\/a161317\/1\.sst ended after \d+ bytes, \d+ were expected/);
    expect(store.rows.size).toBe(0);
    seen.shorten = false;
    await run();
    expect([...store.rows]).toEqual([['key', 'value 40000']]);
  });
});
