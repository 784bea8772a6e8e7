import { afterAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, type RangeSink, type WorkerHalf, workloadInit } from '#src/cluster/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { restore } from '#src/restore/index.js';
import { openStorage, printUri, registerDriver } from '#src/storage/index.js';
import { listBackups, showBackup } from '#src/verify/index.js';
import { startRelay } from '../storage/servers/relay.js';
import { type Sts, startSts } from '../storage/servers/sts.js';
import { hasVersitygw, S3_KEYS, type S3Server, startVersitygw } from '../storage/servers/versitygw.js';
import { sinkLike } from './delegates.js';
import {
  BARE,
  BUCKETS,
  closeAll,
  fingerprintLines,
  fingerprintsOf,
  newCluster,
  REGIONS,
  spreadCluster,
  storageOf,
  tablesOf,
} from './test_cluster.js';

/*
 * Failures that CockroachDB's advisories record (crdb-features.md, section 10), as far as they concern the writing of chains and
 * the whole way through one. Those of reading are in bad_chain.test.ts.
 */

afterAll(closeAll);

const CLUSTER = { kind: 'cluster' } as const;
const KV = { kind: 'databases', names: ['kv'] } as const;
const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 11));
const inline = { workers: 0 } as const;

/** A restore of `from` into `cluster` that stops to do something when its data is written and not yet visible. */
async function restoreWith(
  cluster: EmbeddedCluster,
  from: string,
  midway: () => Promise<void>,
  own: Partial<RangeSink> = {},
): Promise<void> {
  const sink = cluster.sink();
  const stopping = sinkLike(sink, {
    async stageDone(ticket, stage) {
      await sink.stageDone(ticket, stage);
      if (stage === 'data') await midway();
    },
    ...own,
  });
  await restore({ sink: stopping, from: 'LATEST', in: [from], targets: KV, newDbName: 'copy', ...inline });
}

async function chainEqualsSource(cluster: EmbeddedCluster, from: string): Promise<EmbeddedCluster> {
  const target = await newCluster();
  await restore({ sink: target.sink(), from: 'LATEST', in: [from], targets: CLUSTER, ...inline });
  expect(await fingerprintsOf(target)).toEqual(await fingerprintsOf(cluster));
  return target;
}

describe('A63162: rows written by a bulk operation that ran at the previous layer', () => {
  it('a RESTORE that runs over the end of a layer is wholly in the next one', async () => {
    const cluster = await spreadCluster(REGIONS, 6, 60);
    const common = { source: cluster.source(), into: ['memory://a63162/b'], targets: CLUSTER, ...inline };
    await backup({ source: cluster.source(), into: ['memory://a63162/kv'], targets: KV, ...inline });
    await backup(common);
    await restoreWith(cluster, 'memory://a63162/kv', async () => {
      await backup({ ...common, appendTo: 'LATEST' });
    });
    await tick();
    const last = await backup({ ...common, appendTo: 'LATEST' });
    // Its rows are older than the layer's start: only as an introduced span do they come along.
    expect(last.rows).toBeGreaterThanOrEqual(60);
    const target = await chainEqualsSource(cluster, 'memory://a63162/b');
    expect(tablesOf(target).has('copy.public.kv')).toBe(true);
  });

  it('a bulk load that runs over the end of a layer is wholly in the next one', async () => {
    const cluster = await spreadCluster(REGIONS, 6, 60);
    const common = { source: cluster.source(), into: ['memory://a63162/load'], targets: CLUSTER, ...inline };
    await backup(common);
    const load = workloadInit(cluster, 'bank', { rows: 500 });
    await tick();
    await backup({ ...common, appendTo: 'LATEST' });
    await load;
    await tick();
    await backup({ ...common, appendTo: 'LATEST' });
    await chainEqualsSource(cluster, 'memory://a63162/load');
  });
});

describe('A88042: rows of a bulk operation that was rolled back', () => {
  it.each([false, true])('never come back from a chain (revision history: %s)', async (revisionHistory) => {
    const name = `memory://a88042/${revisionHistory}`;
    const cluster = await spreadCluster(REGIONS, 6, 60);
    const common = { source: cluster.source(), into: [`${name}/b`], targets: CLUSTER, revisionHistory, ...inline };
    await backup({ source: cluster.source(), into: [`${name}/kv`], targets: KV, ...inline });
    const failing = restoreWith(
      cluster,
      `${name}/kv`,
      async () => {
        await backup(common);
        await tick();
        await backup({ ...common, appendTo: 'LATEST' });
      },
      {
        publish: async () => {
          throw new Error('the test cancels here');
        },
      },
    );
    await expect(failing).rejects.toThrow('the test cancels here');
    await tick();
    await backup({ ...common, appendTo: 'LATEST' });
    const target = await chainEqualsSource(cluster, `${name}/b`);
    expect(target.catalog().database('copy')).toBeUndefined();
  });
});

