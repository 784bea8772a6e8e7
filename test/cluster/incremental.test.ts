import { afterEach, describe, expect, test } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, openCluster, workloadInit } from '#src/cluster/index.js';
import { native } from '#src/native/index.js';
import { temporaryCluster } from './temporary_cluster.js';

/*
 * What an incremental backup of the embedded cluster costs: what changed, not what exists.
 */

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

const ROWS = 20_000;

/** A bank of 20,000 accounts with a full backup. */
async function backedUp() {
  const { cluster, directory, dispose } = await temporaryCluster(['']);
  disposals.push(dispose);
  await workloadInit(cluster, 'bank', { rows: ROWS });
  const into = ['nodelocal://1/b'];
  const take = (from: EmbeddedCluster, appendTo?: 'LATEST') =>
    backup({
      source: from.source(),
      into,
      targets: { kind: 'databases', names: ['bank'] },
      storage: { externalIODir: from.externalIODir },
      workers: 1,
      ...(appendTo === undefined ? {} : { appendTo }),
    });
  return { cluster, directory, take, full: await take(cluster) };
}

/** Changes 1 % of the rows, at places that look random. */
function changeSome(cluster: EmbeddedCluster, balance: bigint): void {
  const table = cluster.table('bank.bank');
  for (let row = 0; row < ROWS / 100; row++) {
    expect(cluster.rows.update(table, [BigInt((row * 7919) % ROWS)], new Map([['balance', balance]]))).toBe(1);
  }
}

describe('an incremental backup', () => {
  test('of 1 % changed rows reads at most 5 % of the bytes of a full', async () => {
    const { cluster, take, full } = await backedUp();
    expect(full.reads.bytesVisited).toBeGreaterThan(full.bytes);
    for (const round of [1, 2]) {
      changeSome(cluster, BigInt(-round));
      const { rows, reads } = await take(cluster, 'LATEST');
      expect(rows, `round ${round}`).toBe(ROWS / 100);
      expect(reads.scansWithoutIndex).toBe(0);
      expect(reads.bytesVisited! / full.reads.bytesVisited!).toBeLessThan(0.05);
    }
    const { rows, reads } = await take(cluster, 'LATEST');
    expect([rows, reads.bytesVisited! < 1000]).toEqual([0, true]);
  });

  test('that begins before the index scans everything, finds the same and says so', async () => {
    const { cluster, directory, take } = await backedUp();
    changeSome(cluster, -1n);
    // The state of a store that was filled before there was an index.
    const store = native.openStore(cluster.core.store.directory, cluster.core.store.mapBytes);
    while (native.storeForgetChanges(store, cluster.now(), 1000));
    native.closeStore(store);
    const { rows, reads } = await take(cluster, 'LATEST');
    expect([rows, reads.scansWithoutIndex > 0]).toEqual([ROWS / 100, true]);
    expect(reads.bytesVisited).toBeGreaterThan(ROWS * 100);
    await cluster.close();
    const again = await openCluster(directory, { mapBytes: 2 ** 32 });
    try {
      changeSome(again, -2n);
      const next = await take(again, 'LATEST');
      expect([next.rows, next.reads.scansWithoutIndex]).toEqual([ROWS / 100, 0]);
    } finally {
      await again.close();
    }
  });
});
