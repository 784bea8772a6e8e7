import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { measureStorage, openStorage, type StorageSettings } from '#src/storage/index.js';
import { scaledClock } from '../support/clocks.js';
import { type FaultProxy, NO_FAULTS, startFaultProxy } from './fault_proxy.js';
import { startRelay } from './servers/relay.js';
import { hasVersitygw, type S3Server, startVersitygw } from './servers/versitygw.js';
import { seeded } from './storm.js';

let server: S3Server;
/** Orders conditional writes as S3 does. */
let front: FaultProxy;
let bucket = 0;

describe.skipIf(!hasVersitygw)('s3 on versitygw', () => {
  beforeAll(async () => {
    server = await startVersitygw();
    front = await startFaultProxy(server.url, NO_FAULTS, scaledClock(1, Math.random), Math.random);
  });
  afterAll(async () => {
    await front.stop();
    await server.stop();
  });

  const fresh = async (settings: StorageSettings = {}, path = '/a/b c') => {
    const name = `bucket-${bucket++}`;
    await server.makeBucket(name);
    const config = { uri: server.uri(`${name}${path}`, front.url), settings };
    return { name, config };
  };

  storageConformance(
    's3',
    async () => {
      const { name, config } = await fresh();
      return {
        storage: openStorage(config),
        reopen: () => openStorage(config),
        putForeign: async (object, bytes) => {
          await server.client().send(new PutObjectCommand({ Bucket: name, Key: `a/b c/${object}`, Body: bytes }));
        },
        dispose: async () => undefined,
      };
    },
    { describe, it },
  );

  storageConformance(
    's3 through a network that loses, damages and refuses',
    async () => {
      const seed = bucket;
      const name = `bucket-${bucket++}`;
      await server.makeBucket(name);
      const random = seeded(seed);
      const rates = { errors: 0.08, throttles: 0.05, corrupted: 0.01, delayMs: 0 };
      const proxy = await startFaultProxy(server.url, rates, scaledClock(50, random), random);
      const config = {
        uri: server.uri(`${name}/a`, proxy.url),
        settings: { retry: { baseMs: 1, callTimeoutMs: 2_000 } },
      };
      return {
        storage: openStorage(config),
        reopen: () => openStorage(config),
        putForeign: async (object, bytes) => {
          await server.client().send(new PutObjectCommand({ Bucket: name, Key: `a/${object}`, Body: bytes }));
        },
        dispose: () => proxy.stop(),
      };
    },
    { describe, it: (title, body) => it(title, body, 120_000) },
  );

  it('counts the requests that really went out', async () => {
    const { name, config } = await fresh();
    const usages = await measureStorage(async (ledger) => {
      const storage = openStorage(config);
      await storage.write('small', Buffer.from('x'));
      for (const parts of [[100], [8 << 20, 8 << 20, 100]]) {
        const writer = await storage.create('object');
        for (const bytes of parts) await writer.write(new Uint8Array(bytes));
        await writer.finish(parts.reduce((sum, bytes) => sum + bytes));
      }
      await storage.read('object', { offset: -100 });
      await storage.read('small');
      return ledger.usages();
    });
    expect(usages.map((usage) => [usage.bucket, usage.requests])).toEqual([
      [
        `s3://${name}`,
        { PutObject: 2, CreateMultipartUpload: 1, UploadPart: 3, CompleteMultipartUpload: 1, GetObject: 2 },
      ],
    ]);
  });

  it('leaves no upload behind when a writer is aborted', async () => {
    const { name, config } = await fresh();
    const writer = await openStorage(config).create('object');
    await writer.write(new Uint8Array(6 << 20));
    const uploads = () => server.client().send(new ListMultipartUploadsCommand({ Bucket: name }));
    expect((await uploads()).Uploads).toHaveLength(1);
    await writer.abort();
    expect((await uploads()).Uploads ?? []).toEqual([]);
  });

  it('names a bucket that is not there and credentials that are refused', async () => {
    await expect(openStorage({ uri: server.uri('nowhere'), settings: {} }).read('x')).rejects.toMatchObject({
      code: 'SV_STORAGE_IO',
      message: 'reading s3://nowhere/x failed: 404 NoSuchBucket',
    });
    const { config } = await fresh();
    const uri = config.uri.replace('ACCESS_KEY_ID=', 'ACCESS_KEY_ID=not-');
    await expect(openStorage({ uri, settings: {} }).read('x')).rejects.toMatchObject({ code: 'SV_STORAGE_DENIED' });
  });

  it('keeps prefixes with spaces, percent signs, plus signs and unicode apart', async () => {
    const name = `bucket-${bucket++}`;
    await server.makeBucket(name);
    const paths = ['a%20b', 'a%2520b', 'a+b', 'a%25b', '%C3%BC%E6%97%A5'];
    for (const path of paths)
      await openStorage({ uri: server.uri(`${name}/${path}`), settings: {} }).write('f', Buffer.from(path));
    for (const path of paths) {
      const storage = openStorage({ uri: server.uri(`${name}/${path}`), settings: {} });
      expect(Buffer.from((await storage.read('f')).bytes).toString()).toBe(path);
      const found = [];
      for await (const object of storage.list('')) found.push(object.name);
      expect(found).toEqual(['f']);
    }
  });

  it('knows its own write again when the answer was lost, and another writer’s from its own', async () => {
    const { config, name } = await fresh({ retry: { baseMs: 1 } });
    const lost = new Set(['PUT', 'POST']);
    const relay = await startRelay(server.url, ({ method, url }) => {
      if (url.includes('uploads') || url.includes('partNumber')) return 'pass';
      return lost.delete(method) ? 'lose answer' : 'pass';
    });
    try {
      const storage = openStorage({ ...config, uri: server.uri(`${name}/a`, relay.url) });
      await storage.write('lock', Buffer.from('mine'), { ifAbsent: true });
      const writer = await storage.create('large', { ifAbsent: true });
      await writer.write(new Uint8Array(6 << 20));
      await writer.finish(6 << 20);
      expect(await storage.size('large')).toBe(6 << 20);
      expect(lost.size).toBe(0);
      lost.add('PUT');
      // The same bytes: only the id of the write tells the two apart.
      await expect(storage.write('lock', Buffer.from('mine'), { ifAbsent: true })).rejects.toMatchObject({
        code: 'SV_STORAGE_EXISTS',
      });
    } finally {
      await relay.stop();
    }
  });

  it('signs bodies over plain HTTP unless told otherwise, and finds damage all the same', async () => {
    for (const [unsignedPayload, expected] of [
      [false, /^[0-9a-f]{64}$/],
      [true, /^UNSIGNED-PAYLOAD$/],
    ] as const) {
      const { config, name } = await fresh();
      const hashes: string[] = [];
      let damaged = 2;
      const relay = await startRelay(server.url, ({ method, url, headers }) => {
        if (method !== 'PUT') return 'pass';
        expect(headers['x-amz-checksum-crc32c']).toMatch(/^[A-Za-z0-9+/]{6}==$/);
        hashes.push(String(headers['x-amz-content-sha256']));
        return url.includes('partNumber=2') && damaged-- > 0 ? 'damage request' : 'pass';
      });
      try {
        const settings = { retry: { baseMs: 1 }, unsignedPayload };
        const storage = openStorage({ ...config, uri: server.uri(`${name}/a`, relay.url), settings });
        const bytes = randomBytes(13 << 20);
        const writer = await storage.create('parts');
        await Promise.all([0, 5, 10].map((from) => writer.write(bytes.subarray(from << 20, (from + 5) << 20))));
        await writer.finish(bytes.length);
        await storage.write('small', bytes.subarray(0, 100));
        expect(Buffer.compare((await storage.read('parts')).bytes, bytes)).toBe(0);
        expect(hashes).toHaveLength(6);
        for (const hash of hashes) expect(hash).toMatch(expected);
      } finally {
        await relay.stop();
      }
    }
  });

  it('sends again what was damaged on its way, and reads again what came damaged', async () => {
    const { config, name } = await fresh({ retry: { baseMs: 1 } });
    const harm = new Map<string, 'damage request' | 'damage answer'>([
      ['PUT', 'damage request'],
      ['GET', 'damage answer'],
    ]);
    const relay = await startRelay(server.url, ({ method }) => {
      const mishap = harm.get(method) ?? 'pass';
      harm.delete(method);
      return mishap;
    });
    try {
      const storage = openStorage({ ...config, uri: server.uri(`${name}/a`, relay.url) });
      const bytes = Buffer.alloc(1000, 'abc');
      await storage.write('object', bytes);
      expect(Buffer.from((await storage.read('object')).bytes).equals(bytes)).toBe(true);
      expect(harm.size).toBe(0);
    } finally {
      await relay.stop();
    }
  });
});