describe('A98779: a restore that goes on after a failure skips files', () => {
  it('a worker that dies in any unit of a chain’s restore loses no row and doubles none', async () => {
    const cluster = await spreadCluster(REGIONS, 20, 60);
    const storage = storageOf(cluster);
    const common = { source: cluster.source(), into: BUCKETS, targets: KV, storage, ...inline };
    const table = tablesOf(cluster).get('kv.public.kv')!;
    await backup(common);
    for (const key of [3, 30]) {
      await tick();
      cluster.rows.remove(table, [BigInt(key)]);
      await backup({ ...common, appendTo: 'LATEST' });
    }
    const wanted = await fingerprintLines(cluster, table);
    const attempt = async (deaths: readonly number[]): Promise<number> => {
      const sink = cluster.sink();
      const { module, data } = sink.writer as WorkerHalf;
      const counter = new Int32Array(new SharedArrayBuffer(4));
      const half = {
        module: new URL('./dying_half.mjs', import.meta.url).href,
        data: { module, data, counter, deaths },
      };
      const options = { from: 'LATEST', in: BARE, targets: KV, newDbName: 'copy', storage, workers: 2, unitBytes: 400 };
      const result = await restore({ ...options, sink: sinkLike(sink, { writer: half }) });
      expect(result.rows).toBe(58);
      expect(await fingerprintLines(cluster, tablesOf(cluster).get('copy.public.kv')!)).toEqual(wanted);
      await cluster.dropDatabase('copy', 'cascade');
      return Atomics.load(counter, 0);
    };
    const uses = await attempt([]);
    expect(uses).toBeGreaterThan(3);
    for (let use = 1; use <= uses; use += Math.max(1, Math.floor(uses / 6))) await attempt([use]);
  });
});

describe('A151050: an upload that fails at its end and reports success', () => {
  /** `forgetful://bucket/path`: keeps a data file without its last bytes and says that all is well. */
  registerDriver('forgetful', {
    parameters: [],
    open(uri, settings) {
      const inner = openStorage({ uri: printUri({ ...uri, scheme: 'memory' }), settings });
      return {
        display: inner.display,
        read: (name, options) => inner.read(name, options),
        size: (name) => inner.size(name),
        write: (name, bytes, options) => inner.write(name, bytes, options),
        list: (prefix, options) => inner.list(prefix, options),
        delete: (name) => inner.delete(name),
        close: () => inner.close(),
        async create(name, options) {
          if (!name.startsWith('data/')) return inner.create(name, options);
          const parts: Uint8Array[] = [];
          return {
            write: async (part) => void parts.push(part.slice()),
            finish: async (bytes) => inner.write(name, Buffer.concat(parts).subarray(0, bytes - 20), options),
            abort: async () => undefined,
          };
        },
      };
    },
  });

  it('is found by every restore, which leaves nothing behind', async () => {
    const cluster = await spreadCluster(REGIONS, 3, 30);
    await backup({ source: cluster.source(), into: ['forgetful://a151050/b'], targets: KV, ...inline });
    const failed = await restore({
      sink: cluster.sink(),
      from: 'LATEST',
      in: ['memory://a151050/b'],
      targets: KV,
      newDbName: 'copy',
      ...inline,
    }).catch((error: unknown) => error);
    expect(isSpanvaultError(failed) && failed.code).toBe('SV_CORRUPT_SST');
    expect((failed as Error).message).toMatch(/memory:\/\/a151050\/b\/.*\/data\/\d+\.sst/);
    expect(cluster.catalog().database('copy')).toBeUndefined();
  });
});

