import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import {
  encodeManifest,
  encodePartitionDescriptor,
  type Manifest,
  readManifest,
  readPartitionDescriptor,
} from '#src/manifest/index.js';
import { openStorage } from '#src/storage/index.js';
import {
  ENDS,
  expectRefused,
  expectRestores,
  FULL,
  fixtureRoot,
  freshCluster,
  INCREMENTALS,
  inBucket,
  moveInBuckets,
  there,
  uriList,
} from './chain_fixture.js';
import { closeSql, lines, sql } from './sql_cluster.js';

/*
 * Chains that are damaged as chains, each file of them being whole: a real chain of CockroachDB, altered. Nothing restores
 * silently wrong: an error names the layer, with its directory and times, and nothing is written; or the rows are equal to
 * those that CockroachDB restored, and what was left out is told.
 */

afterAll(closeSql);

const [FIRST, SECOND] = INCREMENTALS.map((name) => `chain/${FULL}/${name}`) as [string, string];
const RESTORE = `RESTORE DATABASE ch FROM LATEST IN ${uriList('chain')}`;
const restoreAt = (layer: 1 | 2 | 3): string => `${RESTORE} AS OF SYSTEM TIME '${ENDS[layer - 1]}'`;
const PART = 'BACKUP_PART_1_region=us-west';
/** Times of the layers as messages print them. */
const [T1, T2, T3] = ['2026-11-23 21:35:35.026317', '2026-11-23 21:35:35.741317', '2026-11-23 21:35:36.554185'];

const storageAt = (root: string, node: number, directory: string) =>
  openStorage({ uri: `nodelocal://${node}/${directory}`, settings: { externalIODir: join(root, 'extern') } });

/** Alters what the manifest of a layer says, and its part with the same id; their checksums stay right. */
async function alter(
  root: string,
  directory: string,
  change: (manifest: Manifest) => Partial<Manifest>,
): Promise<void> {
  const manifest = await readManifest(storageAt(root, 1, directory));
  const altered = { ...manifest, ...change(manifest) };
  const file = inBucket(root, 1, `${directory}/BACKUP_MANIFEST`);
  writeFileSync(file, gzipSync(encodeManifest(altered)));
  rmSync(`${file}-CHECKSUM`, { force: true });
  if (altered.id === manifest.id || altered.localityKvs.length === 0) return;
  const part = await readPartitionDescriptor(storageAt(root, 2, directory), PART);
  const bytes = gzipSync(encodePartitionDescriptor({ ...part, backupId: altered.id }));
  writeFileSync(inBucket(root, 2, `${directory}/${PART}`), bytes);
}

/** Copies a layer in both locations. */
function copyLayer(root: string, from: string, to: string): void {
  for (const node of [1, 2]) cpSync(inBucket(root, node, from), inBucket(root, node, to), { recursive: true });
}

function removeLayer(root: string, directory: string): void {
  for (const node of [1, 2]) rmSync(inBucket(root, node, directory), { recursive: true });
}

function put(root: string, node: number, path: string, bytes: string | Uint8Array = ''): void {
  mkdirSync(dirname(inBucket(root, node, path)), { recursive: true });
  writeFileSync(inBucket(root, node, path), bytes);
}

const later = (time: { readonly wall: bigint; readonly logical: number }, nanos: bigint) => ({
  wall: time.wall + nanos,
  logical: time.logical,
});
const NEW_ID = new Uint8Array(16).fill(0xab);

/** Notices of a RESTORE that is expected to succeed, into a cluster of its own. */
async function noticesOf(root: string, statement: string): Promise<readonly string[]> {
  return (await sql(await freshCluster(root), statement)).notices;
}

