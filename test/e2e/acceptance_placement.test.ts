import { afterEach, describe, expect, it } from 'vitest';
import { type BackupResult, backup } from '#src/backup/index.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import { openBackup } from '#src/collection/index.js';
import { compareBytes, overlaps, printLocality } from '#src/keys/index.js';
import { execute, openEngine, openSession } from '#src/statements/index.js';
import { sourceLike } from './delegates.js';
import {
  BUCKETS,
  bucketDirectory,
  closeAll,
  filesBelow,
  newCluster,
  spreadCluster,
  storageOf,
} from './test_cluster.js';

/*
 * The acceptance list of locality-aware backups (crdb-features.md, section 11): where data goes.
 */

const NINE_NODES = ['us-east', 'us-west', 'europe-west'].flatMap((region) =>
  ['a', 'b', 'c'].map((zone) => `region=${region},az=${zone}`),
);

/** The node that wrote a file: the last 15 bits of its number. */
const writerOf = (path: string): number => Number(BigInt(/(\d+)\.sst$/.exec(path)![1]!) & 0x7fffn);

/**
 * Every file of a backup lies in the one bucket that `expected` gives to the node that wrote it, and the node that wrote it
 * led the ranges that it holds. Returns how many files each bucket got.
 */
async function checkPlacement(
  cluster: EmbeddedCluster,
  uris: readonly string[],
  taken: BackupResult,
  leases: ReturnType<EmbeddedCluster['ranges']>,
  expected: (locality: string) => string,
): Promise<Map<string, number>> {
  const { layers } = await openBackup({ uris, subdir: taken.subdir, settings: storageOf(cluster) });
  const localities = new Map(cluster.nodes().map(({ nodeId, locality }) => [nodeId, printLocality(locality)]));
  const directories = new Map(
    uris.map((uri) => {
      const [, node, bucket, locality] = /^nodelocal:\/\/(\d)\/(\w+)\?COCKROACH_LOCALITY=(.*)$/.exec(uri)!;
      const kv = decodeURIComponent(locality!);
      return [kv === 'default' ? '' : kv, bucketDirectory(cluster, Number(node), bucket)] as const;
    }),
  );
  const counts = new Map([...directories.keys()].map((kv) => [kv, 0]));
  for (const file of (await layers[0]!.load()).files) {
    const writer = writerOf(file.path);
    const kv = expected(localities.get(writer)!);
    expect(file.localityKv, `${file.path} of n${writer} (${localities.get(writer)})`).toBe(kv);
    counts.set(kv, counts.get(kv)! + 1);
    for (const range of leases.filter(({ span }) => overlaps(span, file.span))) {
      expect(range.leaseholder, `leaseholder of r${range.rangeId}`).toBe(writer);
    }
    const found = [...directories].filter(([, directory]) =>
      filesBelow(directory).includes(`${taken.subdir.slice(1)}/${file.path}`),
    );
    expect(found.map(([bucket]) => bucket)).toEqual([kv]);
  }
  for (const bucket of taken.placement.buckets) {
    expect(bucket.files).toBe(counts.get(bucket.locality === 'default' ? '' : bucket.locality));
  }
  return counts;
}

afterEach(closeAll);

