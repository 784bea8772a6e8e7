import { createHash } from 'node:crypto';
import { addAbortSignal, type Readable } from 'node:stream';
import { exchange, type HttpAnswer, type HttpCall } from './http_exchange.js';
import type { S3Session } from './s3_client.js';
import { s3Failure } from './s3_faults.js';
import type { S3Route } from './s3_route.js';

/** A request that carries an object's bytes in one direction. */
export interface S3Call extends Pick<HttpCall, 'keep' | 'into'> {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** SHA-256 of no bytes. */
const EMPTY_BODY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** In place of a body's hash. */
export const UNSIGNED_BODY = 'UNSIGNED-PAYLOAD';
/** A clock that is further from the store's is corrected: signatures are good for a quarter of an hour. */
const SKEW_MS = 4 * 60_000;

/**
 * Sends such a request past the client library, to where it would have sent it and with its signature: its middleware takes 3 to 4
 * milliseconds of a core per request, and its bodies go through streams. Every answer is returned, whatever its status.
 */
export async function s3Exchange(session: S3Session, route: S3Route, call: S3Call): Promise<HttpAnswer> {
  const { method, key, query = {}, body, keep, into, signal } = call;
  const { config } = session.client;
  const { protocol, hostname, host, port, origin } = route.url;
  const path = route.before + keyPath(key);
  const { headers } = await route.signer.sign(
    {
      method,
      protocol,
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path,
      query,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }),
        ...call.headers,
        host,
        'x-amz-content-sha256': body === undefined ? EMPTY_BODY : session.unsignedBodies ? UNSIGNED_BODY : sha256(body),
      },
    },
    { signingDate: new Date(Date.now() + config.systemClockOffset) },
  );
  const text = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  const answer = await exchange({
    method,
    url: new URL(`${origin}${path}${text.length === 0 ? '' : `?${text.join('&')}`}`),
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

/**
 * The same request by the client library: for buckets that only it reaches, such as those with sessions of their own or in another
 * region.
 */
export async function s3LibraryExchange(
  { sdk, client }: S3Session,
  bucket: string,
  { method, key, query = {}, headers = {}, body, signal }: S3Call,
): Promise<HttpAnswer> {
  const target = { Bucket: bucket, Key: key };
  const options = optionsOf(signal);
  if (method === 'PUT') {
    const crc = headers['x-amz-checksum-crc32c'];
    const command = new sdk.UploadPartCommand({
      ...target,
      UploadId: query.uploadId,
      PartNumber: Number(query.partNumber),
      ...(body === undefined ? {} : { Body: body }),
      ...(crc === undefined ? {} : { ChecksumAlgorithm: 'CRC32C', ChecksumCRC32C: crc }),
    });
    const { ETag } = await client.send(command, options);
    return answerOf(200, { etag: ETag });
  }
  try {
    const command = new sdk.GetObjectCommand({
      ...target,
      ...(headers.range === undefined ? {} : { Range: headers.range }),
    });
    const { Body, ContentRange, $metadata } = await client.send(command, options);
    const stream = Body as Readable & typeof Body;
    if (signal !== undefined) addAbortSignal(signal, stream);
    const bytes = (await stream?.transformToByteArray()) ?? new Uint8Array(0);
    return answerOf($metadata.httpStatusCode ?? 200, { 'content-range': ContentRange }, bytes);
  } catch (error) {
    if (s3Failure(error)?.status === RANGE_NOT_THERE) return answerOf(RANGE_NOT_THERE, {});
    throw error;
  }
}

/** Status of a range that has no byte of its object. */
export const RANGE_NOT_THERE = 416;

function answerOf(status: number, headers: HttpAnswer['headers'], body: Uint8Array = new Uint8Array(0)): HttpAnswer {
  return { status, headers, body, bodyBytes: body.length };
}

/** The signal as the client library wants it. */
export function optionsOf(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** A key as it stands in an address, its slashes as they are. */
export function keyPath(key: string): string {
  return key.split('/').map(encoded).join('/');
}

/** Percent-encoded but for unreserved characters. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
