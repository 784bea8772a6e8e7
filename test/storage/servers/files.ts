import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TestServer } from './process.js';

/** How a file server differs from the best one. */
export interface FileServerOptions {
  /** False: ranges are ignored and the whole file is sent, as `python3 -m http.server` does. */
  readonly ranges?: boolean;
  /** False: bodies are sent in chunks, so that no size is told. */
  readonly sizes?: boolean;
  /** Looks at a request first; true when it has answered it. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A web server of the files of a directory; the name of a directory leads to its index page. */
export async function startFiles(
  directory: string,
  options: FileServerOptions = {},
): Promise<TestServer & { readonly requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (options.intercept?.(request, response) === true) return;
    serve(directory, options, request, response).catch(() => {
      response.writeHead(404).end('not found');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(
  directory: string,
  { ranges = true, sizes = true }: FileServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://files');
  const path = join(directory, decodeURIComponent(pathname));
  if ((await stat(path)).isDirectory()) {
    if (pathname.endsWith('/')) response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Index</h1>');
    else response.writeHead(301, { location: `${pathname}/` }).end();
    return;
  }
  const bytes = await readFile(path);
  const range = ranges && request.method === 'GET' ? /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '') : null;
  let [status, body] = [200, bytes];
  const headers: Record<string, string> = {};
  if (range !== null) {
    const start = range[1] === '' ? Math.max(0, bytes.length - Number(range[2])) : Number(range[1]);
    const end = range[1] === '' || range[2] === '' ? bytes.length : Math.min(bytes.length, Number(range[2]) + 1);
    if (start >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    [status, body] = [206, bytes.subarray(start, end)];
    headers['content-range'] = `bytes ${start}-${end - 1}/${bytes.length}`;
  }
  if (sizes || request.method === 'HEAD') headers['content-length'] = String(body.length);
  response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
}