describe.skipIf(!there)('a bad chain', () => {
  test('with a gap: both sides are named; what lies before the gap restores', async () => {
    const root = fixtureRoot();
    removeLayer(root, FIRST);
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: `backups are not continuous: 0th backup ends at ${T1}, 1th backup starts at ${T2}: nodelocal://1/chain/${FULL} (the beginning, ${T1}] and nodelocal://1/${SECOND} (${T2}, ${T3}]`,
    });
    await expectRestores(root, restoreAt(1), 1);
  });

  test('with a layer of another cluster', async () => {
    const root = fixtureRoot();
    await alter(root, SECOND, () => ({ clusterId: new Uint8Array(16).fill(0x99) }));
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: expect.stringContaining(
        `backup layer nodelocal://1/${SECOND} (${T2}, ${T3}] belongs to cluster 99999999-9999-9999-9999-999999999999, its full backup nodelocal://1/chain/${FULL} (the beginning, ${T1}] to cluster`,
      ),
    });
    await expectRestores(root, restoreAt(2), 2);
  });

  test('with a layer of another chain of the same cluster as its newest', async () => {
    const root = fixtureRoot();
    await alter(root, SECOND, ({ startTime }) => ({ startTime: later(startTime, 5000n) }));
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: expect.stringMatching(
        /^backups are not continuous: 1th backup ends at .*741317, 2th backup starts at .*741322: .*213535.74 .*213536.55 /,
      ),
    });
  });

  test('with a layer of another chain off its path: no harm', async () => {
    const root = fixtureRoot();
    const stray = `chain/${FULL}/20261123/213536.00`;
    copyLayer(root, SECOND, stray);
    // Begins and ends where no other layer does.
    await alter(root, stray, ({ startTime, endTime }) => ({
      startTime: later(startTime, 1n),
      endTime: later(endTime, -1n),
      id: NEW_ID,
    }));
    await expectRestores(root, RESTORE, 3);
    await expectRestores(root, restoreAt(2), 2);
  });

  test('with a second full among its incrementals', async () => {
    const root = fixtureRoot();
    await alter(root, FIRST, () => ({ startTime: { wall: 0n, logical: 0 } }));
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: `backup layers nodelocal://1/chain/${FULL} (the beginning, ${T1}] and nodelocal://1/${FIRST} (the beginning, ${T2}] are both full backups: a chain has one`,
    });
  });

  test.each([
    ['below the full', undefined],
    ['below incrementals/', `chain/incrementals/${FULL}`],
  ])('whose full is gone, incrementals %s: they are named', async (_title, to) => {
    const root = fixtureRoot();
    if (to !== undefined) moveInBuckets(root, `chain/${FULL}/20261123`, `${to}/20261123`);
    rmSync(inBucket(root, 1, `chain/${FULL}/BACKUP_MANIFEST`));
    const layers = INCREMENTALS.map((name) => `/${(to ?? `chain/${FULL}`).slice('chain/'.length)}/${name}`);
    const gone = {
      code: 'SV_STORAGE_NOT_FOUND',
      message: `the full backup nodelocal://1/chain/${FULL} is gone and 2 of its incremental layers are left, from ${layers[0]} to ${layers[1]}: could not find BACKUP manifest file in any of the known locations: BACKUP_METADATA, BACKUP_MANIFEST, BACKUP`,
    };
    await expectRefused(root, RESTORE, gone);
    await expectRefused(root, `RESTORE DATABASE ch FROM '${FULL}' IN ${uriList('chain')}`, gone);
    // An incremental is no backup by itself, when it is given as one.
    await expectRefused(
      root,
      `RESTORE DATABASE ch FROM ${uriList(to === undefined ? FIRST : `${to}/${INCREMENTALS[0]}`)}`,
      {
        code: 'SV_COVERAGE',
        message: expect.stringMatching(
          /^backups are not continuous: the first backup starts at .*026317, not at the beginning of time: nodelocal.*213535\.74 \(/,
        ),
      },
    );
  });

  test('with layers listed twice and in the wrong order: equal rows', async () => {
    const root = fixtureRoot();
    const layers = [SECOND, FIRST, `chain/${FULL}`, FIRST].map((path) => uriList(path)).join(', ');
    await expectRestores(root, `RESTORE DATABASE ch FROM ${layers}`, 3);
    // The same layer under two names.
    copyLayer(root, SECOND, `chain/${FULL}/20261123/213537.00`);
    await expectRestores(root, RESTORE, 3);
  });

  test('with an unfinished layer at its end: left out, and told', async () => {
    const root = fixtureRoot();
    const begun = `chain/${FULL}/20261123/213600.00`;
    put(root, 1, `${begun}/BACKUP-LOCK-77`, 'lock');
    put(root, 1, `${begun}/progress/BACKUP-CHECKPOINT-13`, 'x');
    put(root, 2, `${begun}/${PART}`, 'x');
    put(root, 1, `${begun}/data/1.sst`, 'x');
    await expectRestores(root, RESTORE, 3);
    expect(await noticesOf(root, RESTORE)).toEqual([
      `nodelocal://1/${begun} holds no manifest: a backup that is running or did not finish`,
    ]);
    const shown = await sql(
      await freshCluster(root),
      `SHOW BACKUP FROM LATEST IN ${uriList('chain')} WITH check_files`,
    );
    expect([shown.rows.length, shown.notices.length]).toEqual([8, 1]);
  });

  test('with an unfinished layer in its middle: the gap is explained by it', async () => {
    const root = fixtureRoot();
    rmSync(inBucket(root, 1, `${FIRST}/BACKUP_MANIFEST`));
    put(root, 1, `${FIRST}/BACKUP-CHECKPOINT`, 'x');
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: expect.stringContaining('backups are not continuous'),
      hint: `nodelocal://1/${FIRST} holds no manifest: a backup that is running or did not finish`,
    });
  });

  test('with an unfinished full', async () => {
    const root = fixtureRoot();
    removeLayer(root, `chain/${FULL}/20261123`);
    rmSync(inBucket(root, 1, `chain/${FULL}/BACKUP_MANIFEST`));
    put(root, 1, `chain/${FULL}/BACKUP-LOCK-77`, 'lock');
    await expectRefused(root, RESTORE, {
      code: 'SV_STORAGE_NOT_FOUND',
      hint: expect.stringMatching(
        /213535\.02 holds .*BACKUP-LOCK-77: a backup that is still running or did not finish$/,
      ),
    });
  });

  test('whose clock ran backwards: an end before its start is refused with file and times', async () => {
    const root = fixtureRoot();
    await alter(root, SECOND, ({ startTime }) => ({ endTime: later(startTime, -1_000_000_000n) }));
    await expectRefused(root, RESTORE, {
      code: 'SV_CORRUPT_MANIFEST',
      message: expect.stringMatching(
        new RegExp(
          `^nodelocal://1/${SECOND}/BACKUP_MANIFEST is damaged: it covers \\(1795469735741317591\\.0000000000, 1795469734741317591`,
        ),
      ),
    });
  });

  test('with two layers of one end and window: either will do', async () => {
    const root = fixtureRoot();
    const twin = `chain/${FULL}/20261123/213536.56`;
    copyLayer(root, SECOND, twin);
    await alter(root, twin, () => ({ id: NEW_ID }));
    await expectRestores(root, RESTORE, 3);
    await expectRestores(root, restoreAt(2), 2);
  });

  test('with overlapping windows: refused where the newest layer begins inside another', async () => {
    const root = fixtureRoot();
    await alter(root, SECOND, ({ startTime }) => ({ startTime: later(startTime, -1000n) }));
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: expect.stringMatching(
        /^backups are not continuous: 0th backup ends at .*026317, 2th backup starts at .*741316: .* and nodelocal.*213536\.55 \(/,
      ),
    });
    await expectRestores(root, restoreAt(2), 2);
  });

  test('with a layer that claims another elided prefix', async () => {
    const root = fixtureRoot();
    await alter(root, FIRST, () => ({ elidedPrefix: 'tenantAndTable' }));
    await expectRefused(root, RESTORE, {
      code: 'SV_COVERAGE',
      message: `backup layer nodelocal://1/${FIRST} (${T1}, ${T2}] writes keys with elided prefix tenantAndTable, its full backup nodelocal://1/chain/${FULL} (the beginning, ${T1}] with none`,
    });
  });

  test('with a layer that claims another locality set', async () => {
    const root = fixtureRoot();
    await alter(root, SECOND, () => ({ localityKvs: ['region=eu'] }));
    await expectRefused(root, RESTORE, {
      code: 'SV_CORRUPT_MANIFEST',
      message: `nodelocal://2/${SECOND}/${PART} is the part of region=us-west, and its manifest names it as the part of region=eu`,
    });
    // Claims none, while its files still say where they are: a file that is not there is missed, never skipped.
    await alter(root, SECOND, () => ({ localityKvs: [], partitionDescriptorFilenames: [] }));
    await expectRefused(root, RESTORE, {
      code: 'SV_STORAGE_NOT_FOUND',
      message: expect.stringContaining(`nodelocal://1/${SECOND}/9000006.sst`),
    });
  });

  test('with a layer of other localities than the full’s, as up to 22.1: equal rows', async () => {
    const root = fixtureRoot();
    cpSync(inBucket(root, 2, SECOND), inBucket(root, 1, SECOND), { recursive: true });
    rmSync(inBucket(root, 2, SECOND), { recursive: true });
    await alter(root, SECOND, ({ files }) => ({
      localityKvs: [],
      partitionDescriptorFilenames: [],
      files: files.map((file) => ({ ...file, localityKv: '' })),
    }));
    await expectRestores(root, RESTORE, 3);
  });

  test('with one encrypted layer', async () => {
    const root = fixtureRoot();
    const manifest = inBucket(root, 1, `${SECOND}/BACKUP_MANIFEST`);
    writeFileSync(manifest, Buffer.concat([Buffer.from('encrypt\x02'), readFileSync(manifest)]));
    rmSync(`${manifest}-CHECKSUM`);
    await expectRefused(root, RESTORE, {
      code: 'SV_USAGE',
      message: `nodelocal://1/${SECOND}/BACKUP_MANIFEST: file appears encrypted -- try specifying one of "encryption_passphrase" or "kms"`,
    });
  });
});