describe('acceptance: where data goes', () => {
  it('line 1: files of ranges that us-west nodes export lie only in the us-west bucket, the rest in default', async () => {
    const cluster = await newCluster(NINE_NODES);
    await workloadInit(cluster, 'movr', { rows: 600 });
    const uris = [
      'nodelocal://1/east?COCKROACH_LOCALITY=default',
      'nodelocal://4/west?COCKROACH_LOCALITY=region%3Dus-west',
    ];
    const taken = await backup({
      source: cluster.source(),
      into: uris,
      targets: { kind: 'cluster' },
      storage: storageOf(cluster),
    });
    const counts = await checkPlacement(cluster, uris, taken, cluster.ranges(), (locality) =>
      locality.startsWith('region=us-west,') ? 'region=us-west' : '',
    );
    expect(counts.get('region=us-west')).toBeGreaterThan(0);
    expect(counts.get('')).toBeGreaterThan(0);
    // Nothing but data and the part of the manifest lies in the us-west bucket.
    const west = filesBelow(bucketDirectory(cluster, 4, 'west')).map((file) => file.slice(taken.subdir.length));
    expect(west.filter((file) => !/^data\/\d+\.sst$/.test(file))).toEqual(['BACKUP_PART_1_region=us-west']);
    // movr's rows of Seattle are led by us-west: no us-west range was displaced, every European one is named.
    expect(new Set(taken.placement.displaced.map(({ wanted, reason }) => `${wanted}: ${reason}`))).toEqual(
      new Set(['region=europe-west: no bucket for the locality', 'region=us-east: no bucket for the locality']),
    );
  });

  it('line 2: a node without locality writes to default', async () => {
    const cluster = await spreadCluster(['region=us-east', 'region=us-west', '']);
    const uris = [
      'nodelocal://1/b?COCKROACH_LOCALITY=default',
      'nodelocal://1/east?COCKROACH_LOCALITY=region%3Dus-east',
      'nodelocal://2/west?COCKROACH_LOCALITY=region%3Dus-west',
    ];
    const leases = cluster.ranges();
    expect(leases.some(({ leaseholder }) => leaseholder === 3)).toBe(true);
    const taken = await backup({
      source: cluster.source(),
      into: uris,
      targets: { kind: 'databases', names: ['kv'] },
      storage: storageOf(cluster),
    });
    const counts = await checkPlacement(cluster, uris, taken, leases, (locality) => locality);
    expect(Math.min(...counts.values())).toBeGreaterThan(0);
  });

  it('line 3: any tier is a tag, and the more specific one beats the region', async () => {
    const cluster = await spreadCluster(['region=us-east,az=b', 'region=us-west,az=a', 'region=us-west,az=b']);
    const uris = [
      'nodelocal://1/b?COCKROACH_LOCALITY=default',
      'nodelocal://2/west?COCKROACH_LOCALITY=region%3Dus-west',
      'nodelocal://3/b?COCKROACH_LOCALITY=az%3Db',
    ];
    const leases = cluster.ranges();
    const taken = await backup({
      source: cluster.source(),
      into: uris,
      targets: { kind: 'databases', names: ['kv'] },
      storage: storageOf(cluster),
    });
    const counts = await checkPlacement(cluster, uris, taken, leases, (locality) =>
      locality.endsWith('az=b') ? 'az=b' : 'region=us-west',
    );
    expect(counts.get('az=b')).toBeGreaterThan(1);
    expect(counts.get('region=us-west')).toBeGreaterThan(0);
    expect(counts.get('')).toBe(0);
  });

  it('line 6: leases that move between planning and export change nothing: the bucket follows the exporter', async () => {
    const cluster = await newCluster();
    await workloadInit(cluster, 'movr', { rows: 300 });
    const source = cluster.source();
    let planned: ReturnType<EmbeddedCluster['ranges']> = [];
    const taken = await backup({
      source: sourceLike(source, {
        ranges: async (spans) => {
          const ranges = await source.ranges(spans);
          planned = [...ranges];
          // All of movr moves to us-east1 before the first byte is exported.
          for (const name of ['us_west', 'europe_west']) {
            for (const table of ['users', 'vehicles', 'rides', 'vehicle_location_histories', 'user_promo_codes']) {
              await cluster.configureZone(
                { kind: 'partition', partition: name, table: `movr.${table}`, index: '*' },
                { kind: 'set', settings: [{ name: 'constraints', value: '[+region=us-east1]' }] },
              );
            }
          }
          return ranges;
        },
      }),
      into: BUCKETS,
      targets: { kind: 'databases', names: ['movr'] },
      storage: storageOf(cluster),
    });
    const moved = planned.filter(({ span, leaseholder }) =>
      cluster.ranges().some((now) => compareBytes(now.span.key, span.key) === 0 && now.leaseholder !== leaseholder),
    );
    expect(moved.length).toBeGreaterThan(10);
    const counts = await checkPlacement(cluster, BUCKETS, taken, planned, (locality) => {
      const [region] = locality.split(',');
      return region === 'region=us-east1' ? '' : region!;
    });
    expect(Math.min(...counts.values())).toBeGreaterThan(0);
  });
});

const WEST = 'nodelocal://2/b?COCKROACH_LOCALITY=region%3Dus-west1';
const HOME = 'nodelocal://1/b?COCKROACH_LOCALITY=default';
const TIER = 'failed to parse backup locality: tier must be in the form "key=value" not';

