import { createHash } from 'node:crypto';
import { exchange, type HttpAnswer, type HttpCall } from './http_exchange.js';
import type { S3Session } from './s3_client.js';

/** A request that carries an object's bytes in one direction. */
export interface S3Call extends Pick<HttpCall, 'keep' | 'into'> {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** In place of a body's hash. */
const UNSIGNED_BODY = 'UNSIGNED-PAYLOAD';

/** A clock that is further from the store's is corrected: signatures are good for a quarter of an hour. */
const SKEW_MS = 4 * 60_000;

/**
 * Sends such a request past the client library, to where it would have sent it and signed by its own signer: the rest of its
 * middleware takes 3 milliseconds of a core per request, and its bodies go through streams. Every answer is returned, whatever its status.
 */
export async function s3Exchange(session: S3Session, bucket: string, call: S3Call): Promise<HttpAnswer> {
  const { method, key, query = {}, body, signal, keep, into } = call;
  const { config } = session.client;
  const { address, before, signer } = await session.route(bucket);
  const path = before + keyPath(key);
  const request = {
    method,
    protocol: address.protocol,
    hostname: address.hostname,
    path,
    query: { ...query },
    headers: {
      host: address.host,
      ...call.headers,
      ...(body === undefined
        ? {}
        : {
            'content-type': 'application/octet-stream',
            'x-amz-content-sha256': session.unsignedBodies ? UNSIGNED_BODY : sha256(body),
          }),
    },
  };
  const { headers } = await signer.sign(request, { signingDate: new Date(Date.now() + config.systemClockOffset) });
  const url = new URL(`${address.origin}${path}`);
  url.search = queryText(query);
  const answer = await exchange({
    method,
    url,
    headers,
    anyCertificate: session.anyCertificate,
    ...(body === undefined ? {} : { body: [body] }),
    ...(keep === undefined ? {} : { keep }),
    ...(into === undefined ? {} : { into }),
    ...(signal === undefined ? {} : { signal }),
  });
  const offset = Date.parse(answer.headers.date ?? '') - Date.now();
  if (answer.status >= 400 && Math.abs(offset - config.systemClockOffset) > SKEW_MS) config.systemClockOffset = offset;
  return answer;
}

function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

/** A query, percent-encoded. */
function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .join('&');
}

/** A key as it stands in an address and is signed: all but unreserved characters and slashes percent-encoded. */
export function keyPath(key: string): string {
  return key.split('/').map(encoded).join('/');
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
