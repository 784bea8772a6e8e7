import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { workloadInit } from '#src/cluster/index.js';
import { encodeEngineKey } from '#src/keys/index.js';
import { readSst } from '#src/manifest/sst_entries.js';
import { type BatchEntry, type NativeSstOptions, native, packBatch } from '#src/native/index.js';
import { bytesValue } from '#src/rows/index.js';
import { openStorage } from '#src/storage/index.js';
import {
  BUCKETS,
  closeAll,
  filesBelow,
  newCluster,
  storageOf,
  tablesOf,
  temporaryDirectory,
} from '../e2e/test_cluster.js';

/** Strangers' readers, which test/judges/build.mjs builds where their tool chains are. */
const JUDGES = ['judge-rocksdb', 'judge-pebble'].map((name) => ({
  name,
  path: join(import.meta.dirname, 'bin', name),
}));
const REQUIRED = process.env.SPANVAULT_REQUIRE_JUDGES !== undefined;

const OPTIONS: NativeSstOptions = {
  compression: 'snappy',
  level: 1,
  blockBytes: 32 * 1024,
  restartInterval: 16,
  targetFileBytes: 128 * 1024 * 1024,
  rowBoundary: 'key',
  clearValueChecksums: false,
};

/** Bytes of one SST with these entries, written in parts of 64 KiB. */
function writeSst(entries: readonly BatchEntry[], options: Partial<NativeSstOptions> = {}): Uint8Array {
  const writer = native.newSstWriter({ ...OPTIONS, ...options });
  const parts: Uint8Array[] = [];
  const part = new Uint8Array(64 * 1024);
  const { bytes, offsets, count } = packBatch(entries);
  for (let from = 0; from < count; ) {
    const { next, outPos, reason } = writer.write(bytes, offsets, count, from, part, 0);
    expect(reason).not.toBe('cut');
    parts.push(part.slice(0, outPos));
    from = next;
  }
  for (let done = false; !done; ) {
    const step = writer.finish(part, 0);
    parts.push(part.slice(0, step.outPos));
    done = step.done;
  }
  return Buffer.concat(parts);
}

/** Entries of a list that lies beside a manifest. */
async function entriesIn(file: string): Promise<number> {
  const storage = openStorage({ uri: 'memory://judged', settings: {} });
  await storage.write('list.sst', new Uint8Array(readFileSync(file)));
  let count = 0;
  for await (const _ of readSst(storage, 'list.sst')) count++;
  return count;
}

const at = (wall: number, logical = 0) => ({ wall: BigInt(wall), logical });
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const keyOf = (index: number): string => `key${String(index).padStart(6, '0')}`;

/** Versions of keys, newest first, every third version a tombstone. */
const history = (keys: number, versions: number): BatchEntry[] =>
  Array.from({ length: keys }, (_, index) =>
    Array.from({ length: versions }, (_, age) => ({
      key: encodeEngineKey(text(keyOf(index)), at(1_000_000 - age, age % 2)),
      value: age % 3 === 2 ? new Uint8Array(0) : bytesValue(text(`value ${index} ${age}`)),
    })),
  ).flat();

const rows = (count: number, valueBytes: number): BatchEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    key: encodeEngineKey(text(keyOf(index)), at(1_000_000)),
    value: bytesValue(new Uint8Array(valueBytes).map((_, i) => (i % 2 === 0 ? 7 : (index * 31 + i * 17) & 0xff))),
  }));

/** Every kind of content. */
const CONTENTS: Readonly<Record<string, readonly BatchEntry[]>> = {
  'one entry': rows(1, 10),
  'rows of 100 bytes': rows(3000, 100),
  'rows of 5,000 bytes': rows(100, 5000),
  'one row of 1 MiB': rows(1, 1 << 20),
  'empty values': rows(500, 0),
  '300 versions of each of 20 keys': history(20, 300),
  tombstones: Array.from({ length: 1000 }, (_, index) => ({
    key: encodeEngineKey(text(keyOf(index)), at(5)),
    value: new Uint8Array(0),
  })),
  'keys of 20,000 bytes': Array.from({ length: 50 }, (_, index) => ({
    key: encodeEngineKey(text('k'.repeat(20_000) + keyOf(index)), at(5)),
    value: bytesValue(text('v')),
  })),
  'unversioned keys': Array.from({ length: 100 }, (_, index) => ({
    key: encodeEngineKey(text(keyOf(index))),
    value: text('plain'),
  })),
  'keys that end in every byte': Array.from({ length: 256 }, (_, index) => ({
    key: encodeEngineKey(Uint8Array.of(0x61, index), at(5)),
    value: bytesValue(text('v')),
  })),
};

