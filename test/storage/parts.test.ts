import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { workloadInit } from '#src/cluster/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { measureStorage, openStorage, type StorageConfig, setStorageClock } from '#src/storage/index.js';
import { closeAll, newCluster } from '../e2e/test_cluster.js';
import { scaledClock } from '../support/clocks.js';
import { startFaultProxy } from './fault_proxy.js';
import { AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from './servers/azurite.js';
import type { TestServer } from './servers/process.js';
import { type Mishap, startRelay } from './servers/relay.js';
import { hasVersitygw, type S3Server, startVersitygw } from './servers/versitygw.js';
import { seeded } from './storm.js';

const MIB = 1 << 20;
const PARTS = 5;
const part = (index: number): Uint8Array => new Uint8Array(5 * MIB).fill(index + 1);
/** A request that is never answered. */
const never = (): Promise<Mishap> => new Promise(() => undefined);

interface Store {
  /** Where a relay of the test stands before the store. */
  config(at: string): StorageConfig;
  readonly url: string;
  /** Place of the part that a request carries. */
  placeOf(url: string): number | undefined;
  /** Name of the request that carries a part. */
  readonly kind: string;
  /** What of unfinished objects the store holds. */
  unfinished(): Promise<unknown[]>;
}

/** What a store that takes parts side by side does when the middle one fails. */
function behaves(open: () => Promise<Store>): void {
  let store: Store;
  beforeAll(async () => {
    store = await open();
  });

  it('sends a middle part again and leaves the others on their way', async () => {
    let failures = 3;
    const relay = await startRelay(store.url, ({ url }) =>
      store.placeOf(url) === 2 && failures-- > 0 ? { status: 500 } : 'pass',
    );
    try {
      const config = { ...store.config(relay.url), settings: { retry: { baseMs: 1 } } };
      const usages = await measureStorage(async (ledger) => {
        const storage = openStorage(config);
        const writer = await storage.create('again');
        expect(writer.parallelParts).toBe(true);
        await Promise.all(Array.from({ length: PARTS }, (_, index) => writer.write(part(index))));
        await writer.finish(PARTS * 5 * MIB);
        const { bytes } = await storage.read('again');
        for (let index = 0; index < PARTS; index++)
          expect(Buffer.compare(bytes.subarray(index * 5 * MIB, (index + 1) * 5 * MIB), part(index))).toBe(0);
        return ledger.usages();
      });
      expect(usages[0]!.requests[store.kind]).toBe(PARTS + 3);
      expect(usages[0]!.operations.part).toMatchObject({ calls: PARTS, retries: 3 });
    } finally {
      await relay.stop();
    }
  });

  it('stops the others when the middle part fails for good, and leaves nothing', async () => {
    const held = new Set<number>();
    const relay = await startRelay(store.url, ({ url }) => {
      const place = store.placeOf(url);
      if (place === undefined) return 'pass';
      if (place !== 2) {
        held.add(place);
        return never();
      }
      // Not before the others are on their way.
      return new Promise((resolve) => {
        const timer = setInterval(() => {
          if (held.size < PARTS - 1) return;
          clearInterval(timer);
          resolve({ status: 403 });
        }, 5);
      });
    });
    try {
      const writer = await openStorage(store.config(relay.url)).create('failed');
      const written = await Promise.allSettled(Array.from({ length: PARTS }, (_, index) => writer.write(part(index))));
      const codes = written.map((one) =>
        one.status === 'rejected' ? (one.reason as { code: string }).code : 'written',
      );
      expect(codes).toEqual(Array.from({ length: PARTS }, (_, i) => (i === 2 ? 'SV_STORAGE_DENIED' : 'SV_ABORTED')));
      await writer.abort();
      expect(await store.unfinished()).toEqual([]);
    } finally {
      await relay.stop();
    }
  });

  it('ends parts that wait or are on their way when it is aborted', async () => {
    let asked = 0;
    const relay = await startRelay(store.url, ({ url }) => {
      const place = store.placeOf(url);
      if (place === undefined) return 'pass';
      asked++;
      return place % 2 === 0 ? { status: 500 } : never();
    });
    try {
      const config = {
        ...store.config(relay.url),
        settings: { retry: { baseMs: 1e7, capMs: 1e7, operationTimeoutMs: 1e9 } },
      };
      const writer = await openStorage(config).create('aborted');
      const written = Promise.allSettled(Array.from({ length: PARTS }, (_, index) => writer.write(part(index))));
      while (asked < PARTS) await new Promise((resolve) => setTimeout(resolve, 5));
      await writer.abort();
      for (const one of await written) expect(one).toMatchObject({ reason: { code: 'SV_ABORTED' } });
      expect(await store.unfinished()).toEqual([]);
    } finally {
      await relay.stop();
    }
  });
}

describe.skipIf(!hasVersitygw)('parts side by side to s3', () => {
  let server: S3Server;
  const uploads = async () =>
    (await server.client().send(new ListMultipartUploadsCommand({ Bucket: 'parts' }))).Uploads ?? [];
  const placeOf = (url: string): number | undefined => {
    const number = /partNumber=(\d+)/.exec(url)?.[1];
    return number === undefined ? undefined : Number(number) - 1;
  };
  beforeAll(async () => {
    server = await startVersitygw();
    for (const name of ['parts', 'storm']) await server.makeBucket(name);
  });
  afterAll(async () => {
    await closeAll();
    await server.stop();
  });

  behaves(async () => ({
    config: (at) => ({ uri: server.uri('parts/a', at), settings: {} }),
    url: server.url,
    placeOf,
    kind: 'UploadPart',
    unfinished: uploads,
  }));

  it('come through a storm as the object that was written, or not at all', async () => {
    let written = 0;
    for (let seed = 1; seed <= 4; seed++) {
      const random = seeded(seed);
      const clock = scaledClock(400, random);
      const rates = { errors: 0.25, throttles: 0.3, corrupted: 0.05, delayMs: 10_000 };
      const proxy = await startFaultProxy(server.url, rates, clock, random);
      setStorageClock(clock);
      try {
        // A busy machine takes three seconds of its own for a part before it counts as lost.
        const settings = { retry: { callTimeoutMs: 1_200_000, operationTimeoutMs: 36_000_000, attempts: 15 } };
        const writer = await openStorage({ uri: server.uri('storm/a', proxy.url), settings }).create(`${seed}`);
        const ended = await (async () => {
          try {
            await Promise.all(Array.from({ length: PARTS }, (_, index) => writer.write(part(index))));
            await writer.finish(PARTS * 5 * MIB);
            return 'written';
          } catch (error) {
            if (!isSpanvaultError(error)) throw error;
            await writer.abort();
            return error.code;
          }
        })();
        setStorageClock(undefined);
        const reading = openStorage({ uri: server.uri('storm/a'), settings: {} }).read(`${seed}`);
        if (ended !== 'written') {
          await expect(reading, `seed ${seed}, ${ended}`).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
          continue;
        }
        const expected = Buffer.concat(Array.from({ length: PARTS }, (_, index) => part(index)));
        expect(Buffer.compare((await reading).bytes, expected), `seed ${seed}`).toBe(0);
        written++;
      } finally {
        setStorageClock(undefined);
        await proxy.stop();
      }
    }
    expect(written).toBeGreaterThan(2);
  }, 60_000);

  it('leave no upload that the store began while it was aborted', async () => {
    let beginning = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      beginning = resolve;
    });
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const relay = await startRelay(server.url, async ({ url }) => {
      if (/[?&]uploads/.test(url)) {
        beginning();
        await answered;
      }
      return 'pass' as const;
    });
    try {
      const storage = openStorage({ uri: server.uri('parts/late', relay.url), settings: {} });
      const writer = await storage.create('a');
      const written = expect(writer.write(part(0))).rejects.toMatchObject({ code: 'SV_ABORTED' });
      await asked;
      const aborted = writer.abort();
      await written;
      answer();
      await aborted;
      // What the store does with the request when nobody listens any more takes it a moment.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await uploads()).toEqual([]);
    } finally {
      await relay.stop();
    }
  });

  it('end with the backup that a middle part fails, which tells why', async () => {
    const cluster = await newCluster();
    await workloadInit(cluster, 'kv', { rows: 30_000, valueBytes: 1024 });
    const relay = await startRelay(server.url, ({ url }) => {
      const place = placeOf(url);
      return place === undefined || place === 0 ? 'pass' : place === 1 ? { status: 403 } : never();
    });
    try {
      const taking = backup({
        source: cluster.source(),
        into: [server.uri('parts/backup', relay.url)],
        targets: { kind: 'databases', names: ['kv'] },
        compression: 'none',
        partBytes: 5 * MIB,
        workers: 1,
      });
      await expect(taking).rejects.toMatchObject({ code: 'SV_STORAGE_DENIED' });
      expect(await uploads()).toEqual([]);
    } finally {
      await relay.stop();
    }
  });
});

describe.skipIf(!hasAzurite)('parts side by side to azure-blob', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startAzurite();
  });
  afterAll(async () => {
    delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
    await server.stop();
  });

  behaves(async () => {
    const client = await azuriteContainer(server.url, 'parts');
    return {
      config: (at) => {
        process.env.AZURE_STORAGE_SERVICE_ENDPOINT = at;
        return { uri: `azure-blob://parts/a?${AZURITE_PARAMETERS}`, settings: {} };
      },
      url: server.url,
      placeOf: (url) => {
        const id = new URL(url, server.url).searchParams.get('blockid');
        return id === null ? undefined : Number(Buffer.from(id, 'base64').toString().split('-').at(-1));
      },
      kind: 'PutBlock',
      // Blocks that no blob took are the store's to drop: what counts is that no blob is there.
      unfinished: async () => {
        const found: string[] = [];
        for await (const { name } of client.listBlobsFlat()) if (name !== 'a/again') found.push(name);
        return found;
      },
    };
  });
});
