import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { backup } from '#src/backup/index.js';
import { BANK_TABLE, tableSpan } from '#src/catalog/index.js';
import type { EmbeddedCluster, RangeSource } from '#src/cluster/index.js';
import { compareTimestamps } from '#src/keys/index.js';
import { restore } from '#src/restore/index.js';
import { closeAll, fingerprintsOf, newCluster } from './test_cluster.js';

/*
 * Garbage collection between and during the backups of a chain: what a layer still holds, and whose protected time keeps what.
 */

afterAll(closeAll);

const TTL_MS = 1100;
const CLUSTER = { kind: 'cluster' } as const;

type ZoneTarget = Parameters<EmbeddedCluster['configureZone']>[0];

async function collectSoon(cluster: EmbeddedCluster, target: ZoneTarget): Promise<void> {
  await cluster.configureZone(target, { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 1 }] });
}

async function bankTable(cluster: EmbeddedCluster, name: string): Promise<void> {
  const [table] = await cluster.createTables('bank', [{ ...BANK_TABLE, name }]);
  for (let id = 0n; id < 10n; id++) cluster.rows.insert(table!, [[id, 0n, name]]);
}

const tableOf = (cluster: EmbeddedCluster, name: string) =>
  cluster
    .catalog()
    .tables()
    .find((table) => table.name === name)!;

function setBalance(cluster: EmbeddedCluster, name: string, id: bigint, balance: bigint): void {
  cluster.rows.update(tableOf(cluster, name), [id], new Map([['balance', balance]]));
}

async function collect(cluster: EmbeddedCluster): Promise<void> {
  await sleep(TTL_MS);
  await cluster.collectGarbage();
}

async function expectRestores(cluster: EmbeddedCluster, location: string): Promise<void> {
  const target = await newCluster();
  await restore({ sink: target.sink(), from: 'LATEST', in: [location], targets: CLUSTER, workers: 0 });
  expect(await fingerprintsOf(target)).toEqual(await fingerprintsOf(cluster));
}

describe('a table made and collected between two layers', () => {
  async function chain(location: string, revisionHistory: boolean) {
    const cluster = await newCluster();
    await cluster.createDatabase('bank');
    await bankTable(cluster, 'old');
    const common = { into: [location], targets: CLUSTER, workers: 0, revisionHistory };
    const full = await backup({ source: cluster.source(), ...common });
    await bankTable(cluster, 'fresh');
    await collectSoon(cluster, { kind: 'table', table: 'bank.fresh' });
    setBalance(cluster, 'fresh', 1n, 1n);
    setBalance(cluster, 'old', 1n, 1n);
    await collect(cluster);
    const [range] = cluster.ranges([tableSpan(tableOf(cluster, 'fresh').id)]);
    expect(compareTimestamps(range!.gcThreshold!, full.endTime)).toBeGreaterThan(0);
    return { cluster, append: () => backup({ source: cluster.source(), ...common, appendTo: 'LATEST' as const }) };
  }

  test('is in the next layer as it is at its end', async () => {
    const { cluster, append } = await chain('memory://collected/plain', false);
    expect((await append()).rows).toBeGreaterThanOrEqual(11);
    await expectRestores(cluster, 'memory://collected/plain');
    setBalance(cluster, 'fresh', 2n, 2n);
    await append();
    await expectRestores(cluster, 'memory://collected/plain');
  });

  test('is refused where the layer owes the revisions that are gone', async () => {
    const { append } = await chain('memory://collected/history', true);
    await expect(append()).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(/^protected ts verification error/),
    });
  });
});

describe('R #131358: protected times of backups that overlap', () => {
  /** A source that stops when a backup has planned, until it is let go. */
  function stopping(source: RangeSource): { source: RangeSource; planned: Promise<void>; go(): void } {
    let reach = (): void => {};
    let go = (): void => {};
    const planned = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const ranges: RangeSource['ranges'] = async (spans) => {
      const all = await source.ranges(spans);
      reach();
      await gate;
      return all;
    };
    const wrapped = new Proxy(source, { get: (on, name) => (name === 'ranges' ? ranges : bound(on, name)) });
    return { source: wrapped, planned, go };
  }

  const bound = (on: RangeSource, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(on, name);
    return typeof value === 'function' ? value.bind(on) : value;
  };

  test('a full that ends does not release the start of the incremental that still runs', async () => {
    const cluster = await newCluster();
    await collectSoon(cluster, { kind: 'range', name: 'default' });
    await cluster.createDatabase('bank');
    await bankTable(cluster, 'accounts');
    const common = { targets: CLUSTER, workers: 0 };
    const into = ['memory://pts/chain'];
    await backup({ source: cluster.source(), into, ...common });
    setBalance(cluster, 'accounts', 1n, 1n);
    cluster.rows.remove(tableOf(cluster, 'accounts'), [2n]);
    const held = stopping(cluster.source());
    const incremental = backup({ source: held.source, into, ...common, appendTo: 'LATEST' });
    await held.planned;
    await backup({ source: cluster.source(), into: ['memory://pts/other'], ...common });
    await expect(
      backup({ source: cluster.source(), into: ['memory://pts/other'], ...common, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'SV_ABORTED' });
    await collect(cluster);
    held.go();
    expect((await incremental).rows).toBeGreaterThanOrEqual(1);
    await expectRestores(cluster, 'memory://pts/chain');
    // Nothing holds the chain's new end now: it goes with the next collection, and the chain says so.
    setBalance(cluster, 'accounts', 3n, 3n);
    await collect(cluster);
    await expect(backup({ source: cluster.source(), into, ...common, appendTo: 'LATEST' })).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(/^protected ts verification error/),
    });
  });
});
