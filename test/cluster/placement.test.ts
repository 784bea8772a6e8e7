import { afterEach, describe, expect, test } from 'vitest';
import { BANK_TABLE, indexPrefix, tableSpan, type ZoneChange } from '#src/catalog/index.js';
import { readEntries } from '#src/cluster/embedded/entries.js';
import { type EmbeddedCluster, type RangeInfo, workloadInit } from '#src/cluster/index.js';
import { concatBytes, fromHex, hasPrefix, MAX_TIMESTAMP, parseLocality, printLocality } from '#src/keys/index.js';
import { temporaryCluster } from './temporary_cluster.js';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

async function open(localities?: readonly string[]): Promise<EmbeddedCluster> {
  const { cluster, dispose } = await temporaryCluster(localities);
  disposals.push(dispose);
  return cluster;
}

function set(name: string, value: string | number): ZoneChange {
  return { kind: 'set', settings: [{ name, value }] };
}

function rangesOf(cluster: EmbeddedCluster, table: string): RangeInfo[] {
  return cluster.ranges([tableSpan(cluster.table(table).id)]);
}

/** `rides/us_west` ranges are those whose first key holds one of its cities. */
function cityRange(cluster: EmbeddedCluster, table: string, city: string): RangeInfo {
  const { id } = cluster.table(table);
  const prefix = concatBytes(indexPrefix(id, 1), fromHex('12'), Buffer.from(city));
  return cluster.ranges().find(({ span }) => hasPrefix(span.key, prefix))!;
}

describe('zone configurations', () => {
  test('are inherited from the default to the partition, and discarding one brings the next back', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'movr', { rows: 200, partitioned: true });
    const where = () => cityRange(cluster, 'movr.rides', 'seattle');
    expect(where().replicas).toEqual([1]);
    expect(printLocality(where().wantedLocality!)).toBe('region=us-west1');
    const partition = {
      kind: 'partition',
      partition: 'us_west',
      table: 'movr.public.rides',
      index: 'rides_pkey',
    } as const;
    await cluster.configureZone({ kind: 'table', table: 'movr.rides' }, set('constraints', '[+region=us-east1]'));
    expect(where().replicas).toEqual([1]);
    expect((await cluster.configureZone(partition, { kind: 'discard' })).changed).toBe(1);
    expect(where()?.replicas ?? rangesOf(cluster, 'movr.rides')[0]!.replicas).toEqual([2]);
    await cluster.configureZone({ kind: 'database', name: 'movr' }, set('constraints', '[+region=europe-west1]'));
    expect(rangesOf(cluster, 'movr.rides')[0]!.replicas).toEqual([2]);
    expect(rangesOf(cluster, 'movr.promo_codes')[0]!.replicas).toEqual([3]);
    await cluster.configureZone({ kind: 'table', table: 'movr.rides' }, { kind: 'discard' });
    expect(rangesOf(cluster, 'movr.rides')[0]!.replicas).toEqual([3]);
    await cluster.configureZone({ kind: 'database', name: 'movr' }, { kind: 'discard' });
    expect(rangesOf(cluster, 'movr.rides')[0]!.replicas).toEqual([1, 2, 3]);
  });

  test('that no node can satisfy wait for one: data is spread, and moves when it joins', async () => {
    const cluster = await open(['region=us-east1,az=a', 'region=us-east1,az=b']);
    await workloadInit(cluster, 'movr', { rows: 2000, partitioned: true });
    expect(cityRange(cluster, 'movr.rides', 'rome').replicas).toEqual([1, 2]);
    expect(printLocality(cityRange(cluster, 'movr.rides', 'rome').wantedLocality!)).toBe('region=europe-west1');
    expect((await cluster.rebalance()).warnings).toContain(
      "zone configuration of PARTITION europe_west OF INDEX movr.public.rides@primary: no live node satisfies constraint '+region=europe-west1'; it is ignored until one joins",
    );
    const { nodeId, bytesMoved, warnings } = await cluster.addNode(parseLocality('region=europe-west1,az=a'));
    expect(nodeId).toBe(3);
    expect(bytesMoved).toBeGreaterThan(0);
    expect(warnings.join()).not.toContain('europe_west');
    expect(cityRange(cluster, 'movr.rides', 'rome')).toMatchObject({ replicas: [3], leaseholder: 3 });
    expect((await cluster.rebalance()).rangesMoved).toBe(0);
    await cluster.setNodeStatus(3, 'dead');
    expect(cityRange(cluster, 'movr.rides', 'rome').replicas).toEqual([1, 2]);
    await cluster.setNodeStatus(3, 'live');
    expect(cityRange(cluster, 'movr.rides', 'rome').replicas).toEqual([3]);
  });

  test('refuse what CockroachDB refuses', async () => {
    const cluster = await open();
    await expect(
      cluster.configureZone({ kind: 'database', name: 'defaultdb' }, set('constraints', '[+region=mars]')),
    ).rejects.toMatchObject({
      code: 'SV_CONSTRAINT',
      message: 'constraint "+region=mars" matches no existing nodes within the cluster - did you enter it correctly?',
    });
    await expect(cluster.configureZone({ kind: 'range', name: 'default' }, { kind: 'discard' })).rejects.toMatchObject({
      code: 'SV_CONSTRAINT',
    });
    await expect(cluster.addNode(parseLocality('az=x,region=y'))).rejects.toMatchObject({ code: 'SV_LOCALITY' });
    await cluster.setNodeStatus(1, 'decommissioned');
    await expect(cluster.setNodeStatus(1, 'live')).rejects.toMatchObject({ code: 'SV_CONSTRAINT' });
    expect(cluster.coordinator).toBe(2);
    await cluster.setNodeStatus(2, 'dead');
    await expect(cluster.setNodeStatus(3, 'dead')).rejects.toMatchObject({
      code: 'SV_CONSTRAINT',
      message: 'node 3 is the last live node',
    });
  });
});

