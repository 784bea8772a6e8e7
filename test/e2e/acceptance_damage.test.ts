import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { restore } from '#src/restore/index.js';
import { showBackup } from '#src/verify/index.js';
import {
  BUCKETS,
  bucketDirectory,
  closeAll,
  fileSize,
  filesBelow,
  fingerprintLines,
  keyspaceOf,
  REGIONS,
  spreadCluster,
  storageOf,
  tablesOf,
} from './test_cluster.js';

/*
 * The acceptance list of locality-aware backups (crdb-features.md, section 11), line 22: every damage is a named error or does
 * no harm, and nothing of the restore stays.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const NODES = [1, 2, 3];

let cluster: EmbeddedCluster;
let wanted: string[];
let before: ReturnType<typeof keyspaceOf>;
/** Every file of the backup, as `node/b/…`. */
let files: string[];

beforeAll(async () => {
  cluster = await spreadCluster(REGIONS, 40, 120);
  const taken = await backup({ source: cluster.source(), into: BUCKETS, targets: KV, storage: storageOf(cluster) });
  expect(taken.placement.buckets.map((bucket) => bucket.files > 0)).toEqual([true, true, true]);
  wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
  files = NODES.flatMap((node) => filesBelow(bucketDirectory(cluster, node, 'b')).map((file) => `${node}/b/${file}`));
});
afterAll(closeAll);

/** What restoring from a copy with one damaged file comes to: the code of the failure, or 'restored'. */
async function outcome(file: string, damage: (path: string) => void): Promise<string> {
  for (const node of NODES) {
    cpSync(bucketDirectory(cluster, node, 'b'), bucketDirectory(cluster, node, 'd'), { recursive: true });
  }
  try {
    damage(`${cluster.externalIODir}/${file.replace('/b/', '/d/')}`);
    before ??= keyspaceOf(cluster);
    const uris = NODES.map((node) => `nodelocal://${node}/d`);
    const storage = storageOf(cluster);
    const failure: unknown = await restore({
      sink: cluster.sink(),
      from: 'LATEST',
      in: uris,
      targets: KV,
      newDbName: 'copy',
      storage,
      workers: 0,
    }).then(
      () => undefined,
      (error: unknown) => error ?? new Error('rejected without a reason'),
    );
    if (failure !== undefined) {
      if (!isSpanvaultError(failure)) throw failure;
      expect(keyspaceOf(cluster), `${file}: ${failure.message}`).toEqual(before);
      expect(cluster.catalog().database('copy')).toBeUndefined();
      expect(failure.message).not.toMatch(/undefined|NaN|\[object/);
      return failure.code;
    }
    // A byte that nothing depends on: the right answer, never a wrong one.
    expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!), file).toEqual(wanted);
    await cluster.dropDatabase('copy', 'cascade');
    before = keyspaceOf(cluster);
    return 'restored';
  } finally {
    for (const node of NODES) rmSync(bucketDirectory(cluster, node, 'd'), { recursive: true, force: true });
  }
}

const flip = (position: number) => (path: string) => {
  const bytes = readFileSync(path);
  const at = Math.min(bytes.length - 1, Math.floor(position * bytes.length));
  bytes[at]! ^= 0x20;
  writeFileSync(path, bytes);
};
const cut = (share: number) => (path: string) => truncateSync(path, Math.floor(fileSize(path) * share));
const remove = (path: string): void => rmSync(path);

/** The first file whose name matches. */
const named = (pattern: RegExp): string => files.find((file) => pattern.test(file))!;

