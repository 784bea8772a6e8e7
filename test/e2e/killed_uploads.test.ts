import { type ChildProcess, spawn } from 'node:child_process';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { openCluster, workloadInit } from '#src/cluster/index.js';
import { openStorage } from '#src/storage/index.js';
import { showBackup } from '#src/verify/index.js';
import { runWith } from '../cli/fakes.js';
import { AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from '../storage/servers/azurite.js';
import { hasFakeGcs, makeGcsBucket, startFakeGcs } from '../storage/servers/fake_gcs.js';
import { startGsSessions } from '../storage/servers/gs_sessions.js';
import type { TestServer } from '../storage/servers/process.js';
import { startRelay } from '../storage/servers/relay.js';
import { hasVersitygw, type S3Server, startVersitygw } from '../storage/servers/versitygw.js';
import { closeAll, newCluster } from './test_cluster.js';

/*
 * kill -9 in the middle of the uploads of a real backup, at the very request that a relay before the store sees: what stays in each
 * cloud, and that a sweep finds it, removes it, and leaves nothing. The collection works on.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
/** Two tasks of files of several parts each. */
const ROWS = { rows: 6000, valueBytes: 4096 };
const HOST = { withStorage: <T>(_: unknown, __: unknown, use: (settings: object) => Promise<T>) => use({}) };

let directory: string;
beforeAll(async () => {
  const cluster = await newCluster(['']);
  await workloadInit(cluster, 'kv', ROWS);
  ({ directory } = cluster);
  await cluster.close();
});
afterAll(closeAll);

interface Request {
  readonly method: string;
  readonly url: string;
}

/** A relay at which a backup dies: with the `nth` request that `fits`, which the store still gets. */
async function dyingBackup(
  target: string,
  into: (at: string) => string,
  env: (at: string) => NodeJS.ProcessEnv,
  fits: (request: Request) => boolean,
  nth: number,
): Promise<void> {
  let child: ChildProcess | undefined;
  let seen = 0;
  const relay = await startRelay(target, (request) => {
    if (fits(request) && ++seen === nth) child?.kill('SIGKILL');
    return 'pass';
  });
  const script = new URL('./killed_upload.mjs', import.meta.url).pathname;
  child = spawn(process.execPath, [script, JSON.stringify({ directory, into: [into(relay.url)] })], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env(relay.url) },
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const signal = await new Promise((resolve) => child.once('exit', (_, name) => resolve(name)));
  // What the store was just given has arrived.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await relay.stop();
  expect(signal, said).toBe('SIGKILL');
}

async function namesIn(uri: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of openStorage({ uri, settings: {} }).list('')) names.push(name);
  return names;
}

/** What `spanvault sweep` prints of a location. */
async function sweep(uri: string, ...more: string[]): Promise<{ event: string; removed: boolean }[]> {
  const ran = await runWith(HOST, ['sweep', '--json', ...more, uri]);
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  return ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event !== 'usage');
}
/** Everything, however young: nobody writes any more. Stores tell whole seconds. */
async function sweepAll(uri: string, ...more: string[]) {
  await new Promise((resolve) => setTimeout(resolve, 1100));
  return await sweep(uri, '--older-than-hours', '0', ...more);
}

/** The next process takes a backup there, and it is whole. */
async function backupAfter(uri: string): Promise<void> {
  const cluster = await openCluster(directory);
  try {
    await backup({ source: cluster.source(), into: [uri], targets: KV, workers: 0, compression: 'none' });
    const shown = await showBackup({ from: 'LATEST', in: [uri], checkFiles: true });
    expect(shown.layers).toHaveLength(1);
  } finally {
    await cluster.close();
  }
}

