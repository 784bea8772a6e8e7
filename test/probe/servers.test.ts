import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckedLocation, checkStorage } from '#src/probe/index.js';
import { openStorage } from '#src/storage/index.js';
import { runWith } from '../cli/fakes.js';
import { AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from '../storage/servers/azurite.js';
import { hasFakeGcs, makeGcsBucket, startFakeGcs } from '../storage/servers/fake_gcs.js';
import type { TestServer } from '../storage/servers/process.js';
import { type Mishap, startRelay } from '../storage/servers/relay.js';
import { hasVersitygw, type S3Server, startVersitygw } from '../storage/servers/versitygw.js';

/*
 * check-storage against real servers: everything holds, nothing is left behind, and what is refused is said in the provider's words.
 * A relay before each server refuses what a permission would.
 */

const PATH = 'a%20b/p%25q%2Br/%C3%BC';
const SMALL = { transferBytes: 6 << 20, storage: { retry: { attempts: 3, baseMs: 1 } } };

/** What the relays answer; `pass` for what is allowed. */
let judge: (request: { readonly method: string; readonly url: string }) => Mishap = () => 'pass';

interface Cloud {
  readonly name: string;
  readonly has: boolean;
  start(): Promise<{ readonly servers: readonly TestServer[]; readonly uri: string; uploads(): Promise<number> }>;
  /** An answer to a call that a permission is missing for. */
  readonly refusal: Mishap;
  readonly create: string;
  readonly list: string;
  readonly get: string;
  /** Requests that write, list and read. */
  readonly writes: (method: string, url: string) => boolean;
  readonly lists: (method: string, url: string) => boolean;
  readonly reads: (method: string, url: string) => boolean;
}

const relayed = async (server: TestServer): Promise<TestServer> => startRelay(server.url, (request) => judge(request));
const azureRole = (action: string, role: string): string =>
  `Microsoft.Storage/storageAccounts/blobServices/containers/blobs/${action} (role Storage Blob Data ${role})`;

const CLOUDS: readonly Cloud[] = [
  {
    name: 's3',
    has: hasVersitygw,
    start: async () => {
      const server: S3Server = await startVersitygw();
      await server.makeBucket('check');
      const relay = await relayed(server);
      const uploads = async () =>
        (await server.client().send(new ListMultipartUploadsCommand({ Bucket: 'check' }))).Uploads?.length ?? 0;
      return { servers: [relay, server], uri: server.uri(`check/${PATH}`, relay.url), uploads };
    },
    refusal: { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' },
    create: 's3:PutObject',
    list: 's3:ListBucket',
    get: 's3:GetObject',
    writes: (method) => method === 'PUT' || method === 'POST',
    lists: (method, url) => method === 'GET' && url.includes('list-type'),
    reads: (method, url) => (method === 'GET' || method === 'HEAD') && !url.includes('list-type'),
  },
  {
    name: 'gs',
    has: hasFakeGcs,
    start: async () => {
      const server = await startFakeGcs();
      await makeGcsBucket(server.url, 'check');
      const relay = await relayed(server);
      process.env.STORAGE_EMULATOR_HOST = relay.url;
      return { servers: [relay, server], uri: `gs://check/${PATH}?AUTH=implicit`, uploads: async () => 0 };
    },
    refusal: {
      status: 403,
      body: JSON.stringify({ error: { message: 'no access', errors: [{ reason: 'forbidden' }] } }),
    },
    create: 'storage.objects.create',
    list: 'storage.objects.list',
    get: 'storage.objects.get',
    writes: (method, url) => method !== 'DELETE' && url.startsWith('/upload'),
    lists: (method, url) => method === 'GET' && url.includes('/o?'),
    reads: (method, url) => method === 'GET' && url.includes('/o/'),
  },
  {
    name: 'azure-blob',
    has: hasAzurite,
    start: async () => {
      const server = await startAzurite();
      const container = await azuriteContainer(server.url, 'check');
      const relay = await relayed(server);
      process.env.AZURE_STORAGE_SERVICE_ENDPOINT = relay.url;
      const uploads = async (): Promise<number> => {
        let [all, whole] = [0, 0];
        for await (const _ of container.listBlobsFlat({ includeUncommitedBlobs: true })) all++;
        for await (const _ of container.listBlobsFlat()) whole++;
        return all - whole;
      };
      return { servers: [relay, server], uri: `azure-blob://check/${PATH}?${AZURITE_PARAMETERS}`, uploads };
    },
    refusal: { status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } },
    create: azureRole('write', 'Contributor'),
    list: azureRole('read', 'Reader or Contributor'),
    get: azureRole('read', 'Reader or Contributor'),
    writes: (method) => method === 'PUT',
    lists: (method, url) => method === 'GET' && url.includes('comp=list'),
    reads: (method, url) => (method === 'GET' || method === 'HEAD') && !url.includes('comp=list'),
  },
];

const places: Record<string, { uri: string; names(): Promise<string[]>; uploads(): Promise<number> }> = {};
const running: TestServer[] = [];
beforeAll(async () => {
  for (const { name, has, start } of CLOUDS) {
    if (!has) continue;
    const { servers, uri, uploads } = await start();
    running.push(...servers);
    const names = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const object of openStorage({ uri, settings: {} }).list('')) found.push(object.name);
      return found;
    };
    places[name] = { uri, names, uploads };
    await openStorage({ uri, settings: {} }).write('kept/before', Buffer.from('x'));
  }
});
afterAll(async () => {
  delete process.env.STORAGE_EMULATOR_HOST;
  delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
  for (const server of running) await server.stop();
});

