import { createHash, createHmac } from 'node:crypto';

/*
 * Signatures of AWS, version 4, in the header: what the client library does for its own requests, for those that go past it because
 * they carry an object's bytes.
 */

/** Who signs. */
export interface S3Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** A request that is to be signed. */
export interface S3Unsigned {
  readonly method: string;
  /** Host with its port where that is not the scheme's own. */
  readonly host: string;
  /** Percent-encoded as it goes out. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names; all are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hex, or the word that says that it is not signed. */
  readonly bodyHash: string;
}

/** What a signature is good for. */
export interface S3Scope {
  readonly region: string;
  /** `s3`, but for buckets on machines of one's own. */
  readonly service: string;
}

/** In place of a body's hash. */
export const UNSIGNED_BODY = 'UNSIGNED-PAYLOAD';
/** SHA-256 of no bytes. */
export const EMPTY_BODY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The key of a day is the same for every request in it. */
let lastKey: { readonly of: string; readonly key: Buffer } | undefined;

/** The headers to send: those given, and with them who signed what when. */
export function signS3(
  request: S3Unsigned,
  signer: S3Signer,
  { region, service }: S3Scope,
  date: Date,
): Record<string, string> {
  const time = date.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': request.bodyHash,
    'x-amz-date': time,
    ...(signer.sessionToken === undefined ? {} : { 'x-amz-security-token': signer.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const signed = names.join(';');
  const canonical = [
    request.method,
    request.path,
    queryText(request.query),
    ...names.map((name) => `${name}:${headers[name]!.trim().replace(/ +/g, ' ')}`),
    '',
    signed,
    request.bodyHash,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const digest = createHash('sha256').update(canonical).digest('hex');
  const signature = createHmac('sha256', keyOf(signer.secretAccessKey, day, region, service))
    .update(`${ALGORITHM}\n${time}\n${scope}\n${digest}`)
    .digest('hex');
  headers.authorization = `${ALGORITHM} Credential=${signer.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
}

/** A query in the order that is signed, percent-encoded. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
}

/** A key as it stands in an address: all but unreserved characters and slashes percent-encoded. */
export function keyPath(key: string): string {
  return key.split('/').map(encoded).join('/');
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function keyOf(secret: string, day: string, region: string, service: string): Buffer {
  const of = JSON.stringify([secret, day, region, service]);
  if (lastKey?.of === of) return lastKey.key;
  const step = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(step, `AWS4${secret}`) as Buffer;
  lastKey = { of, key };
  return key;
}
