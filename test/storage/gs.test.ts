import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { GsStorage } from '#src/storage/gs.js';
import { type ObjectWriter, parseUri } from '#src/storage/index.js';
import { hasFakeGcs, makeGcsBucket, putGcsObject, startFakeGcs } from './servers/fake_gcs.js';
import { startGsSessions } from './servers/gs_sessions.js';
import type { TestServer } from './servers/process.js';
import { type Mishap, startRelay } from './servers/relay.js';
import { weather } from './weather.js';

const KiB = 1024;
const SECRET = 'NEVER-TO-BE-SEEN';
const CREDENTIALS = Buffer.from(JSON.stringify({ type: 'service_account', private_key: SECRET })).toString('base64');
const uriOf = (path: string): string => `gs://${path}?AUTH=specified&CREDENTIALS=${encodeURIComponent(CREDENTIALS)}`;
const open = (path: string): GsStorage => new GsStorage(parseUri(uriOf(path)));

/** Bytes that differ from place to place. */
const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) * 13 + seed) & 255);

describe.skipIf(!hasFakeGcs)('gs', () => {
  let server: TestServer;
  let buckets = 0;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startFakeGcs();
    process.env.STORAGE_EMULATOR_HOST = server.url;
  });
  afterEach(async () => {
    process.env.STORAGE_EMULATOR_HOST = server.url;
    for (const stop of stops.splice(0)) await stop();
  });
  afterAll(async () => {
    delete process.env.STORAGE_EMULATOR_HOST;
    await server.stop();
  });
  const bucket = async (): Promise<string> => {
    const name = `bucket-${++buckets}`;
    await makeGcsBucket(server.url, name);
    return name;
  };
  const names = async (storage: GsStorage, prefix = '', delimiter?: string) => {
    const found: string[] = [];
    for await (const { name } of storage.list(prefix, delimiter === undefined ? {} : { delimiter })) found.push(name);
    return found;
  };

  for (const path of ['', '/with%20space/p%25q+é']) {
    storageConformance(
      `gs://bucket${path}`,
      async () => {
        const name = await bucket();
        const under = path === '' ? '' : `${decodeURIComponent(path).slice(1)}/`;
        return {
          storage: open(`${name}${path}`),
          reopen: () => open(`${name}${path}`),
          putForeign: (object, bytes) => putGcsObject(server.url, name, under + object, bytes),
          dispose: async () => {},
        };
      },
      { describe, it },
    );
  }

  it('lists no name for the object that a copy tool made of the location itself', async () => {
    const name = await bucket();
    for (const object of ['c/', 'c/metadata/', 'c/metadata/latest/', 'c/metadata/latest/LATEST-1', 'cd/x'])
      await putGcsObject(server.url, name, object, Buffer.from(object.endsWith('/') ? '' : 'x'));
    expect(await names(open(`${name}/c`))).toEqual(['metadata/', 'metadata/latest/', 'metadata/latest/LATEST-1']);
    expect(await names(open(`${name}/c`), '', '/')).toEqual(['metadata/']);
    expect(await names(open(name), '', '/')).toEqual(['c/', 'cd/']);
  });

  it('writes parts of any size through a session, and an early rival wins against ifAbsent', async () => {
    const storage = open(`${await bucket()}/c`);
    const sizes = [1, 256 * KiB - 1, 256 * KiB, 700_001, 0, 3, 1_500_000];
    const whole = pattern(sizes.reduce((sum, size) => sum + size));
    const fill = async (writer: ObjectWriter) => {
      let at = 0;
      for (const size of sizes) {
        const part = whole.slice(at, at + size);
        await writer.write(part);
        part.fill(0);
        at += size;
      }
    };
    const writer = await storage.create('object');
    await fill(writer);
    expect(await names(storage)).toEqual([]);
    await writer.finish(whole.length);
    expect(Buffer.compare((await storage.read('object')).bytes, whole)).toBe(0);

    const late = await storage.create('raced', { ifAbsent: true });
    await fill(late);
    await storage.write('raced', Buffer.from('early'));
    await expect(late.finish(whole.length)).rejects.toMatchObject({ code: 'SV_STORAGE_EXISTS' });
    await late.abort();
    expect(Buffer.from((await storage.read('raced')).bytes).toString()).toBe('early');
  });

  it('gives a session back when it is aborted', async () => {
    const seen: string[] = [];
    const relay = await startRelay(server.url, ({ method, url }) => {
      seen.push(`${method} ${new URL(url, server.url).searchParams.get('uploadType') ?? ''}`);
      return 'pass';
    });
    stops.push(() => relay.stop());
    process.env.STORAGE_EMULATOR_HOST = relay.url;
    const storage = open(`${await bucket()}/c`);
    const writer = await storage.create('object');
    await writer.write(pattern(300 * KiB));
    await writer.abort();
    await writer.abort();
    expect(await names(storage)).toEqual([]);
    expect(seen[0]).toBe('POST resumable');
  });

  describe('when the network fails', () => {
    let plan: Mishap[] = [];
    let seen: string[] = [];
    const through = async (target = server.url): Promise<GsStorage> => {
      const name = await bucket();
      plan = [];
      seen = [];
      const relay = await startRelay(target, ({ method, url, headers }) => {
        const type = new URL(url, server.url).searchParams.get('uploadType') ?? '';
        seen.push([method, type, headers['content-range'] ?? ''].join(' ').trim());
        return plan.shift() ?? 'pass';
      });
      stops.push(() => relay.stop());
      process.env.STORAGE_EMULATOR_HOST = relay.url;
      return open(`${name}/c`);
    };
    const passes = { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff' };

    it('tells failures apart, and says what the store said', async () => {
      const storage = await through();
      const error = (reason: string, message: string) => JSON.stringify({ error: { message, errors: [{ reason }] } });
      const expected: [Mishap, object][] = [
        [{ status: 401 }, { code: 'SV_STORAGE_DENIED', retry: 'never' }],
        [
          { status: 403, body: error('forbidden', 'a@b does not have storage.objects.get access, see https://x/y?z') },
          {
            code: 'SV_STORAGE_DENIED',
            message: `reading ${storage.display}/o failed: 403 forbidden a@b does not have storage.objects.get access, see …`,
          },
        ],
        [
          { status: 403, body: error('rateLimitExceeded', 'slow down') },
          { ...passes, details: { kind: 'throttled' } },
        ],
        [{ status: 404 }, { code: 'SV_STORAGE_NOT_FOUND' }],
        [
          { status: 429, headers: { 'retry-after': '3' } },
          { ...passes, details: { kind: 'throttled', retryAfterSeconds: 3 } },
        ],
        [
          { status: 503, body: 'no JSON' },
          { ...passes, details: { kind: 'transient', status: 503 } },
        ],
        [
          { status: 400, body: error('invalid', 'bad') },
          { code: 'SV_STORAGE_IO', retry: 'never' },
        ],
        ['lose request', passes],
        ['lose answer', passes],
      ];
      for (const [mishap, shape] of expected) {
        plan = [mishap];
        await expect(storage.read('o')).rejects.toMatchObject(shape);
      }
    });

    it('refuses damaged bodies, going up and coming down', async () => {
      const storage = await through();
      plan = ['damage request'];
      await expect(storage.write('o', pattern(10_000))).rejects.toMatchObject({ class: 'storage' });
      expect(await names(storage)).toEqual([]);
      await storage.write('o', pattern(10_000));
      plan = ['damage answer'];
      await expect(storage.read('o')).rejects.toMatchObject({ ...passes, message: expect.stringContaining('CRC-32C') });
      expect((await storage.read('o')).bytes).toEqual(pattern(10_000));
    });

    it('knows its own object when the answer to a write was lost', async () => {
      const storage = await through();
      const once = (writeId: string) => storage.write('o', pattern(1000), { ifAbsent: true, writeId });
      plan = ['lose answer'];
      await expect(once('first')).rejects.toMatchObject(passes);
      await once('first');
      await expect(once('second')).rejects.toMatchObject({ code: 'SV_STORAGE_EXISTS' });
      await expect(storage.write('o', pattern(1000), { ifAbsent: true })).rejects.toMatchObject({
        code: 'SV_STORAGE_EXISTS',
      });
    });

    it('keeps to one result through a storm of failures, and counts its requests', async () => {
      const sessions = await startGsSessions(server.url);
      stops.push(() => sessions.stop());
      const uri = uriOf(`${await bucket()}/c`);
      await weather(sessions.url, 'STORAGE_EMULATOR_HOST', uri, stops, {
        kinds: ['objects.insert', 'objects.get', 'objects.list', 'objects.delete'],
      });
    });

    it('goes on with a session after a lost request or answer, and sends only what the store lacks', async () => {
      const sessions = await startGsSessions(server.url);
      stops.push(() => sessions.stop());
      const [first, second, rest] = [pattern(512 * KiB), pattern(512 * KiB, 2), pattern(5, 3)];
      for (const mishap of ['lose request', 'lose answer', { status: 503 }] as const) {
        const storage = await through(sessions.url);
        const writer = await storage.create('o', { ifAbsent: true });
        await writer.write(first);
        plan = [mishap];
        await expect(writer.write(second)).rejects.toMatchObject(passes);
        await writer.write(second);
        await writer.write(rest);
        plan = [mishap];
        await expect(writer.finish(1024 * KiB + 5)).rejects.toMatchObject(passes);
        await writer.finish(1024 * KiB + 5);
        expect(Buffer.compare((await storage.read('o')).bytes, Buffer.concat([first, second, rest]))).toBe(0);
        const puts = seen.flatMap((line) => (line.startsWith('PUT') ? [line.slice(5)] : []));
        const sent = 'bytes 524288-1048575/*';
        const last = 'bytes 1048576-1048580/1048581';
        const again = mishap !== 'lose answer';
        expect(puts).toEqual([
          ...['bytes 0-524287/*', sent, 'bytes */*', ...(again ? [sent] : [])],
          ...[last, 'bytes */1048581', ...(again ? [last] : [])],
        ]);
      }
    });

    it('sends on what a session did not take at once', async () => {
      const sessions = await startGsSessions(server.url, 256 * KiB);
      stops.push(() => sessions.stop());
      const storage = await through(sessions.url);
      const whole = pattern(1024 * KiB + 5);
      const writer = await storage.create('o');
      await writer.write(whole);
      await writer.finish(whole.length);
      expect(Buffer.compare((await storage.read('o')).bytes, whole)).toBe(0);
      expect(seen.filter((line) => line.startsWith('PUT')).length).toBe(5);
    });
  });

  it('shows no secret', async () => {
    const storage = open(`${await bucket()}/c`);
    expect(storage.display).not.toContain('CREDENTIALS');
    const error: unknown = await storage.read('o').catch((thrown: unknown) => thrown);
    const shown = [inspect(storage, { depth: 9 }), JSON.stringify(storage), inspect(error, { depth: 9 })].join('\n');
    for (const secret of [SECRET, CREDENTIALS, CREDENTIALS.slice(8, 30)]) expect(shown).not.toContain(secret);
  });
});
