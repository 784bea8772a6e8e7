import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { throwIfAborted } from '../fault/index.js';

/*
 * One HTTP request on node's own client: bodies are the caller's buffers, answers land in one allocation, a signal ends the
 * request on the wire. No retries, no redirects: those are decided above.
 */

/** Longest silence of a connection before the request fails as ETIMEDOUT. */
const IDLE_MS = 60_000;

const agents = { plain: new HttpAgent({ keepAlive: true }), tls: new HttpsAgent({ keepAlive: true }) };

export interface HttpCall {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent one after the other; the caller's memory is not touched after the promise has settled. */
  readonly body?: readonly Uint8Array[];
  /** The part of the answer's body to keep, undefined for all of it. Called once, with the body's size where it is known. */
  readonly keep?: (
    status: number,
    bodyBytes: number | undefined,
  ) => { readonly start: number; readonly length: number } | undefined;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The kept part. */
  readonly body: Uint8Array;
  /** Size of the whole body, kept or not. */
  readonly bodyBytes: number;
}

/** Sends a request and reads its answer, whatever its status. @throws node's own errors of sockets and parsing; SV_ABORTED */
export async function exchange(call: HttpCall): Promise<HttpAnswer> {
  throwIfAborted(call.signal);
  const body = call.body ?? [];
  const tls = call.url.protocol === 'https:';
  return await new Promise<HttpAnswer>((resolve, reject) => {
    const request = (tls ? httpsRequest : httpRequest)(call.url, {
      method: call.method,
      headers: {
        ...call.headers,
        ...(call.body === undefined ? {} : { 'content-length': body.reduce((sum, { length }) => sum + length, 0) }),
      },
      agent: tls ? agents.tls : agents.plain,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    request.setTimeout(IDLE_MS, () => {
      request.destroy(Object.assign(new Error('the connection fell silent'), { code: 'ETIMEDOUT' }));
    });
    request.on('error', reject);
    request.on('response', (response) => {
      collect(response, call)
        .then((collected) => {
          // An answer that came before the whole body was sent: nothing of the caller's memory may go out any more.
          if (!request.writableFinished) request.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, ...collected });
        })
        .catch(reject);
    });
    for (const piece of body) request.write(piece);
    request.end();
  });
}

async function collect(
  response: IncomingMessage,
  call: HttpCall,
): Promise<{ readonly body: Uint8Array; readonly bodyBytes: number }> {
  const declared = call.method === 'HEAD' ? 0 : declaredLength(response.headers);
  const kept = call.keep?.(response.statusCode ?? 0, declared);
  const start = kept?.start ?? 0;
  const size = kept?.length ?? declared;
  // The size is not known only of an answer sent in chunks.
  const whole = size === undefined ? undefined : new Uint8Array(size);
  const chunks: Uint8Array[] = [];
  let at = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, start + (size ?? Infinity) - at));
    if (whole === undefined) chunks.push(piece);
    else if (piece.length > 0) whole.set(piece, Math.max(0, at - start));
    at += chunk.length;
  }
  const filled = Math.min(Math.max(0, at - start), size ?? Infinity);
  if (size !== undefined && filled < size)
    throw Object.assign(new Error(`the answer ended after ${at} bytes`), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  return { body: whole ?? Buffer.concat(chunks), bodyBytes: at };
}

/** The Content-Length of an answer; undefined when it is not told. */
export function declaredLength(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