describe('ranges', () => {
  test('are cut at tables and indexes, by hand and by size, and always cover the keyspace', async () => {
    const cluster = await open();
    await workloadInit(cluster, 'bank', { rows: 5000 });
    expect(rangesOf(cluster, 'bank.bank')).toHaveLength(1);
    const { id } = cluster.table('bank.bank');
    const key = concatBytes(indexPrefix(id, 1), fromHex('f70100'));
    expect(await cluster.splitAt(key)).toBe(true);
    expect(await cluster.splitAt(key)).toBe(false);
    expect(rangesOf(cluster, 'bank.bank')).toHaveLength(2);
    await cluster.configureZone(
      { kind: 'database', name: 'bank' },
      {
        kind: 'set',
        settings: [
          { name: 'range_min_bytes', value: 1000 },
          { name: 'range_max_bytes', value: 131072 },
        ],
      },
    );
    const before = rangesOf(cluster, 'bank.bank').reduce((sum, { approximateBytes }) => sum + approximateBytes, 0);
    const split = await cluster.source().ranges([tableSpan(id)]);
    expect(split.length).toBeGreaterThan(5);
    const entries = [...readEntries(cluster.core.store, tableSpan(id), MAX_TIMESTAMP)];
    const bytes = entries.reduce((sum, entry) => sum + entry.key.length + entry.value.length, 0);
    expect(split.reduce((sum, { approximateBytes }) => sum + approximateBytes, 0)).toBe(bytes);
    expect(Math.abs(before - bytes)).toBeLessThan(10);
    expect(Math.max(...split.map(({ approximateBytes }) => approximateBytes))).toBeLessThanOrEqual(131072);
    const all = cluster.ranges();
    expect(
      all.every(({ span }, index) => index === 0 || Buffer.compare(span.key, all[index - 1]!.span.endKey) === 0),
    ).toBe(true);
    await cluster.dropDatabase('bank');
    expect(cluster.ranges().length).toBeLessThan(all.length - split.length + 2);
  });

  test('share out leases over nodes', async () => {
    const cluster = await open();
    await cluster.createDatabase('many');
    await cluster.createTables(
      'many',
      Array.from({ length: 30 }, (_, index) => ({ ...BANK_TABLE, name: `t${index}` })),
    );
    const leases = [1, 2, 3].map(
      (nodeId) => cluster.ranges().filter(({ leaseholder }) => leaseholder === nodeId).length,
    );
    expect(Math.max(...leases) - Math.min(...leases)).toBeLessThan(cluster.ranges().length / 3);
  });
});
