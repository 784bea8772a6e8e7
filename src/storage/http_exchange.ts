import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { throwIfAborted } from '../fault/index.js';

/*
 * One HTTP request on node's own client: bodies are the caller's buffers, answers land in one allocation, a signal ends the
 * request on the wire. No retries, no redirects: those are decided above.
 */

/** Longest silence of a connection before the request fails as ETIMEDOUT. */
const IDLE_MS = 60_000;
/** A machine that does not answer at all is given up sooner than one that is slow. */
const CONNECT_MS = 10_000;
/** Connections of a thread to one server; more calls wait for one. */
const SOCKETS = 64;

const kept = { keepAlive: true, maxSockets: SOCKETS };
const agents = {
  plain: new HttpAgent(kept),
  tls: new HttpsAgent(kept),
  anyCertificate: new HttpsAgent({ ...kept, rejectUnauthorized: false }),
};

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
  /** Memory for the kept part of a successful answer, where it is large enough. Not touched after the promise has settled. */
  readonly into?: Uint8Array;
  /** TLS takes whatever certificate the server shows. */
  readonly anyCertificate?: boolean;
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
      agent: tls ? (call.anyCertificate === true ? agents.anyCertificate : agents.tls) : agents.plain,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    const silent = (what: string) => (): void => {
      request.destroy(Object.assign(new Error(what), { code: 'ETIMEDOUT' }));
    };
    request.setTimeout(IDLE_MS, silent('the connection fell silent'));
    request.on('socket', (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(silent('no connection was made'), CONNECT_MS);
      socket.once('connect', () => clearTimeout(timer));
      socket.once('close', () => clearTimeout(timer));
    });
    request.on('error', reject);
    request.on('response', (response) => {
      try {
        collect(request, response, call, resolve, reject);
      } catch (error) {
        // A length that no memory holds.
        request.destroy();
        reject(error);
      }
    });
    for (const piece of body) request.write(piece);
    request.end();
  });
}

/** Reads an answer's body; calls one of `done` and `failed`, and touches no memory of the caller's afterwards. */
function collect(
  request: ClientRequest,
  response: IncomingMessage,
  call: HttpCall,
  done: (answer: HttpAnswer) => void,
  failed: (error: Error) => void,
): void {
  const declared = call.method === 'HEAD' ? 0 : declaredLength(response.headers);
  const status = response.statusCode ?? 0;
  const kept = call.keep?.(status, declared);
  const start = kept?.start ?? 0;
  const size = kept?.length ?? declared;
  const into = status < 300 ? call.into : undefined;
  // The size is not known only of an answer sent in chunks.
  const whole =
    size === undefined
      ? undefined
      : into !== undefined && into.length >= size
        ? into.subarray(0, size)
        : new Uint8Array(size);
  const chunks: Uint8Array[] = [];
  let at = 0;
  let ended = false;
  response.on('data', (chunk: Buffer) => {
    if (ended || request.destroyed) return;
    const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, start + (size ?? Infinity) - at));
    if (whole === undefined) chunks.push(piece);
    else if (piece.length > 0) whole.set(piece, Math.max(0, at - start));
    at += chunk.length;
  });
  const fail = (error: Error): void => {
    if (ended) return;
    ended = true;
    failed(error);
  };
  response.on('end', () => {
    const filled = Math.min(Math.max(0, at - start), size ?? Infinity);
    if (size !== undefined && filled < size) return fail(cutShort(at));
    ended = true;
    // An answer that came before the whole body was sent: nothing of the caller's memory may go out any more.
    if (!request.writableFinished) request.destroy();
    done({ status, headers: response.headers, body: whole ?? Buffer.concat(chunks), bodyBytes: at });
  });
  response.on('error', fail);
  response.on('close', () => {
    if (!ended) fail(cutShort(at));
  });
}

function cutShort(at: number): Error {
  return Object.assign(new Error(`the answer ended after ${at} bytes`), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}

/** The Content-Length of an answer; undefined when it is not told. */
export function declaredLength(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
