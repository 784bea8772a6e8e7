import { createHash } from 'node:crypto';
import { exchange, type HttpAnswer, type HttpCall } from './http_exchange.js';
import type { S3Session } from './s3_client.js';
import { EMPTY_BODY, keyPath, queryText, signS3, UNSIGNED_BODY } from './s3_signature.js';

/** A request that carries an object's bytes in one direction. */
export interface S3Call extends Pick<HttpCall, 'keep' | 'into'> {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** A clock that is further from the store's is corrected: signatures are good for a quarter of an hour. */
const SKEW_MS = 4 * 60_000;

/**
 * Sends such a request past the client library, to where it would have sent it and signed for whom it signs: its middleware takes
 * 3 milliseconds of a core per request, and its bodies go through streams. Every answer is returned, whatever its status.
 */
export async function s3Exchange(session: S3Session, bucket: string, call: S3Call): Promise<HttpAnswer> {
  const { method, key, query = {}, body, signal } = call;
  const { config } = session.client;
  const route = await session.route(bucket);
  const path = route.before + keyPath(key);
  const headers = signS3(
    {
      method,
      host: route.host,
      path,
      query,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }), ...call.headers },
      bodyHash: body === undefined ? EMPTY_BODY : session.unsignedBodies ? UNSIGNED_BODY : sha256(body),
    },
    await config.credentials(),
    route,
    new Date(Date.now() + config.systemClockOffset),
  );
  const { keep, into } = call;
  const text = queryText(query);
  const answer = await exchange({
    method,
    url: new URL(`${route.origin}${path}${text === '' ? '' : `?${text}`}`),
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
