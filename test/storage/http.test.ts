import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { HttpStorage } from '#src/storage/http.js';
import { type ExternalStorage, NodelocalStorage, parseUri } from '#src/storage/index.js';
import { type FileServerOptions, startFiles } from './servers/files.js';

/** Reads over HTTP what it writes and lists as files: the suite's demands on reading, put to the driver. */
function readOver(http: HttpStorage, files: NodelocalStorage): ExternalStorage {
  return {
    display: http.display,
    read: (name, options) => http.read(name, options),
    size: (name) => http.size(name),
    write: (name, bytes, options) => files.write(name, bytes, options),
    create: (name, options) => files.create(name, options),
    list: (prefix, options) => files.list(prefix, options),
    delete: (name) => files.delete(name),
    close: () => http.close(),
  };
}

const SERVERS: readonly [string, FileServerOptions][] = [
  ['http, a server that knows ranges', {}],
  ['http, a server that ignores ranges', { ranges: false }],
  ['http, a server that ignores ranges and tells no sizes', { ranges: false, sizes: false }],
];

for (const [name, options] of SERVERS) {
  storageConformance(
    name,
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'spanvault-http-'));
      const server = await startFiles(join(root, '1'), options);
      const files = new NodelocalStorage(parseUri('nodelocal://1/a b/p%25q+é'), { externalIODir: root });
      const open = () => readOver(new HttpStorage(parseUri(`${server.url}/a b/p%25q+é`)), files);
      return {
        storage: open(),
        reopen: open,
        dispose: async () => {
          await server.stop();
          await rm(root, { recursive: true });
        },
      };
    },
    { describe, it },
  );
}