/** A layer that merges both incrementals as CockroachDB 25.1 and later do (crdb-format.md 9), beside them. */
async function compact(root: string): Promise<string> {
  const [first, second] = [
    await readManifest(storageAt(root, 1, FIRST)),
    await readManifest(storageAt(root, 1, SECOND)),
  ];
  const directory = `chain/${FULL}/20261123/213536.55-20261123-213535.02`;
  copyLayer(root, SECOND, directory);
  for (const node of [1, 2]) {
    for (const { path, localityKv } of first.files) {
      if ((localityKv === '') === (node === 1))
        cpSync(inBucket(root, node, `${FIRST}/${path}`), inBucket(root, node, `${directory}/${path}`));
    }
  }
  await alter(root, directory, () => ({
    startTime: first.startTime,
    files: [...first.files, ...second.files],
    introducedSpans: first.introducedSpans,
    isCompacted: true,
    id: NEW_ID,
  }));
  return directory;
}

describe.skipIf(!there)('a compacted layer', () => {
  test('is hidden by SHOW BACKUP, taken by RESTORE, and hides no end of a layer', async () => {
    const root = fixtureRoot();
    await compact(root);
    const shown = await lines(
      await freshCluster(root),
      `SHOW BACKUP FROM LATEST IN ${uriList('chain')} WITH check_files`,
    );
    expect(shown.length).toBe(8);
    for (const layer of [1, 2, 3] as const) await expectRestores(root, restoreAt(layer), layer);
    // It is the one that is read: the layers that it stands for are not missed.
    for (const node of [1, 2])
      for (const path of [FIRST, SECOND]) rmSync(inBucket(root, node, path), { recursive: true });
    await expectRestores(root, RESTORE, 3);
    await expectRefused(root, restoreAt(2), { code: 'SV_COVERAGE' });
  });

  test('whose predecessor is not there is passed over', async () => {
    const root = fixtureRoot();
    await alter(root, await compact(root), ({ startTime }) => ({
      startTime: later(startTime, 1n),
      id: new Uint8Array(16).fill(0xac),
    }));
    await expectRestores(root, RESTORE, 3);
  });
});