describe('acceptance, line 22: damage', () => {
  it.each([
    ['a deleted SST', /^2.*\/data\//, remove, 'SV_STORAGE_NOT_FOUND'],
    ['a byte flipped in an SST', /^2.*\/data\//, flip(0.1), 'SV_CORRUPT_SST'],
    ['an SST cut in half', /^3.*\/data\//, cut(0.5), 'SV_CORRUPT_SST'],
    ['an SST without its last byte', /^1.*\/data\//, cut(0.999), 'SV_CORRUPT_SST'],
    ['an empty SST', /^1.*\/data\//, cut(0), 'SV_CORRUPT_SST'],
    ['a missing partial manifest', /BACKUP_PART_2/, remove, 'SV_MISSING_PART'],
    ['a partial manifest cut in half', /BACKUP_PART_1/, cut(0.5), 'SV_CORRUPT_MANIFEST'],
    ['an empty partial manifest', /BACKUP_PART_1/, cut(0), 'SV_MISSING_PART'],
    ['a byte flipped in a partial manifest', /BACKUP_PART_1/, flip(0.5), 'SV_CORRUPT_MANIFEST'],
  ] as const)('%s', async (_title, pattern, damage, code) => {
    expect(await outcome(named(pattern), damage)).toBe(code);
  });

  it('a manifest that is cut, empty or flipped, wherever it is read', async () => {
    const manifests = files.filter((file) => /\/BACKUP_(MANIFEST|METADATA)$/.test(file));
    expect(manifests.length).toBeGreaterThan(0);
    const codes = new Set<string>();
    for (const damage of [cut(0.5), cut(0), flip(0.5), flip(0.9)]) {
      for (const file of manifests) codes.add(await outcome(file, damage));
      // All manifests of the layer at once: none can stand in for another.
      const all = await outcome(manifests[0]!, (path) => {
        for (const file of manifests) damage(path.replace(/[^/]+$/, file.split('/').at(-1)!));
      });
      expect(all).toBe('SV_CORRUPT_MANIFEST');
    }
    expect([...codes].filter((code) => !['SV_CORRUPT_MANIFEST', 'restored'].includes(code))).toEqual([]);
  });

  it('every file deleted, cut and flipped in turn: a named error, or no harm', async () => {
    const allowed = new Set([
      'restored',
      'SV_CORRUPT_SST',
      'SV_CORRUPT_MANIFEST',
      'SV_CORRUPT_VALUE',
      'SV_UNSUPPORTED_FORMAT',
      'SV_STORAGE_NOT_FOUND',
      'SV_MISSING_PART',
    ]);
    const ssts = files.filter((file) => file.includes('/data/'));
    // One SST of each location, and all metadata.
    const sample = [
      ...files.filter((file) => !file.includes('/data/')),
      ...NODES.map((node) => ssts.find((file) => file.startsWith(`${node}/`))!),
    ];
    const seen = new Map<string, number>();
    for (const file of sample) {
      for (const damage of [remove, cut(0.3), flip(0.35), flip(0.97)]) {
        const result = await outcome(file, damage);
        expect(allowed.has(result), `${file}: ${result}`).toBe(true);
        seen.set(result, (seen.get(result) ?? 0) + 1);
      }
    }
    console.log(`outcomes of ${sample.length * 4} damages: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(seen.size).toBeGreaterThan(3);
  });

  it('flips all over one SST are all found, or do no harm', async () => {
    const file = named(/^2.*\/data\//);
    const size = fileSize(`${cluster.externalIODir}/${file}`);
    const seen = new Map<string, number>();
    for (let step = 0; step < 20; step++) {
      const result = await outcome(file, flip((step + 0.5) / 20));
      expect(['restored', 'SV_CORRUPT_SST', 'SV_UNSUPPORTED_FORMAT'].includes(result), `${step}/20 of ${size}`).toBe(
        true,
      );
      seen.set(result, (seen.get(result) ?? 0) + 1);
    }
    expect(seen.get('SV_CORRUPT_SST')).toBeGreaterThan(5);
  });

  it('showing a damaged backup fails with the same codes', async () => {
    const path = `${cluster.externalIODir}/${named(/BACKUP_PART_1/)}`;
    const bytes = readFileSync(path);
    try {
      truncateSync(path, 5);
      const show = showBackup({ from: 'LATEST', in: BUCKETS, storage: storageOf(cluster) });
      await expect(show).rejects.toMatchObject({ code: 'SV_CORRUPT_MANIFEST' });
    } finally {
      writeFileSync(path, bytes);
    }
  });
});