/** URIs, and the exact words that refuse them. */
const REFUSED: readonly (readonly [string, readonly string[], string, string])[] = [
  ['no URI', [], 'SV_USAGE', 'no storage URI is given'],
  [
    'one URI with a locality',
    [WEST],
    'SV_LOCALITY',
    'COCKROACH_LOCALITY region=us-west1 is invalid for a single BACKUP location',
  ],
  [
    'a URI without the parameter',
    [HOME, 'nodelocal://2/b'],
    'SV_LOCALITY',
    'multiple URLs are provided for partitioned BACKUP, but COCKROACH_LOCALITY is not specified',
  ],
  [
    'no default',
    [WEST, 'nodelocal://3/b?COCKROACH_LOCALITY=region%3Deurope-west1'],
    'SV_LOCALITY',
    'no default URL provided for partitioned backup',
  ],
  [
    'two defaults',
    [HOME, 'nodelocal://2/b?COCKROACH_LOCALITY=default', WEST],
    'SV_LOCALITY',
    'multiple default URLs provided for partition backup',
  ],
  [
    'one locality twice',
    [HOME, WEST, 'nodelocal://3/b?COCKROACH_LOCALITY=region%3Dus-west1'],
    'SV_LOCALITY',
    'duplicate URIs for locality region=us-west1',
  ],
  [
    'two tiers in one parameter',
    [HOME, 'nodelocal://2/b?COCKROACH_LOCALITY=region%3DUS-East%2Czone%3DZone-1'],
    'SV_LOCALITY',
    `${TIER} "region=US-East,zone=Zone-1"`,
  ],
  [
    'a value that is encoded twice',
    [HOME, 'nodelocal://2/b?COCKROACH_LOCALITY=region%253Dus-west1'],
    'SV_LOCALITY',
    `${TIER} "region%3Dus-west1"`,
  ],
  [
    'a value that is not encoded',
    [HOME, 'nodelocal://2/b?COCKROACH_LOCALITY=region=us-west1'],
    'SV_LOCALITY',
    'failed to parse backup locality: the value "region=us-west1" is not percent-encoded',
  ],
  [
    'a tier without a value',
    [HOME, 'nodelocal://2/b?COCKROACH_LOCALITY=region%3D'],
    'SV_LOCALITY',
    `${TIER} "region="`,
  ],
  [
    'a parameter in lower case',
    [HOME, 'nodelocal://2/b?cockroach_locality=region%3Dus-west1'],
    'SV_URI',
    'unknown nodelocal query parameters: cockroach_locality',
  ],
  [
    'unknown parameters',
    [`${HOME}&partition_format=daily&AUTH=implicit`, WEST],
    'SV_URI',
    'unknown nodelocal query parameters: AUTH, partition_format',
  ],
];

describe('acceptance, line 4: a wrong list of locations is refused in exact words, and nothing is written', () => {
  it.each(REFUSED)('%s', async (_title, into, code, message) => {
    const cluster = await newCluster();
    const phases: string[] = [];
    const attempt = backup({
      source: cluster.source(),
      into,
      targets: { kind: 'cluster' },
      storage: storageOf(cluster),
      onProgress: ({ phase }) => phases.push(phase),
    });
    await expect(attempt).rejects.toMatchObject({ code, message });
    expect(filesBelow(cluster.externalIODir)).toEqual([]);
    expect(phases).toEqual([]);
  });

  it('as statements too, detached or not: no job is made', async () => {
    const cluster = await newCluster();
    await cluster.close();
    const engine = await openEngine(cluster.directory);
    try {
      const session = openSession(engine);
      for (const [title, into, code, message] of REFUSED.filter(([, uris]) => uris.length > 0)) {
        const list = into.map((uri) => `'${uri}'`).join(', ');
        for (const ending of ['', ' WITH detached']) {
          const attempt = execute(session, `BACKUP INTO (${list})${ending}`);
          await expect(attempt, title).rejects.toMatchObject({ code, message });
        }
      }
      expect(session.jobs.list()).toEqual([]);
      expect(filesBelow(cluster.externalIODir)).toEqual([]);
    } finally {
      await engine.close();
    }
  });
});