const step = ({ steps }: CheckedLocation, name: string) => steps.find((one) => one.name === name)!;

describe.each(CLOUDS.filter(({ has }) => has))('check-storage on $name', (cloud) => {
  const place = () => places[cloud.name]!;
  /** The check with some requests refused. */
  const refusing = async (which: Cloud['writes']): Promise<CheckedLocation> => {
    judge = ({ method, url }) => (which(method, url) ? cloud.refusal : 'pass');
    try {
      return (await checkStorage({ uris: [place().uri], ...SMALL }))[0]!;
    } finally {
      judge = () => 'pass';
    }
  };

  it('finds everything in order, measures, and leaves the bucket as it was', async () => {
    const before = [await place().names(), await place().uploads()];
    const [checked] = await checkStorage({ uris: [place().uri], ...SMALL });
    expect(checked!.steps.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    expect(checked).toMatchObject({ usableForBackup: true, usableForRestore: true, leftBehind: 0 });
    expect(checked!.readSpeed).toBeGreaterThan(0);
    expect(checked!.writeSpeed).toBeGreaterThan(0);
    expect(step(checked!, 'clock drift').detail).toMatch(/^[01]\.\d s (ahead of|behind) http:/);
    expect([await place().names(), await place().uploads()]).toEqual(before);
    expect(before).toEqual([['kept/before'], 0]);
  });

  it('names the permission to write that is missing, and is good for restores all the same', async () => {
    const checked = await refusing(cloud.writes);
    expect(checked).toMatchObject({ usableForBackup: false, usableForRestore: true, leftBehind: 0 });
    expect(step(checked, 'write')).toMatchObject({
      outcome: 'failed',
      code: 'SV_STORAGE_DENIED',
      remedy: `it takes the permission ${cloud.create}`,
    });
    expect(await place().names()).toEqual(['kept/before']);
  });

  it('names the permissions to list and to read', async () => {
    const unlisted = await refusing(cloud.lists);
    expect(unlisted).toMatchObject({ usableForBackup: false, usableForRestore: false, leftBehind: undefined });
    expect(step(unlisted, 'list').detail).toMatch(new RegExp(`403.*: it takes the permission ${literal(cloud.list)}$`));
    const left = (await place().names()).filter((name) => name !== 'kept/before');
    // Nothing can be found to be removed: it lies in the directory that the result tells.
    expect(left.every((name) => name.startsWith(`${unlisted.directory}/`))).toBe(true);
    for (const name of left) await openStorage({ uri: place().uri, settings: {} }).delete(name);
    const unread = await refusing(cloud.reads);
    expect(unread).toMatchObject({ usableForRestore: false, leftBehind: 0 });
    expect(step(unread, 'read after write').remedy).toBe(`it takes the permission ${cloud.get}`);
  });

  it('prints a table, and JSON lines with what it asked of the bucket', async () => {
    const host = { withStorage: <T>(_: unknown, __: unknown, use: (settings: object) => Promise<T>) => use({}) };
    const args = ['check-storage', '--transfer-mib', '1', place().uri];
    const table = await runWith(host, args);
    expect([table.code, table.stderr]).toEqual([0, '']);
    expect(table.stdout).toMatch(/conditional create +\| backup +\| ok/);
    expect(table.stdout).toMatch(/^write [\d.]+ [kM]B\/s, read [\d.]+ [kMG]B\/s$/m);
    const json = (await runWith(host, [...args, '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(json[0]!)).toMatchObject({ usableForBackup: true, usableForRestore: true, leftBehind: 0 });
    const [{ requests }] = JSON.parse(json[1]!).usage;
    expect(Object.keys(requests).length).toBeGreaterThan(3);
    for (const printed of [table.stdout, ...json])
      expect(printed).not.toMatch(/SECRET|ACCOUNT_KEY|spanvault-test-secret/);
  });
});

const literal = (text: string): string => text.replace(/[().]/g, '\\$&');

describe.skipIf(CLOUDS.some(({ has }) => !has))('check-storage over a list of localities', () => {
  it('checks each of three clouds, in the order given', async () => {
    const at = (name: string, locality: string): string =>
      `${places[name]!.uri}${places[name]!.uri.includes('?') ? '&' : '?'}COCKROACH_LOCALITY=${locality}`;
    const uris = [at('gs', 'region%3Dwest'), at('s3', 'default'), at('azure-blob', 'region%3Deu')];
    const state = () => Promise.all(Object.values(places).map(async (one) => [await one.names(), await one.uploads()]));
    const before = await state();
    const checked = await checkStorage({ uris, ...SMALL });
    expect(checked.map(({ locality, usableForBackup }) => [locality, usableForBackup])).toEqual([
      ['region=west', true],
      ['default', true],
      ['region=eu', true],
    ]);
    expect(await state()).toEqual(before);
  });
});

describe('check-storage with credentials that nobody knows', () => {
  const remedy = 'these credentials are refused, whatever they ask for';

  it.skipIf(!hasVersitygw)('says so of S3 keys, wrong ids and wrong secrets', async () => {
    const { uri } = places.s3!;
    for (const wrong of [uri.replace('KEY_ID=', 'KEY_ID=not-'), uri.replace('ACCESS_KEY=', 'ACCESS_KEY=not-')]) {
      const [checked] = await checkStorage({ uris: [wrong], ...SMALL });
      expect(checked).toMatchObject({ usableForBackup: false, usableForRestore: false });
      expect(step(checked!, 'write')).toMatchObject({ code: 'SV_STORAGE_DENIED', remedy });
    }
  });

  it.skipIf(!hasAzurite)('says so of an Azure key as Azure answers', async () => {
    judge = () => ({ status: 403, headers: { 'x-ms-error-code': 'AuthenticationFailed' } });
    const [checked] = await checkStorage({ uris: [places['azure-blob']!.uri], ...SMALL });
    judge = () => 'pass';
    expect(step(checked!, 'list')).toMatchObject({ code: 'SV_STORAGE_DENIED', remedy });
  });

  it.skipIf(!hasFakeGcs)('says so of a Google token', async () => {
    judge = () => ({ status: 401, body: JSON.stringify({ error: { message: 'Invalid Credentials' } }) });
    const [checked] = await checkStorage({ uris: [places.gs!.uri], ...SMALL });
    judge = () => 'pass';
    expect(step(checked!, 'list')).toMatchObject({ code: 'SV_STORAGE_DENIED', remedy });
  });
});