describe('http', () => {
  let root: string;
  let files: NodelocalStorage;
  let stop: (() => Promise<void>)[] = [];
  const serve = async (options: FileServerOptions = {}) => {
    const server = await startFiles(join(root, '1'), options);
    stop.push(() => server.stop());
    return server;
  };
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'spanvault-http-'));
    files = new NodelocalStorage(parseUri('nodelocal://1'), { externalIODir: root });
    await files.write('c/object', Buffer.from('0123456789'));
  });
  afterEach(async () => {
    await Promise.all(stop.map((close) => close()));
    stop = [];
    await rm(root, { recursive: true });
  });

  it('refuses to write, delete and list, and sends no request for it', async () => {
    const { url, requests } = await serve();
    const storage = new HttpStorage(parseUri(`${url}/c`));
    const refused = { code: 'SV_NOT_SUPPORTED', message: expect.stringContaining('http storage is for reading') };
    await expect(storage.write('object')).rejects.toMatchObject(refused);
    await expect(storage.create('object')).rejects.toMatchObject(refused);
    await expect(storage.delete('object')).rejects.toMatchObject(refused);
    await expect(storage.list('x')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'SV_NOT_SUPPORTED',
      message: `listing ${url}/c/x failed: this storage reads objects by name and does not list them`,
    });
    expect(requests).toEqual([]);
  });

  it('reads a range in one request, and keeps only the range when the server sends everything', async () => {
    for (const ranges of [true, false]) {
      const { url, requests } = await serve({ ranges });
      const storage = new HttpStorage(parseUri(`${url}/c`));
      const read = async (offset: number, length?: number) => {
        const { bytes, totalBytes } = await storage.read(
          'object',
          length === undefined ? { offset } : { offset, length },
        );
        expect(totalBytes).toBe(10);
        return Buffer.from(bytes).toString();
      };
      expect([await read(3, 4), await read(-2), await read(-4, 2), await read(8, 100)]).toEqual([
        '3456',
        '89',
        '67',
        '89',
      ]);
      expect(requests).toEqual(Array(4).fill('GET /c/object'));
    }
  });

  it('sends query and password with every request, shows neither, and gives no password to another server', async () => {
    const seen: (string | undefined)[] = [];
    const note: FileServerOptions['intercept'] = (request) => {
      seen.push(`${request.url} ${request.headers.authorization}`);
      return false;
    };
    const other = await serve({ intercept: note });
    const first = await serve({
      intercept: (request, response) => {
        note(request, response);
        response.writeHead(302, { location: `${other.url}/c/object` }).end();
        return true;
      },
    });
    const storage = new HttpStorage(parseUri(`${first.url.replace('http://', 'http://user:pa%20ss@')}/c?sig=S+E%2BC`));
    expect(Buffer.from((await storage.read('object')).bytes).toString()).toBe('0123456789');
    expect(seen).toEqual([
      `/c/object?sig=S%2BE%2BC Basic ${Buffer.from('user:pa ss').toString('base64')}`,
      '/c/object undefined',
    ]);
    expect(storage.display).toBe(`${first.url}/c`);
  });

  it('tells failures apart', async () => {
    let status = 0;
    const { url } = await serve({
      intercept: (_, response) => {
        if (status === 0) response.destroy();
        else response.writeHead(status, { location: '/again', 'retry-after': '7' }).end('details');
        return true;
      },
    });
    const storage = new HttpStorage(parseUri(`${url}/c`));
    const expected: [number, object][] = [
      [401, { code: 'SV_STORAGE_DENIED', retry: 'never' }],
      [403, { code: 'SV_STORAGE_DENIED', retry: 'never' }],
      [404, { code: 'SV_STORAGE_NOT_FOUND', message: `reading ${url}/c/object failed: it does not exist` }],
      [410, { code: 'SV_STORAGE_NOT_FOUND' }],
      [400, { code: 'SV_STORAGE_IO', retry: 'never' }],
      [408, { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff' }],
      [429, { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff', details: { kind: 'throttled', retryAfterSeconds: 7 } }],
      [500, { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff', details: { kind: 'transient' } }],
      [503, { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff', message: expect.stringContaining('answered 503') }],
      [302, { code: 'SV_STORAGE_IO', message: expect.stringContaining('302 after 5 redirects') }],
      [0, { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff', message: expect.stringContaining('ECONNRESET') }],
    ];
    for (const [each, shape] of expected) {
      status = each;
      await expect(storage.read('object')).rejects.toMatchObject(shape);
      await expect(storage.size('object')).rejects.toMatchObject(shape);
    }
    const nobody = new HttpStorage(parseUri('http://127.0.0.1:1/c'));
    await expect(nobody.read('object')).rejects.toMatchObject({ code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff' });
    expect(() => new HttpStorage(parseUri('http:///c'))).toThrow('names no host');
  });

  it('notices answers that are cut short or of another range', async () => {
    let mode = 'short';
    const { url } = await serve({
      intercept: (_, response) => {
        if (mode === 'short') response.writeHead(200, { 'content-length': '10' }).write('0123');
        if (mode === 'short') setTimeout(() => response.destroy(), 20);
        if (mode === 'other') response.writeHead(206, { 'content-range': 'bytes 4-5/10' }).end('45');
        if (mode === 'unnamed') response.writeHead(206).end('45');
        return true;
      },
    });
    const storage = new HttpStorage(parseUri(`${url}/c`));
    const passes = { code: 'SV_STORAGE_UNAVAILABLE', retry: 'backoff' };
    await expect(storage.read('object')).rejects.toMatchObject(passes);
    for (const other of ['other', 'unnamed']) {
      mode = other;
      await expect(storage.read('object', { offset: 2, length: 2 })).rejects.toMatchObject(passes);
    }
  });

  it('stops on the wire when aborted', async () => {
    let closed = 0;
    const { url } = await serve({
      intercept: (request) => {
        request.on('close', () => {
          closed++;
        });
        return true;
      },
    });
    const storage = new HttpStorage(parseUri(`${url}/c`));
    const controller = new AbortController();
    const reading = storage.read('object', { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(reading).rejects.toMatchObject({ code: 'SV_ABORTED' });
    await expect.poll(() => closed).toBe(1);
  });
});
