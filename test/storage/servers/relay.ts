import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestServer } from './process.js';

/**
 * What happens to a request on its way: nothing, the connection ends before the server has it, the server has it and its
 * answer is lost, a byte of one body is changed, or an answer of ours.
 */
export type Mishap =
  | 'pass'
  | 'lose request'
  | 'lose answer'
  | 'damage request'
  | 'damage answer'
  | 'damage end of answer'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

/** A server between client and server; `plan` says of each request, before its body, what happens to it, and when. */
export async function startRelay(
  target: string,
  plan: (request: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage['headers'];
  }) => Mishap | Promise<Mishap>,
): Promise<TestServer> {
  const to = new URL(target);
  const server = createServer((request, response) => {
    // The client has gone.
    handle(request, response).catch(() => response.destroy());
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/', headers } = request;
    const mishap = await plan({ method, url, headers });
    const body = await wholeBody(request);
    if (mishap === 'lose request') return void response.destroy();
    if (typeof mishap === 'object') return void response.writeHead(mishap.status, mishap.headers).end(mishap.body);
    if (mishap === 'damage request') damage(body);
    const forward = httpRequest({ host: to.hostname, port: to.port, method, path: url, headers }, async (answer) => {
      const content = await wholeBody(answer);
      if (mishap === 'lose answer') return void response.destroy();
      if (mishap === 'damage answer') damage(content);
      if (mishap === 'damage end of answer') damage(content, Math.max(0, content.length - END));
      response.writeHead(answer.statusCode ?? 500, answer.headers).end(content);
    });
    forward.on('error', () => response.destroy());
    forward.end(body);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}${to.pathname.replace(/\/$/, '')}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function wholeBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** So far before the end lies what is read of any piece of a file: the magic number of an SST, the checksum of a block. */
const END = 6;

/** Changes a byte, in the middle by default. */
function damage(body: Buffer, at = body.length >> 1): void {
  if (body.length > 0) body[at] = body[at]! ^ 0x20;
}
