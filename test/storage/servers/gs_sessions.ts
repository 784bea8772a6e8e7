import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type ServerResponse } from 'node:http';
import type { TestServer } from './process.js';

const CHUNK = 256 * 1024;

interface Session {
  /** Address that makes the whole object in the server behind. */
  readonly complete: string;
  bytes: Buffer;
  /** The answer to the last request, which a client that lost it asks for again. */
  done: { readonly status: number; readonly body: Buffer } | undefined;
}

/**
 * Resumable sessions as Google documents them, in front of a server that has them only for clients whose every request
 * arrives: positions are checked, a session tells what it holds, and a complete one repeats its answer.
 * @param keeps how many bytes of a chunk a session takes at most, as the real one may take less than is sent
 */
export async function startGsSessions(target: string, keeps = Number.POSITIVE_INFINITY): Promise<TestServer> {
  const sessions = new Map<string, Session>();
  let own = '';
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { pathname, searchParams } = new URL(url, own);
    const session = sessions.get(searchParams.get('upload_id') ?? '');
    if (session !== undefined && method === 'DELETE') {
      sessions.delete(searchParams.get('upload_id')!);
      response.writeHead(499).end();
    } else if (session !== undefined) {
      await take(session, request.headers['content-range'] ?? '', body, keeps, response);
    } else if (searchParams.get('uploadType') === 'resumable') {
      const id = randomBytes(8).toString('hex');
      const query = new URLSearchParams(searchParams);
      query.set('uploadType', 'media');
      query.set('name', (JSON.parse(body.toString()) as { name: string }).name);
      sessions.set(id, { complete: `${target}${pathname}?${query}`, bytes: Buffer.alloc(0), done: undefined });
      response.writeHead(200, { location: `http://${request.headers.host}${pathname}?upload_id=${id}` }).end();
    } else {
      const { status, headers, body: content } = await send(method, `${target}${url}`, body, request.headers);
      response.writeHead(status, headers).end(content);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  own = `http://127.0.0.1:${address.port}`;
  return {
    url: own,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function take(
  session: Session,
  range: string,
  body: Buffer,
  keeps: number,
  response: ServerResponse,
): Promise<void> {
  const found = /^bytes (?:\*|(\d+)-(\d+))\/(\*|\d+)$/.exec(range);
  if (session.done !== undefined) return void response.writeHead(session.done.status).end(session.done.body);
  if (found === null) return void response.writeHead(400).end();
  const total = found[3] === '*' ? undefined : Number(found[3]);
  if (found[1] !== undefined) {
    const whole = Number(found[2]) - Number(found[1]) + 1 === body.length;
    const ends = total === Number(found[2]) + 1;
    if (Number(found[1]) !== session.bytes.length || !whole || (!ends && body.length % CHUNK !== 0))
      return void response.writeHead(400).end('the range is not the next one');
    session.bytes = Buffer.concat([session.bytes, body.subarray(0, keeps)]);
  }
  if (total === session.bytes.length) {
    session.done = await send('POST', session.complete, session.bytes, {});
    return void response.writeHead(session.done.status).end(session.done.body);
  }
  const held = session.bytes.length;
  response.writeHead(308, held === 0 ? {} : { range: `bytes=0-${held - 1}` }).end();
}

function send(
  method: string,
  url: string,
  body: Buffer,
  headers: Record<string, string | string[] | undefined>,
): Promise<{ readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const { host: _, ...rest } = headers;
    const request = httpRequest(
      url,
      { method, headers: { ...rest, 'content-length': body.length } },
      async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
        resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: Buffer.concat(chunks) });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
