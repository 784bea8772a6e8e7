import { afterAll, describe, expect, it } from 'vitest';
import { openStorage, sweepStorage } from '#src/storage/index.js';
import type { TestServer } from './servers/process.js';
import { type Mishap, startRelay } from './servers/relay.js';

/* Stores that lead a listing back to where it was: every listing that we page through ends in one clean error. */

const KEYS = 'AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY=b';
const LIST_S3 =
  '<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/a</Key><Size>1</Size></Contents>TOKEN</ListBucketResult>';

describe('a store that repeats the marker of a page', () => {
  const servers: TestServer[] = [];
  const before = { ...process.env };
  afterAll(async () => {
    for (const name of ['STORAGE_EMULATOR_HOST', 'AZURE_STORAGE_SERVICE_ENDPOINT']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    for (const server of servers) await server.stop();
  });

  /** A store that answers everything with `bodies` in turn, the last one for ever; how often it was asked. */
  async function store(...bodies: string[]): Promise<{ readonly url: string; readonly asked: () => number }> {
    let asked = 0;
    const answer = (): Mishap => ({
      status: 200,
      headers: { 'content-type': 'application/xml' },
      body: bodies[Math.min(asked++, bodies.length - 1)]!,
    });
    const server = await startRelay('http://127.0.0.1:1', answer);
    servers.push(server);
    return { url: server.url, asked: () => asked };
  }
  const names = async (uri: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of openStorage({ uri, settings: {} }).list('')) found.push(name);
    return found;
  };
  const back = (pages: number) => ({
    code: 'SV_STORAGE_IO',
    retry: 'never',
    message: expect.stringContaining(`failed: after ${pages} pages the store sent it back to one that it had given`),
  });
  const s3 = (url: string): string => `s3://bucket/p?${KEYS}&AWS_ENDPOINT=${encodeURIComponent(url)}`;
  const token = (text: string): string =>
    LIST_S3.replace('TOKEN', `<NextContinuationToken>${text}</NextContinuationToken>`);

  it('is refused on s3, at once or after a while', async () => {
    const same = await store(token('x'));
    await expect(names(s3(same.url))).rejects.toMatchObject(back(1));
    expect(same.asked()).toBe(2);
    await expect(names(s3((await store(token('x'), token('y'), token('x'))).url))).rejects.toMatchObject(back(2));
    const silent = await store(LIST_S3.replace('TOKEN', ''));
    await expect(names(s3(silent.url))).rejects.toMatchObject({
      code: 'SV_STORAGE_IO',
      message: 'listing s3://bucket/p/ failed: the store has more names and does not say where',
    });
  });

  it('is refused when unfinished uploads are looked for', async () => {
    const page = (upload: string): string =>
      `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>${upload}</NextUploadIdMarker></ListMultipartUploadsResult>`;
    const { url, asked } = await store(page('1'), page('2'), page('2'));
    const sweep = sweepStorage({ uri: s3(url), settings: {} }, { remove: false, olderThanSeconds: 0 });
    await expect(sweep).rejects.toMatchObject(back(2));
    expect(asked()).toBe(3);
  });

  it('is refused on gs', async () => {
    process.env.STORAGE_EMULATOR_HOST = (await store('{"items":[{"name":"p/a","size":"1"}],"nextPageToken":"x"}')).url;
    await expect(names('gs://bucket/p?AUTH=implicit')).rejects.toMatchObject(back(1));
  });

  it('is refused on azure', async () => {
    const body =
      '<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs></Blobs><NextMarker>x</NextMarker></EnumerationResults>';
    process.env.AZURE_STORAGE_SERVICE_ENDPOINT = `${(await store(body)).url}/account`;
    const uri = 'azure-blob://container/p?AZURE_ACCOUNT_NAME=account&AZURE_ACCOUNT_KEY=Zm9v';
    await expect(names(uri)).rejects.toMatchObject(back(1));
  });
});
