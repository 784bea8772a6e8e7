import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { AzureStorage } from '#src/storage/azure.js';
import { parseUri } from '#src/storage/index.js';
import { AZURITE_KEY, AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from './servers/azurite.js';
import type { TestServer } from './servers/process.js';
import { type Mishap, startRelay } from './servers/relay.js';
import { weather } from './weather.js';

const open = (path: string, parameters = AZURITE_PARAMETERS): AzureStorage =>
  new AzureStorage(parseUri(`azure-blob://${path}?${parameters}`));

/** Bytes that differ from place to place. */
const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) * 13 + seed) & 255);

describe.skipIf(!hasAzurite)('azure-blob', () => {
  let server: TestServer;
  let containers = 0;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startAzurite();
    process.env.AZURE_STORAGE_SERVICE_ENDPOINT = server.url;
  });
  afterEach(async () => {
    process.env.AZURE_STORAGE_SERVICE_ENDPOINT = server.url;
    for (const stop of stops.splice(0)) await stop();
  });
  afterAll(async () => {
    delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
    await server.stop();
  });
  const container = async () => {
    const name = `container-${++containers}`;
    return { name, client: await azuriteContainer(server.url, name) };
  };
  const names = async (storage: AzureStorage, prefix = '', delimiter?: string) => {
    const found: string[] = [];
    for await (const { name } of storage.list(prefix, delimiter === undefined ? {} : { delimiter })) found.push(name);
    return found;
  };

  for (const path of ['', '/with%20space/p%25q+é']) {
    storageConformance(
      `azure-blob://container${path}`,
      async () => {
        const { name, client } = await container();
        const under = path === '' ? '' : `${decodeURIComponent(path).slice(1)}/`;
        return {
          storage: open(`${name}${path}`),
          reopen: () => open(`${name}${path}`),
          putForeign: async (object, bytes) => {
            await client.getBlockBlobClient(under + object).upload(Buffer.from(bytes), bytes.length);
          },
          dispose: async () => {
            await client.delete();
          },
        };
      },
      { describe, it },
    );
  }

  it('lists no name for the blob that a copy tool made of the location itself', async () => {
    const { name, client } = await container();
    for (const blob of ['c/', 'c/metadata/', 'c/metadata/latest/', 'c/metadata/latest/LATEST-1', 'cd/x'])
      await client.getBlockBlobClient(blob).upload(Buffer.from(''), 0);
    expect(await names(open(`${name}/c`))).toEqual(['metadata/', 'metadata/latest/', 'metadata/latest/LATEST-1']);
    expect(await names(open(`${name}/c`), '', '/')).toEqual(['metadata/']);
    expect(await names(open(name), '', '/')).toEqual(['c/', 'cd/']);
  });

  it('lets an early rival win against ifAbsent, leaves invisible blocks only, and keeps no MD5 of blocks', async () => {
    const { name, client } = await container();
    const storage = open(`${name}/c`);
    const late = await storage.create('raced', { ifAbsent: true });
    await late.write(pattern(100_000));
    await storage.write('raced', Buffer.from('early'));
    await late.write(pattern(100_000, 2));
    await expect(late.finish(200_000)).rejects.toMatchObject({ code: 'SV_STORAGE_EXISTS' });
    await late.abort();
    expect(Buffer.from((await storage.read('raced')).bytes).toString()).toBe('early');
    expect((await client.getBlobClient('c/raced').getProperties()).contentMD5).toHaveLength(16);
    const writer = await storage.create('never');
    await writer.write(pattern(10));
    expect(await names(storage)).toEqual(['raced']);
    await writer.abort();
  });

  describe('when the network fails', () => {
    let plan: Mishap[] = [];
    let seen: string[] = [];
    const through = async (): Promise<AzureStorage> => {
      const { name } = await container();
      plan = [];
      seen = [];
      const relay = await startRelay(server.url, ({ method, url }) => {
        seen.push(`${method} ${new URL(url, server.url).searchParams.get('comp') ?? ''}`.trim());
        return plan.shift() ?? 'pass';
      });
      stops.push(() => relay.stop());
      process.env.AZURE_STORAGE_SERVICE_ENDPOINT = relay.url;
      return open(`${name}/c`);
    };
    const passes = { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff' };

    it('tells failures apart in one request each', async () => {
      const storage = await through();
      const error = (status: number, code: string): Mishap => ({
        status,
        headers: { 'x-ms-error-code': code, 'retry-after': '4', 'content-type': 'application/xml' },
        body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>sig=SIGNATURE</Message></Error>`,
      });
      const expected: [Mishap, object][] = [
        [
          error(403, 'AuthenticationFailed'),
          {
            code: 'SV_STORAGE_DENIED',
            retry: 'never',
            message: `reading ${storage.display}/o failed: 403 AuthenticationFailed`,
          },
        ],
        [
          error(404, 'BlobNotFound'),
          { code: 'SV_STORAGE_NOT_FOUND', message: `reading ${storage.display}/o failed: it does not exist` },
        ],
        [error(404, 'ContainerNotFound'), { code: 'SV_STORAGE_NOT_FOUND' }],
        [error(409, 'ContainerBeingDeleted'), passes],
        [error(400, 'InvalidHeaderValue'), { code: 'SV_STORAGE_IO', retry: 'never' }],
        [error(500, 'OperationTimedOut'), { ...passes, details: { kind: 'transient' } }],
        [error(503, 'ServerBusy'), { ...passes, details: { kind: 'throttled', retryAfterSeconds: 4 } }],
        ['lose request', passes],
        ['lose answer', passes],
      ];
      for (const [mishap, shape] of expected) {
        plan = [mishap];
        seen = [];
        await expect(storage.read('o')).rejects.toMatchObject(shape);
        expect(seen).toEqual(['GET']);
      }
    });

    it('refuses damaged bodies, going up and coming down', async () => {
      const storage = await through();
      plan = ['damage request'];
      // Azure says Md5Mismatch, which passes; Azurite says InvalidOperation.
      const refused = { class: 'storage', details: { status: 400 } };
      await expect(storage.write('o', pattern(10_000))).rejects.toMatchObject(refused);
      const writer = await storage.create('parts');
      plan = ['damage request'];
      await expect(writer.write(pattern(10_000))).rejects.toMatchObject(refused);
      await writer.abort();
      expect(await names(storage)).toEqual([]);
      await storage.write('o', pattern(10_000));
      plan = ['damage answer'];
      await expect(storage.read('o')).rejects.toMatchObject({ ...passes, message: expect.stringContaining('MD5') });
      expect((await storage.read('o')).bytes).toEqual(new Uint8Array(pattern(10_000)));
    });

    it('writes a part again under the same block, and knows its own blob when the answer to finish was lost', async () => {
      for (const mishap of ['lose request', 'lose answer'] as const) {
        const storage = await through();
        const writer = await storage.create('o', { ifAbsent: true, writeId: 'first' });
        for (const seed of [1, 2]) {
          plan = [mishap];
          await expect(writer.write(pattern(300_000, seed))).rejects.toMatchObject(passes);
          await writer.write(pattern(300_000, seed));
        }
        plan = [mishap];
        await expect(writer.finish(600_000)).rejects.toMatchObject(passes);
        await writer.finish(600_000);
        const whole = Buffer.concat([pattern(300_000, 1), pattern(300_000, 2)]);
        expect(Buffer.compare((await storage.read('o')).bytes, whole)).toBe(0);
        const rival = await storage.create('o', { ifAbsent: true, writeId: 'second' });
        await rival.write(pattern(10));
        plan = [mishap];
        await expect(rival.finish(10)).rejects.toMatchObject(passes);
        await expect(rival.finish(10)).rejects.toMatchObject({ code: 'SV_STORAGE_EXISTS' });
      }
    });

    it('keeps to one result through a storm of failures, and counts its requests', async () => {
      const { name } = await container();
      await weather(
        server.url,
        'AZURE_STORAGE_SERVICE_ENDPOINT',
        `azure-blob://${name}/c?${AZURITE_PARAMETERS}`,
        stops,
        {
          kinds: ['PutBlob', 'PutBlock', 'PutBlockList', 'GetBlob', 'GetBlobProperties', 'ListBlobs', 'DeleteBlob'],
        },
      );
    });

    it('stops a request that is under way when aborted', async () => {
      const storage = await through();
      await storage.write('o', pattern(10));
      const controller = new AbortController();
      const relay = await startRelay(server.url, () => {
        controller.abort();
        return 'pass';
      });
      stops.push(() => relay.stop());
      process.env.AZURE_STORAGE_SERVICE_ENDPOINT = relay.url;
      const other = open(storage.display.slice('azure-blob://'.length));
      await expect(other.read('o', { signal: controller.signal })).rejects.toMatchObject({ code: 'SV_ABORTED' });
    });
  });

  it('shows no secret, also when the key is wrong', async () => {
    const { name } = await container();
    const wrong = Buffer.from('never to be seen, never').toString('base64');
    const shown: string[] = [];
    for (const key of [AZURITE_KEY, wrong]) {
      const storage = open(
        `${name}/c`,
        `AZURE_ACCOUNT_NAME=devstoreaccount1&AZURE_ACCOUNT_KEY=${encodeURIComponent(key)}`,
      );
      for (const call of [() => storage.read('o'), () => storage.write('o', pattern(3), { ifAbsent: true })]) {
        const error: unknown = await call().catch((thrown: unknown) => thrown);
        shown.push(inspect(error, { depth: 9 }), JSON.stringify(error));
      }
      shown.push(storage.display, JSON.stringify(storage));
    }
    expect(shown.join('\n')).toContain('403');
    for (const secret of [AZURITE_KEY, wrong, 'Signature', 'SharedKey', 'sig='])
      expect(shown.join('\n')).not.toContain(secret);
  });
});
