import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { openStorage } from '#src/storage/index.js';
import { AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from '../storage/servers/azurite.js';
import { hasFakeGcs, makeGcsBucket, putGcsObject, startFakeGcs } from '../storage/servers/fake_gcs.js';
import { startFiles } from '../storage/servers/files.js';
import type { TestServer } from '../storage/servers/process.js';
import { hasVersitygw, type S3Server, startVersitygw } from '../storage/servers/versitygw.js';
import { closeAll, fingerprintsOf, newCluster, storageOf, temporaryDirectory } from './test_cluster.js';

const MOVR = { kind: 'databases', names: ['movr'] } as const;
const GS_CREDENTIALS = Buffer.from('{"type":"service_account","private_key":"NEVER-TO-BE-SEEN"}').toString('base64');
/** Below it the collection lies in every bucket: a path that every layer has to encode in its own way. */
const PATH = 'nightly 100%/a+b/é';
const ENCODED = 'nightly%20100%25/a+b/%C3%A9';

/** One bucket of each cloud, a region in each. */
describe.skipIf(!hasVersitygw || !hasFakeGcs || !hasAzurite)('a locality-aware backup over S3, GCS and Azure', () => {
  let cluster: EmbeddedCluster;
  let wanted: Record<string, string[]>;
  let subdir: string;
  let uris: { s3: string; gs: string; azure: string };
  const servers: TestServer[] = [];
  let copies = 0;

  beforeAll(async () => {
    const s3: S3Server = await startVersitygw();
    servers.push(s3);
    const gs = await startFakeGcs();
    servers.push(gs);
    const azure = await startAzurite();
    servers.push(azure);
    process.env.STORAGE_EMULATOR_HOST = gs.url;
    process.env.AZURE_STORAGE_SERVICE_ENDPOINT = azure.url;
    await s3.makeBucket('east');
    await makeGcsBucket(gs.url, 'west');
    const container = await azuriteContainer(azure.url, 'europe');
    // What copy tools leave: objects of no bytes for the directories.
    await putGcsObject(gs.url, 'west', `${PATH}/`, new Uint8Array(0));
    await container.getBlockBlobClient(`${PATH}/metadata/latest/`).upload(Buffer.alloc(0), 0);
    uris = {
      s3: s3.uri(`east/${ENCODED}`),
      gs: `gs://west/${ENCODED}?AUTH=specified&CREDENTIALS=${encodeURIComponent(GS_CREDENTIALS)}`,
      azure: `azure-blob://europe/${ENCODED}?${AZURITE_PARAMETERS}`,
    };
    cluster = await newCluster();
    await workloadInit(cluster, 'movr', { rows: 300 });
    wanted = await prints('movr');
    const taken = await backup({
      source: cluster.source(),
      into: [
        `${uris.s3}&COCKROACH_LOCALITY=default`,
        `${uris.gs}&COCKROACH_LOCALITY=region%3Dus-west1`,
        `${uris.azure}&COCKROACH_LOCALITY=region%3Deurope-west1`,
      ],
      targets: MOVR,
      storage: storageOf(cluster),
      workers: 2,
    });
    subdir = taken.subdir;
  });
  afterAll(async () => {
    delete process.env.STORAGE_EMULATOR_HOST;
    delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
    await closeAll();
    for (const server of servers) await server.stop();
  });

  /** Fingerprints of a database's tables, by name within it. */
  async function prints(database: string): Promise<Record<string, string[]>> {
    const all = Object.entries(await fingerprintsOf(cluster));
    return Object.fromEntries(
      all
        .filter(([name]) => name.startsWith(`${database}.`))
        .map(([name, values]) => [name.slice(database.length + 1), values]),
    );
  }

  async function restoresFrom(locations: readonly string[], from: string, workers: number): Promise<void> {
    const name = `copy${++copies}`;
    const [sink, storage] = [cluster.sink(), storageOf(cluster)];
    await restore({ sink, from, in: locations, targets: MOVR, newDbName: name, storage, workers });
    expect(await prints(name), locations.join(' ')).toEqual(wanted);
    await cluster.dropDatabase(name, 'cascade');
  }

  /** Every object of a location, by name. */
  async function objectsOf(uri: string): Promise<Map<string, Uint8Array>> {
    const storage = openStorage({ uri, settings: {} });
    const objects = new Map<string, Uint8Array>();
    for await (const { name } of storage.list('')) {
      if (!name.endsWith('/')) objects.set(name, (await storage.read(name)).bytes);
    }
    return objects;
  }

  it('puts the data of each region into its own bucket, and nothing secret anywhere', async () => {
    const text = /NEVER-TO-BE-SEEN|AWS_SECRET|AZURE_ACCOUNT_KEY|CREDENTIALS/;
    for (const uri of [uris.s3, uris.gs, uris.azure]) {
      const objects = await objectsOf(uri);
      expect([...objects.keys()].filter((name) => name.includes('/data/')).length).toBeGreaterThan(0);
      for (const [name, bytes] of objects) {
        const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : Buffer.from(bytes);
        expect(plain.toString('latin1'), name).not.toMatch(text);
      }
    }
  });

  it('restores from the bare locations in any order, in threads too', async () => {
    const { s3, gs, azure } = uris;
    await restoresFrom([s3, gs, azure], 'LATEST', 2);
    await restoresFrom([azure, s3, gs], subdir, 0);
    await restoresFrom([gs, azure, s3], 'LATEST', 0);
  });

  it('restores what was moved from one cloud to another', async () => {
    const moved = uris.s3.replace('east/', 'east/moved/');
    const target = openStorage({ uri: moved, settings: {} });
    for (const uri of [uris.azure, uris.gs])
      for (const [name, bytes] of await objectsOf(uri)) await target.write(name, bytes);
    await restoresFrom([moved, uris.s3], 'LATEST', 0);
  });

  it('restores over HTTP what was copied behind a file server, in any order', async () => {
    const directory = temporaryDirectory();
    for (const [cloud, uri] of Object.entries(uris)) {
      for (const [name, bytes] of await objectsOf(uri)) {
        const path = join(directory, cloud, PATH, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, bytes);
      }
    }
    for (const ranges of [true, false]) {
      const server = await startFiles(directory, { ranges });
      const at = (cloud: keyof typeof uris): string => `${server.url}/${cloud}/${ENCODED}`;
      try {
        await restoresFrom([at('gs'), at('azure'), at('s3')], 'LATEST', ranges ? 2 : 0);
        await restoresFrom([at('s3'), at('gs'), at('azure')], subdir, 0);
      } finally {
        await server.stop();
      }
    }
  });
});
