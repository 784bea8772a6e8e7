import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, type RangeSink, workloadInit } from '#src/cluster/index.js';
import { printLocality } from '#src/keys/index.js';
import { native } from '#src/native/index.js';
import { restore } from '#src/restore/index.js';
import { sinkLike } from './delegates.js';
import {
  BARE,
  BUCKETS,
  bucketDirectory,
  closeAll,
  fingerprintsOf,
  keyspaceOf,
  newCluster,
  REGIONS,
  storageOf,
} from './test_cluster.js';

/*
 * The acceptance list of locality-aware backups (crdb-features.md, section 11): getting data back.
 */

const MOVR = { kind: 'databases', names: ['movr'] } as const;
const CLUSTER = { kind: 'cluster' } as const;
const [EAST, WEST, EUROPE] = BARE;

/** Fingerprints of a database's tables, by name within it. */
async function databasePrints(cluster: EmbeddedCluster, database: string): Promise<Record<string, string[]>> {
  const all = Object.entries(await fingerprintsOf(cluster));
  return Object.fromEntries(
    all
      .filter(([name]) => name.startsWith(`${database}.`))
      .map(([name, prints]) => [name.slice(database.length + 1), prints]),
  );
}

describe('acceptance: restoring from what is where', () => {
  let cluster: EmbeddedCluster;
  let subdir: string;
  let wanted: Record<string, string[]>;
  let restored = 0;

  beforeAll(async () => {
    cluster = await newCluster();
    await workloadInit(cluster, 'movr', { rows: 200 });
    const taken = await backup({
      source: cluster.source(),
      into: BUCKETS,
      targets: MOVR,
      storage: storageOf(cluster),
    });
    subdir = taken.subdir;
    wanted = await databasePrints(cluster, 'movr');
    expect(Object.keys(wanted).length).toBe(6);
  });
  afterAll(closeAll);

  /** Restores movr under a fresh name, compares it with the original and drops it. */
  async function restoresFrom(uris: readonly string[], from = 'LATEST'): Promise<void> {
    const name = `copy${++restored}`;
    const sink = cluster.sink();
    await restore({ sink, from, in: uris, targets: MOVR, newDbName: name, storage: storageOf(cluster), workers: 0 });
    expect(await databasePrints(cluster, name), uris.join(' ')).toEqual(wanted);
    await cluster.dropDatabase(name, 'cascade');
  }

  async function refused(uris: readonly string[], from = 'LATEST'): Promise<Error> {
    const before = keyspaceOf(cluster);
    const name = `copy${++restored}`;
    const sink = cluster.sink();
    const failure: unknown = await restore({
      sink,
      from,
      in: uris,
      targets: MOVR,
      newDbName: name,
      storage: storageOf(cluster),
      workers: 0,
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(keyspaceOf(cluster)).toEqual(before);
    expect(cluster.catalog().database(name)).toBeUndefined();
    return failure as Error;
  }

  it('line 7: bare URIs, trailing slashes, and subdirectories with and without a leading slash', async () => {
    await restoresFrom(BARE);
    await restoresFrom(BARE.map((uri) => `${uri}/`));
    await restoresFrom(BUCKETS);
    for (const from of [subdir, subdir.slice(1), `${subdir}/`]) await restoresFrom(BARE, from);
  });

  it('line 8: any order, a location too many, a location too few', async () => {
    const [a, b, c] = [EAST, WEST, EUROPE];
    for (const order of [
      [a, c, b],
      [b, a, c],
      [b, c, a],
      [c, a, b],
      [c, b, a],
    ])
      await restoresFrom(order);
    mkdirSync(bucketDirectory(cluster, 2, 'empty'));
    await restoresFrom(['nodelocal://2/empty', WEST, EAST, EUROPE]);
    await restoresFrom([WEST, EAST, 'nodelocal://3/absent', EUROPE]);
    expect(await refused([EAST, EUROPE])).toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west1 not found in backup locations',
    });
    expect(await refused([EAST, WEST])).toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_2_region=europe-west1 not found in backup locations',
    });
    // Without the default location there is no LATEST and no manifest.
    const lost = await refused([WEST, EUROPE]);
    expect(lost).toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
    expect(lost.message).toContain('path does not contain a completed latest backup');
    expect(await refused(BARE, '/2001/01/01-000000.00')).toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
  });

  it('line 8: parts of another backup do not stand in for the missing ones', async () => {
    const other = [
      'nodelocal://1/o?COCKROACH_LOCALITY=default',
      'nodelocal://2/o?COCKROACH_LOCALITY=region%3Dus-west1',
    ];
    const { subdir: otherSubdir } = await backup({
      source: cluster.source(),
      into: other,
      targets: MOVR,
      storage: storageOf(cluster),
    });
    // The other backup's part under the name and directory of the missing one.
    mkdirSync(bucketDirectory(cluster, 2, `fake${subdir}`), { recursive: true });
    const part = '/BACKUP_PART_1_region=us-west1';
    cpSync(bucketDirectory(cluster, 2, `o${otherSubdir}${part}`), bucketDirectory(cluster, 2, `fake${subdir}${part}`));
    const failure = await refused([EAST, 'nodelocal://2/fake', EUROPE]);
    expect(failure).toMatchObject({ code: 'SV_MISSING_PART' });
    expect(failure.message).toMatch(/^expected backup part to have backup ID [0-9a-f-]{36}, found [0-9a-f-]{36}$/);
  });

  it('line 9: one part moved, all parts in one location, and strays among them', async () => {
    renameSync(bucketDirectory(cluster, 2, 'b'), bucketDirectory(cluster, 3, 'moved'));
    await restoresFrom([EAST, 'nodelocal://3/moved', EUROPE]);
    expect(await refused(BARE)).toMatchObject({ code: 'SV_MISSING_PART' });
    renameSync(bucketDirectory(cluster, 3, 'moved'), bucketDirectory(cluster, 2, 'b'));

    for (const node of [1, 2, 3]) {
      cpSync(bucketDirectory(cluster, node, 'b'), bucketDirectory(cluster, 1, 'all'), { recursive: true });
    }
    await restoresFrom(['nodelocal://1/all']);
    await restoresFrom(['nodelocal://1/all/'], subdir);
    for (const stray of ['metadata/latest/dir', 'metadata/stray', `${subdir.slice(1)}/data/dir`, '2026/13']) {
      mkdirSync(bucketDirectory(cluster, 1, `all/${stray}`), { recursive: true });
    }
    await restoresFrom(['nodelocal://1/all']);
    rmSync(bucketDirectory(cluster, 1, 'all'), { recursive: true });
  });

  it('line 9: objects named `dir/`, as copying tools leave them in buckets, are passed over', async () => {
    const into = ['memory://m/e?COCKROACH_LOCALITY=default', 'memory://m/w?COCKROACH_LOCALITY=region%3Dus-west1'];
    const taken = await backup({ source: cluster.source(), into, targets: MOVR, workers: 0 });
    const empty = new Uint8Array(0);
    const day = taken.subdir.slice(1, 9);
    for (const prefix of ['e/', 'w/']) {
      for (const name of ['', 'metadata/', 'metadata/latest/', '2026/', `${day}`, `${taken.subdir.slice(1)}/`]) {
        native.memoryPut('m', `${prefix}${name}`, empty, false);
      }
      native.memoryPut('m', `${prefix}${taken.subdir.slice(1)}/data/`, empty, false);
    }
    await restoresFrom(['memory://m/w', 'memory://m/e']);
    await restoresFrom(['memory://m/w', 'memory://m/e'], taken.subdir);
  });
});

