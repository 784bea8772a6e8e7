import { spawn } from 'node:child_process';
import { ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup, restore, showBackup } from '#src/index.js';
import { sweepStorage } from '#src/storage/index.js';
import { closeAll, fingerprintLines, newCluster, REGIONS, spreadCluster, tablesOf } from '../e2e/test_cluster.js';
import { hasVersitygw, type S3Server, startVersitygw } from './servers/versitygw.js';

const KV = { kind: 'databases', names: ['kv'] } as const;
const BUCKETS = ['east', 'west', 'europe'];

describe.skipIf(!hasVersitygw)('backups in S3', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
    for (const name of [...BUCKETS, 'killed']) await server.makeBucket(name);
  });
  afterAll(async () => {
    await closeAll();
    await server.stop();
  });

  it('go to one bucket per locality and come back from bare URIs in any order', async () => {
    const cluster = await spreadCluster(REGIONS, 12, 600);
    const uris = BUCKETS.map((name) => server.uri(`${name}/back up%2520/ü+1`));
    // What copy tools leave: a stray object, and empty ones for directories.
    for (const Key of ['back up%20/ü+1/', 'back up%20/ü+1/metadata/latest/', 'stray'])
      await server.client().send(new PutObjectCommand({ Bucket: 'east', Key, Body: new Uint8Array(0) }));
    const localities = ['default', 'region%3Dus-west1', 'region%3Deurope-west1'];
    const taken = await backup({
      source: cluster.source(),
      into: uris.map((uri, index) => `${uri}&COCKROACH_LOCALITY=${localities[index]}`),
      targets: KV,
      workers: 2,
    });
    expect(taken.usage.map(({ bucket }) => bucket).sort()).toEqual(['s3://east', 's3://europe', 's3://west']);
    const sum = (pick: (usage: (typeof taken.usage)[number]) => number): number =>
      taken.usage.reduce((total, usage) => total + pick(usage), 0);
    // Files of less than a part are one PutObject each, whichever thread wrote them.
    expect(sum(({ requests }) => requests.PutObject ?? 0)).toBeGreaterThanOrEqual(taken.files);
    // Data files and the metadata's SSTs.
    expect(sum(({ operations }) => operations.part.bytes)).toBeGreaterThan(taken.fileBytes);

    const shown = await showBackup({ from: 'LATEST', in: uris, checkFiles: true });
    expect(shown.layers).toHaveLength(1);
    const empty = await newCluster(REGIONS);
    const restored = await restore({
      sink: empty.sink(),
      from: 'LATEST',
      in: [uris[2]!, uris[0]!, uris[1]!],
      targets: KV,
      workers: 2,
    });
    expect(await fingerprintLines(empty, tablesOf(empty).get('kv.public.kv')!)).toEqual(
      await fingerprintLines(cluster, tablesOf(cluster).get('kv.public.kv')!),
    );
    const gets = restored.usage.reduce((total, { requests }) => total + (requests.GetObject ?? 0), 0);
    expect(gets).toBeGreaterThanOrEqual(taken.files);
    expect(restored.usage.reduce((total, { operations }) => total + operations.read.bytes, 0)).toBeGreaterThanOrEqual(
      restored.bytesRead,
    );
  });

  it('leave uploads behind when killed, which a sweep finds, and removes when told', async () => {
    const config = { uri: server.uri('killed/dir'), settings: {} };
    const child = spawn(process.execPath, [
      new URL('./s3_killed.mjs', import.meta.url).pathname,
      JSON.stringify(config),
    ]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    const uploads = async () =>
      (await server.client().send(new ListMultipartUploadsCommand({ Bucket: 'killed' }))).Uploads ?? [];
    expect(await uploads()).toHaveLength(1);
    // An upload of this minute may be of a run at work.
    expect(await sweepStorage(config, { remove: true, olderThanSeconds: 3600 })).toEqual([]);
    const elsewhere = { ...config, uri: server.uri('killed/other') };
    expect(await sweepStorage(elsewhere, { remove: true, olderThanSeconds: 0 })).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const found = { kind: 'upload', location: 's3://killed/dir/data/killed.sst' };
    expect(await sweepStorage(config, { remove: false, olderThanSeconds: 0 })).toMatchObject([
      { ...found, removed: false },
    ]);
    expect(await uploads()).toHaveLength(1);
    expect(await sweepStorage(config, { remove: true, olderThanSeconds: 0 })).toMatchObject([
      { ...found, removed: true },
    ]);
    expect(await uploads()).toEqual([]);
  });
});
