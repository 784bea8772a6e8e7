import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { workloadInit } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { openStorage } from '#src/storage/index.js';
import { listBackups, showBackup } from '#src/verify/index.js';
import { AZURITE_PARAMETERS, azuriteContainer, hasAzurite, startAzurite } from '../storage/servers/azurite.js';
import { hasFakeGcs, makeGcsBucket, putGcsObject, startFakeGcs } from '../storage/servers/fake_gcs.js';
import type { TestServer } from '../storage/servers/process.js';
import { hasVersitygw, startVersitygw } from '../storage/servers/versitygw.js';
import { closeAll, fingerprintsOf, newCluster, tablesOf } from './test_cluster.js';

/*
 * A whole chain, taken and restored, in places that are hard to write down and among what copy tools leave, with each cloud as the
 * default location (crdb-features.md 10, R #106235 and R #138081).
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const inline = { workers: 0 } as const;

interface Place {
  /** Parameters of its URIs, with the question mark. */
  readonly uriOf: (encodedPath: string) => string;
  /** Puts an object as other tools do, by its whole name in the bucket. */
  put(name: string, bytes: Uint8Array): Promise<void>;
}

interface Cloud {
  readonly name: string;
  readonly has: boolean;
  start(): Promise<{ readonly place: Place; readonly server: TestServer }>;
}

const CLOUDS: readonly Cloud[] = [
  {
    name: 's3',
    has: hasVersitygw,
    start: async () => {
      const server = await startVersitygw();
      await server.makeBucket('odd');
      const put = async (Key: string, Body: Uint8Array): Promise<void> => {
        await server.client().send(new PutObjectCommand({ Bucket: 'odd', Key, Body }));
      };
      return { server, place: { uriOf: (path) => server.uri(`odd/${path}`), put } };
    },
  },
  {
    name: 'gs',
    has: hasFakeGcs,
    start: async () => {
      const server = await startFakeGcs();
      process.env.STORAGE_EMULATOR_HOST = server.url;
      await makeGcsBucket(server.url, 'odd');
      const put = (name: string, bytes: Uint8Array): Promise<void> => putGcsObject(server.url, 'odd', name, bytes);
      return { server, place: { uriOf: (path) => `gs://odd/${path}?AUTH=implicit`, put } };
    },
  },
  {
    name: 'azure-blob',
    has: hasAzurite,
    start: async () => {
      const server = await startAzurite();
      process.env.AZURE_STORAGE_SERVICE_ENDPOINT = server.url;
      const container = await azuriteContainer(server.url, 'odd');
      const put = async (name: string, bytes: Uint8Array): Promise<void> => {
        await container.getBlockBlobClient(name).upload(Buffer.from(bytes), bytes.length);
      };
      return { server, place: { uriOf: (path) => `azure-blob://odd/${path}?${AZURITE_PARAMETERS}`, put } };
    },
  },
];

const PATHS = ['a b', 'p%q%20r', 'x+y=z', 'ü/日本 €', '~tilde (1)/#hash&amp'];

describe.each(CLOUDS.filter(({ has }) => has))('a chain in odd places of $name', ({ start }) => {
  let stop = async (): Promise<void> => undefined;
  afterEach(async () => {
    await closeAll();
    await stop();
    delete process.env.STORAGE_EMULATOR_HOST;
    delete process.env.AZURE_STORAGE_SERVICE_ENDPOINT;
  });
  afterAll(closeAll);

  it('is found among empty and stray objects, shown, whole, and restores to each end', async () => {
    const { place, server } = await start();
    stop = () => server.stop();
    const cluster = await newCluster(['']);
    await workloadInit(cluster, 'kv', { rows: 20 });
    const first = await fingerprintsOf(cluster);
    const places = await Promise.all(
      PATHS.map(async (path, index) => {
        const uri = place.uriOf(path.split('/').map(encodeURIComponent).join('/'));
        const empty = ['', '/metadata', '/metadata/latest', '/incrementals'].map((directory) => `${path}${directory}/`);
        for (const name of [...empty, `${path}/stray`, `${path}/metadata/latest/.stray`, `${path}-sibling/LATEST`])
          await place.put(name, new Uint8Array(0));
        return { path, uri, index };
      }),
    );
    for (const { path, uri } of places) {
      const { subdir } = await backup({ source: cluster.source(), into: [uri], targets: KV, ...inline });
      const below = [`${subdir}/`, `${subdir}/data/`, `/incrementals${subdir}/`].map((directory) => path + directory);
      for (const name of below) await place.put(name, new Uint8Array(0));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    cluster.rows.remove(tablesOf(cluster).get('kv.public.kv')!, [7n]);
    const second = await fingerprintsOf(cluster);
    for (const { uri } of places)
      await backup({ source: cluster.source(), into: [uri], targets: KV, appendTo: 'LATEST', ...inline });
    for (const { path, uri } of places) {
      expect(await listBackups([uri], {}), path).toHaveLength(1);
      const { layers } = await showBackup({ from: 'LATEST', in: [uri], checkFiles: true });
      expect(layers, path).toHaveLength(2);
      for (const [asOf, wanted] of [
        [layers[0]!.endTime, first],
        [undefined, second],
      ] as const) {
        const target = await newCluster(['']);
        const from = { from: 'LATEST', in: [uri], targets: KV, ...(asOf && { asOf }) };
        await restore({ sink: target.sink(), ...from, ...inline });
        expect(await fingerprintsOf(target), path).toEqual(wanted);
      }
      // Under the very name that another tool sees.
      const names: string[] = [];
      for await (const { name } of openStorage({ uri: place.uriOf(''), settings: {} }).list(`${path}/`))
        names.push(name);
      expect(names.some((name) => name.startsWith(`${path}/incrementals/2`) && name.endsWith('/BACKUP_MANIFEST'))).toBe(
        true,
      );
    }
  });
});