describe('acceptance: zone configurations that name a region without a node', () => {
  let origin: EmbeddedCluster;
  beforeAll(async () => {
    origin = await newCluster();
    await workloadInit(origin, 'movr', { rows: 3000 });
    await backup({ source: origin.source(), into: BUCKETS, targets: CLUSTER, storage: storageOf(origin) });
  });
  afterAll(closeAll);

  const restoreInto = (cluster: EmbeddedCluster, sink: RangeSink = cluster.sink()) =>
    restore({ sink, from: 'LATEST', in: BARE, targets: CLUSTER, storage: storageOf(origin) });

  const WITHOUT_WEST = [REGIONS[0], REGIONS[2], 'region=us-east1,az=b'];
  /** Bytes of partitions that want us-west1, by the region of their leaseholder. */
  function westBytes(cluster: EmbeddedCluster): Map<string, number> {
    const regions = new Map(cluster.nodes().map(({ nodeId, locality }) => [nodeId, locality[0]!.value]));
    const cities = ['seattle', 'san francisco', 'los angeles'];
    const sums = new Map<string, number>();
    for (const { span, leaseholder, approximateBytes } of cluster.ranges()) {
      if (approximateBytes === 0 || !cities.some((city) => Buffer.from(span.key).includes(city))) continue;
      const region = regions.get(leaseholder)!;
      sums.set(region, (sums.get(region) ?? 0) + approximateBytes);
    }
    return sums;
  }
  const westZones = (cluster: EmbeddedCluster) =>
    cluster.zones().filter(({ rawConfigSql }) => rawConfigSql?.includes("'[+region=us-west1]'"));

  it('line 12: the configuration is kept, the data is spread, a node that joins gets it', async () => {
    const cluster = await newCluster(WITHOUT_WEST);
    const result = await restoreInto(cluster);
    expect(westZones(cluster).map(({ target }) => target)).toEqual(westZones(origin).map(({ target }) => target));
    expect(westZones(cluster).length).toBeGreaterThan(5);
    expect(result.warnings.join('\n')).toContain('us-west1');
    expect(await fingerprintsOf(cluster)).toEqual(await fingerprintsOf(origin));
    const before = westBytes(cluster);
    expect([...before.keys()].sort()).toEqual(['europe-west1', 'us-east1']);

    const joined = await cluster.addNode([
      { key: 'region', value: 'us-west1' },
      { key: 'az', value: 'a' },
    ]);
    expect(joined.bytesMoved).toBeGreaterThan(0);
    expect([...westBytes(cluster).keys()]).toEqual(['us-west1']);
    expect(await fingerprintsOf(cluster)).toEqual(await fingerprintsOf(origin));
  });

  it('line 12: DISCARD removes the wish: nothing moves, and no range asks for us-west1 any more', async () => {
    const cluster = await newCluster(WITHOUT_WEST);
    await restoreInto(cluster);
    const discard = { kind: 'discard' } as const;
    for (const table of ['users', 'vehicles', 'rides', 'vehicle_location_histories', 'user_promo_codes']) {
      const target = { kind: 'partition', partition: 'us_west', table: `movr.${table}`, index: '*' } as const;
      expect((await cluster.configureZone(target, discard)).bytesMoved).toBe(0);
    }
    expect(westZones(cluster)).toEqual([]);
    await cluster.addNode([
      { key: 'region', value: 'us-west1' },
      { key: 'az', value: 'a' },
    ]);
    const wishes = cluster.ranges().map(({ wantedLocality }) => printLocality(wantedLocality ?? []));
    expect(wishes).toContain('region=us-east1');
    expect(wishes).not.toContain('region=us-west1');
  });

  it('line 13: bytes that move afterwards: none with the zones first, those of whole partitions with the zones last', async () => {
    const nodes = REGIONS.flatMap((text) => ['a', 'b', 'c'].map((zone) => text.replace('az=a', `az=${zone}`)));
    const first = await newCluster(nodes);
    const zonesFirst = await restoreInto(first);
    const last = await newCluster(nodes);
    const sink = last.sink();
    const zonesLast = await restoreInto(
      last,
      sinkLike(sink, {
        begin: async (scope) => {
          const ticket = await sink.begin(scope);
          expect(ticket.stages.map(({ name }) => name)).toEqual(['zones', 'data', 'system']);
          const order = ['data', 'system', 'zones'];
          return {
            ...ticket,
            stages: [...ticket.stages].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name)),
          };
        },
      }),
    );
    expect(await fingerprintsOf(last)).toEqual(await fingerprintsOf(first));
    expect(zonesFirst.sink.bytesMoved).toBe(0);
    expect(zonesLast.sink.bytesMoved).toBeGreaterThan(zonesLast.bytes / 10);
    console.log(
      `bytes moved after a restore: zones first ${zonesFirst.sink.bytesMoved}, last ${zonesLast.sink.bytesMoved}`,
    );
    // Both end at the same placement.
    const leases = (cluster: EmbeddedCluster): string[] =>
      cluster
        .ranges()
        .filter(({ wantedLocality }) => wantedLocality !== undefined)
        .map(({ leaseholder }) => cluster.nodes()[leaseholder - 1]!.locality[0]!.value);
    expect(leases(last)).toEqual(leases(first));
  });
});