describe('R #138081: a collection whose URI has spaces', () => {
  it('holds chains like any other', async () => {
    const cluster = await spreadCluster(REGIONS, 3, 30);
    const storage = storageOf(cluster);
    const into = [
      'nodelocal://1/my backups/50% + ü?COCKROACH_LOCALITY=default',
      'nodelocal://2/my%20backups?COCKROACH_LOCALITY=region%3Dus-west1',
    ];
    await expect(backup({ source: cluster.source(), into, targets: KV, storage, ...inline })).rejects.toThrow(
      /has an invalid percent escape$/,
    );
    const right = [into[0]!.replace('50%', '50%25'), into[1]!];
    const from = ['nodelocal://2/my backups', 'nodelocal://1/my%20backups/50%25%20+%20%C3%BC'];
    await backup({ source: cluster.source(), into: right, targets: KV, storage, ...inline });
    await tick();
    cluster.rows.remove(tablesOf(cluster).get('kv.public.kv')!, [1n]);
    await backup({ source: cluster.source(), into: right, targets: KV, storage, appendTo: 'LATEST', ...inline });
    expect(await listBackups([from[1]!], storage)).toHaveLength(1);
    expect((await showBackup({ from: 'LATEST', in: from, storage, checkFiles: true })).layers).toHaveLength(2);
    const restored = await restore({
      sink: cluster.sink(),
      from: 'LATEST',
      in: from,
      targets: KV,
      newDbName: 'copy',
      storage,
      ...inline,
    });
    expect(restored.rows).toBe(29);
  });
});

describe.skipIf(!hasVersitygw)('R "ExpiredToken": credentials that end in the middle of a long backup', () => {
  const ROLE = 'arn:aws:iam::1:role/vault';
  const USER = { id: 'AKIALONG', secret: 'secret-of-the-user' };
  const EXPIRED = { status: 400, body: '<Error><Code>ExpiredToken</Code></Error>' };

  /** An S3 before which every token is good for some requests, and the token service that gives them. */
  async function withTokens(good: number, work: (server: S3Server, url: string, sts: Sts) => Promise<void>) {
    const server = await startVersitygw();
    await server.makeBucket('long');
    const used = new Map<unknown, number>();
    const relay = await startRelay(server.url, ({ headers }) => {
      const token = headers['x-amz-security-token'];
      used.set(token, (used.get(token) ?? 0) + 1);
      return used.get(token)! > good ? EXPIRED : 'pass';
    });
    const sts = await startSts(USER, [{ arn: ROLE, trusts: 'user', gives: S3_KEYS }]);
    process.env.AWS_ENDPOINT_URL_STS = sts.url;
    try {
      await work(server, relay.url, sts);
    } finally {
      delete process.env.AWS_ENDPOINT_URL_STS;
      for (const one of [relay, sts, server]) await one.stop();
    }
  }
  const uri = (at: string, auth: string): string => `s3://long/b?${auth}&AWS_ENDPOINT=${encodeURIComponent(at)}`;

  it('are renewed as often as it takes: the backup ends, and restores equal', async () => {
    const cluster = await spreadCluster(REGIONS, 20, 200);
    const wanted = await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!);
    await withTokens(4, async (_, at, { tokens, refused }) => {
      const from = uri(
        at,
        `AWS_ACCESS_KEY_ID=${USER.id}&AWS_SECRET_ACCESS_KEY=${USER.secret}&ASSUME_ROLE=${encodeURIComponent(ROLE)}`,
      );
      const taken = await backup({ source: cluster.source(), into: [from], targets: KV, workers: 2 });
      expect(taken.rows).toBe(200);
      const target = await newCluster(REGIONS);
      await restore({ sink: target.sink(), from: 'LATEST', in: [from], targets: KV, workers: 2 });
      expect(await fingerprintLines(target, tablesOf(target).get('kv.public.kv')!)).toEqual(wanted);
      // Three threads have three tokens at least; the others came of renewals.
      expect(tokens.length).toBeGreaterThan(8);
      expect(refused).toEqual([]);
    });
  });

  it('end it with the reason at once where nobody renews them, and no manifest names what was written', async () => {
    const cluster = await spreadCluster(REGIONS, 20, 200);
    await withTokens(9, async (server, at) => {
      const auth = `AWS_ACCESS_KEY_ID=${S3_KEYS.id}&AWS_SECRET_ACCESS_KEY=${S3_KEYS.secret}&AWS_SESSION_TOKEN=short`;
      const failed = await backup({ source: cluster.source(), into: [uri(at, auth)], targets: KV, workers: 2 }).catch(
        (error: unknown) => error,
      );
      expect(failed).toMatchObject({
        code: 'SV_STORAGE_DENIED',
        retry: 'never',
        message: expect.stringMatching(/^writing s3:\/\/long\/b\/.* failed: 400 ExpiredToken$/),
        hint: expect.stringMatching(/^nothing gives newer credentials: pass new ones and run it again; \d+ objects of/),
      });
      const names: string[] = [];
      for await (const { name } of openStorage({ uri: server.uri('long/b'), settings: {} }).list('')) names.push(name);
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => /MANIFEST|METADATA|LATEST/.test(name))).toEqual([]);
    });
  });
});