describe.skipIf(!hasVersitygw)('kill -9 during uploads to S3', () => {
  let serial = 0;
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
    await server.makeBucket('killed');
  });
  afterAll(() => server.stop());

  const is =
    (method: string, what: string) =>
    (request: Request): boolean =>
      request.method === method && request.url.includes(what);
  const uploads = async () =>
    (await server.client().send(new ListMultipartUploadsCommand({ Bucket: 'killed' }))).Uploads ?? [];

  it.each([
    ['the beginning of an upload', is('POST', 'uploads'), 1],
    ['the second part', is('PUT', 'partNumber'), 2],
    ['the fifth part', is('PUT', 'partNumber'), 5],
    ['the completion of a file', is('POST', 'uploadId'), 1],
    ['the checksum before the manifest', is('PUT', 'BACKUP_METADATA-CHECKSUM'), 1],
  ])('at %s: a sweep tells it, and leaves nothing when told to remove', async (_, fits, nth) => {
    const path = `killed/c%20${++serial}`;
    const uri = server.uri(path);
    await dyingBackup(
      server.url,
      (at) => server.uri(path, at),
      () => ({}),
      fits,
      nth,
    );
    const before = [await namesIn(uri), (await uploads()).length] as const;
    expect(before[0].some((name) => name.includes('/BACKUP-LOCK-'))).toBe(true);
    // A backup of this hour may be at work.
    expect(await sweep(uri)).toEqual([]);
    const found = await sweepAll(uri);
    expect(found.filter(({ event }) => event === 'layer')).toHaveLength(1);
    expect(found.filter(({ event }) => event === 'unfinished')).toHaveLength(before[1]);
    expect([await namesIn(uri), (await uploads()).length]).toEqual(before);
    expect((await sweepAll(uri, '--remove')).every(({ removed }) => removed)).toBe(true);
    expect([await namesIn(uri), await uploads()]).toEqual([[], []]);
    await backupAfter(uri);
    expect(await sweepAll(uri, '--remove')).toEqual([]);
  });

  it('was in the middle of uploads at some of these moments', async () => {
    const uri = server.uri('killed/middle');
    await dyingBackup(
      server.url,
      (at) => server.uri('killed/middle', at),
      () => ({}),
      is('PUT', 'partNumber'),
      3,
    );
    expect((await uploads()).length).toBeGreaterThan(0);
    await sweepAll(uri, '--remove');
  });
});

describe.skipIf(!hasFakeGcs)('kill -9 during uploads to Google Cloud Storage', () => {
  const servers: TestServer[] = [];
  afterEach(async () => {
    delete process.env.STORAGE_EMULATOR_HOST;
    for (const server of servers.splice(0)) await server.stop();
  });

  it('leaves a session that nobody can list and that makes no object; the sweep removes the files that were finished', async () => {
    const store = await startFakeGcs();
    const sessions = await startGsSessions(store.url);
    servers.push(sessions, store);
    await makeGcsBucket(store.url, 'killed');
    const uri = 'gs://killed/c?AUTH=implicit';
    const chunk = ({ method, url }: Request): boolean => method === 'PUT' && url.includes('upload_id');
    await dyingBackup(
      sessions.url,
      () => uri,
      (at) => ({ STORAGE_EMULATOR_HOST: at }),
      chunk,
      4,
    );
    process.env.STORAGE_EMULATOR_HOST = sessions.url;
    const left = await namesIn(uri);
    expect(left.some((name) => name.includes('/BACKUP-LOCK-'))).toBe(true);
    expect(left.filter((name) => /MANIFEST|METADATA|LATEST/.test(name))).toEqual([]);
    expect(await sweepAll(uri, '--remove')).toMatchObject([{ event: 'layer', removed: true, objects: left.length }]);
    expect(await namesIn(uri)).toEqual([]);
    await backupAfter(uri);
  });
});

describe.skipIf(!hasAzurite)('kill -9 during uploads to Azure Blob Storage', () => {
  const servers: TestServer[] = [];
  afterEach(async () => {
    delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
    for (const server of servers.splice(0)) await server.stop();
  });

  it('leaves blocks that are in no listing and no blob, which the store drops by itself; the rest is swept', async () => {
    const store = await startAzurite();
    servers.push(store);
    const container = await azuriteContainer(store.url, 'killed');
    const uri = `azure-blob://killed/c?${AZURITE_PARAMETERS}`;
    const block = ({ method, url }: Request): boolean => method === 'PUT' && url.includes('comp=block&');
    await dyingBackup(
      store.url,
      () => uri,
      (at) => ({ AZURE_STORAGE_SERVICE_ENDPOINT: at }),
      block,
      4,
    );
    process.env.AZURE_STORAGE_SERVICE_ENDPOINT = store.url;
    const all: string[] = [];
    for await (const { name } of container.listBlobsFlat({ includeUncommitedBlobs: true })) all.push(name);
    const left = (await namesIn(uri)).map((name) => `c/${name}`);
    // Blobs of nothing but uncommitted blocks.
    expect(all.filter((name) => !left.includes(name)).length).toBeGreaterThan(0);
    expect(left.some((name) => name.includes('/BACKUP-LOCK-'))).toBe(true);
    expect(left.filter((name) => /MANIFEST|METADATA|LATEST/.test(name))).toEqual([]);
    expect(await sweepAll(uri, '--remove')).toMatchObject([{ event: 'layer', removed: true, objects: left.length }]);
    expect(await namesIn(uri)).toEqual([]);
    await backupAfter(uri);
  });
});
