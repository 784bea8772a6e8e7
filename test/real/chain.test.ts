import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type EmbeddedCluster, initCluster, openCluster, restore, type Timestamp } from '#src/index.js';

/*
 * Chains that a real CockroachDB restores: a full and two incrementals over two locations, and the same states as one full
 * with revision history. The truth is what CockroachDB v21.1 printed after each of its own restores.
 */

const SHARED = resolve(import.meta.dirname, '../../../shared/fixtures');
const TRUTH = join(SHARED, 'truth/v21.1-chain');
const CHAIN = ['nodelocal://1/src/region=us-west', 'nodelocal://1/src/default'];
const scratch = mkdtempSync(join(tmpdir(), 'spanvault-chain-'));
const open: EmbeddedCluster[] = [];
afterAll(async () => {
  for (const cluster of open) await cluster.close();
  rmSync(scratch, { recursive: true });
});

async function clusterWith(backup: string, name: string): Promise<EmbeddedCluster> {
  const directory = join(scratch, name);
  await initCluster(directory, { nodes: [[]] });
  cpSync(join(SHARED, 'cockroach-backups', backup), join(directory, 'extern/1/src'), { recursive: true });
  const cluster = await openCluster(directory);
  open.push(cluster);
  return cluster;
}

function ends(): Timestamp[] {
  const texts = JSON.parse(readFileSync(join(TRUTH, 'ends.json'), 'utf8')) as string[];
  return texts.map((text) => {
    const [wall = '0', logical = '0'] = text.split('.');
    return { wall: BigInt(wall), logical: Number(logical) };
  });
}

function restoreAt(cluster: EmbeddedCluster, uris: readonly string[], asOf: Timestamp) {
  const targets = { kind: 'databases', names: ['ch'] } as const;
  return restore({
    sink: cluster.sink(),
    from: 'LATEST',
    in: uris,
    targets,
    asOf,
    storage: { externalIODir: cluster.externalIODir },
  });
}

async function fingerprints(cluster: EmbeddedCluster, table: string): Promise<(readonly [string, string])[]> {
  const prints = await cluster.rows.fingerprints(cluster.table(['ch', 'public', table]));
  return prints.map(({ index, fingerprint }) => [index, fingerprint ?? 'NULL'] as const);
}

if (!existsSync(TRUTH)) console.warn(`skipped: ${TRUTH} is not beside this checkout`);

describe.skipIf(!existsSync(TRUTH))('chains of CockroachDB v21.1', () => {
  test.each([
    ['v21.1-chain', CHAIN],
    ['v21.1-revisions', ['nodelocal://1/src']],
  ] as const)('%s restores at each of its times with the fingerprints that CockroachDB gave', async (backup, uris) => {
    for (const [index, time] of ends().entries()) {
      const cluster = await clusterWith(backup, `${backup}-${index}`);
      await restoreAt(cluster, uris, time);
      for (const table of ['acct', 'late']) {
        const truth = join(TRUTH, `t${index + 1}.${table}.fp`);
        if (!existsSync(truth)) {
          expect(() => cluster.table(['ch', 'public', table])).toThrow('does not exist');
          continue;
        }
        const lines = readFileSync(truth, 'utf8').trim().split('\n').slice(1);
        expect(await fingerprints(cluster, table)).toEqual(lines.map((line) => line.split('\t')));
      }
    }
  });

  test('a chain without its second location is refused in CockroachDB’s words, before anything is written', async () => {
    const cluster = await clusterWith('v21.1-chain', 'missing');
    await expect(restoreAt(cluster, ['nodelocal://1/src/default'], ends()[2]!)).rejects.toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west not found in backup locations',
    });
    expect(cluster.catalog().database('ch')).toBeUndefined();
  });

  test('a time before the recorded history is refused with the times that can be had', async () => {
    const cluster = await clusterWith('v21.1-revisions', 'early');
    const early = { wall: ends()[0]!.wall - 1_000_000_000n, logical: 0 };
    await expect(restoreAt(cluster, ['nodelocal://1/src'], early)).rejects.toThrow(
      'invalid RESTORE timestamp: BACKUP for requested time only has revision history from',
    );
  });

  test('an encrypted chain says that it is encrypted', async () => {
    const cluster = await clusterWith('v21.1-chain-encrypted', 'encrypted');
    await expect(restoreAt(cluster, CHAIN, ends()[2]!)).rejects.toThrow(
      'file appears encrypted -- try specifying one of "encryption_passphrase" or "kms"',
    );
  });
});