/** The whole verdict: `path → entries`, or the judge's refusal. */
function judge(path: string, files: readonly string[]): Map<string, number> {
  const done = spawnSync(path, files, { encoding: 'utf8', maxBuffer: 1 << 26 });
  expect(done.stderr).toBe('');
  expect(done.status).toBe(0);
  const lines = done.stdout.trimEnd().split('\n');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.slice(0, line.indexOf(' ')))]));
}

afterAll(closeAll);

for (const { name, path } of JUDGES) {
  const present = existsSync(path);
  if (!present) console.warn(`${name} is not built (node test/judges/build.mjs): its tests are SKIPPED`);

  describe.skipIf(!present && !REQUIRED)(`${name} accepts what we write`, () => {
    it('is there', () => {
      expect(existsSync(path), `SPANVAULT_REQUIRE_JUDGES is set and ${path} is missing`).toBe(true);
    });

    it('data files of every content, compression and block size, with our own entry counts', () => {
      const directory = temporaryDirectory();
      const wanted = new Map<string, number>();
      for (const [content, entries] of Object.entries(CONTENTS)) {
        for (const compression of ['none', 'snappy', 'zstd'] as const) {
          for (const blockBytes of [1024, 32 * 1024]) {
            const file = join(directory, `${content} ${compression} ${blockBytes}.sst`);
            const bytes = writeSst(entries, { compression, blockBytes, level: 3 });
            writeFileSync(file, bytes);
            expect(native.describeSst(file, bytes).entries).toBe(entries.length);
            wanted.set(file, entries.length);
          }
        }
      }
      expect(wanted.size).toBe(60);
      expect(judge(path, [...wanted.keys()])).toEqual(wanted);
    });

    it('every SST of a locality-aware movr backup, the lists of its metadata too', async () => {
      const cluster = await newCluster();
      await workloadInit(cluster, 'movr', { rows: 600 });
      const storage = storageOf(cluster);
      const common = { source: cluster.source(), targets: { kind: 'cluster' }, storage } as const;
      const compressions = ['none', 'snappy', 'zstd'] as const;
      for (const compression of compressions) {
        const into = BUCKETS.map((uri) => uri.replace('/b?', `/${compression}?`));
        await backup({ ...common, into, compression, blockBytes: 1024, targetFileBytes: 64 * 1024 });
      }
      const names = filesBelow(cluster.externalIODir).filter((file) => file.endsWith('.sst'));
      for (const compression of compressions) {
        const own = names.filter((file) => file.includes(`/${compression}/`));
        // Data in all three buckets, the two lists in the default one.
        expect(new Set(own.map((file) => file.split('/')[0])).size).toBe(3);
        expect(own.map((file) => file.split('/').at(-1))).toEqual(
          expect.arrayContaining(['filelist.sst', 'descriptorslist.sst']),
        );
      }
      const files = names.map((file) => join(cluster.externalIODir, file));
      const ours = new Map(files.map((file) => [file, native.describeSst(file, readFileSync(file)).entries]));
      expect(Math.min(...ours.values())).toBeGreaterThan(0);
      expect(judge(path, files)).toEqual(ours);
    });

    it('every SST of a chain: tombstones, every revision, versioned descriptors, introduced spans', async () => {
      const cluster = await newCluster();
      await workloadInit(cluster, 'movr', { rows: 200 });
      const common = { source: cluster.source(), targets: { kind: 'cluster' }, storage: storageOf(cluster) } as const;
      const change = async (chain: object): Promise<void> => {
        const users = tablesOf(cluster).get('movr.public.users')!;
        for await (const [id, city] of cluster.rows.select(users)) {
          expect(cluster.rows.remove(users, [city!, id!])).toBe(1);
          break;
        }
        await backup({ ...common, ...chain, into: BUCKETS });
      };
      await change({ revisionHistory: true });
      await change({ appendTo: 'LATEST', revisionHistory: true });
      await workloadInit(cluster, 'bank', { rows: 20 });
      await change({ appendTo: 'LATEST' });
      const names = filesBelow(cluster.externalIODir).filter((file) => file.endsWith('.sst'));
      expect(names.filter((file) => file.includes('/incrementals/')).length).toBeGreaterThan(6);
      const ours = new Map<string, number>();
      for (const name of names) {
        const file = join(cluster.externalIODir, name);
        // Values of the lists are bare protobufs, so only their entries are counted.
        const count = name.includes('/data/')
          ? native.describeSst(file, readFileSync(file)).entries
          : await entriesIn(file);
        ours.set(file, count);
      }
      expect(judge(path, [...ours.keys()])).toEqual(ours);
    });

    it('and refuses a flipped byte: the judge judges', () => {
      const file = join(temporaryDirectory(), 'flipped.sst');
      const bytes = writeSst(rows(1000, 100));
      bytes[1000]! ^= 1;
      writeFileSync(file, bytes);
      expect(spawnSync(path, [file]).status).toBe(1);
    });
  });
}
