import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '#src/storage/index.js';
import type { TestServer } from './servers/process.js';
import { type Mishap, startRelay } from './servers/relay.js';
import { type Sts, startSts, type TestRole } from './servers/sts.js';
import { hasVersitygw, S3_KEYS, type S3Server, startVersitygw } from './servers/versitygw.js';

/*
 * What really goes over the wire to an S3, seen by a relay before it: how objects are to be kept, and who asks. The server behind
 * checks every signature, and with it that what the relay sees is what was signed.
 */

const EXPIRED: Mishap = {
  status: 400,
  headers: { 'content-type': 'application/xml' },
  body: '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>',
};

interface Seen {
  readonly kind: string;
  readonly headers: IncomingHttpHeaders;
}

describe.skipIf(!hasVersitygw)('s3 on the wire', () => {
  let server: S3Server;
  let relay: TestServer;
  let directory: string;
  const seen: Seen[] = [];
  let judge: (request: Seen) => Mishap = () => 'pass';
  const servers: TestServer[] = [];

  beforeAll(async () => {
    server = await startVersitygw();
    await server.makeBucket('wire');
    relay = await startRelay(server.url, ({ method, url, headers }) => {
      const request = { kind: kindOf(method, url), headers };
      seen.push(request);
      return judge(request);
    });
    directory = await mkdtemp(join(tmpdir(), 'spanvault-wire-'));
  });
  afterEach(async () => {
    judge = () => 'pass';
    seen.length = 0;
    for (const name of Object.keys(process.env).filter((one) => one.startsWith('AWS_'))) {
      if (name !== 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED') delete process.env[name];
    }
    for (const one of servers.splice(0)) await one.stop();
  });
  afterAll(async () => {
    await relay.stop();
    await server.stop();
    await rm(directory, { recursive: true });
  });

  const kindOf = (method: string, url: string): string => {
    const { searchParams } = new URL(url, relay.url);
    if (method === 'POST') return searchParams.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload';
    if (method === 'PUT') return searchParams.has('partNumber') ? 'UploadPart' : 'PutObject';
    return method;
  };
  const at = (path: string, query: string): string =>
    `s3://wire/${path}?${query}&AWS_ENDPOINT=${encodeURIComponent(relay.url)}`;
  const own = `AWS_ACCESS_KEY_ID=${S3_KEYS.id}&AWS_SECRET_ACCESS_KEY=${S3_KEYS.secret}`;
  /** Quick to give up, so that a test does not wait for what will not pass. */
  const settings = { retry: { attempts: 4, baseMs: 1 } };
  const open = (uri: string) => openStorage({ uri, settings });

  /** Writes an object at once, one in two parts, and reads both. */
  async function useAll(uri: string): Promise<void> {
    const storage = open(uri);
    await storage.write('small', Buffer.from('abc'));
    const writer = await storage.create('large');
    await writer.write(new Uint8Array(6 << 20));
    await writer.write(new Uint8Array(6 << 20));
    await writer.finish(12 << 20);
    expect((await storage.read('small')).bytes.length).toBe(3);
    expect(await storage.size('large')).toBe(12 << 20);
  }
  const headersOf = (kind: string, pattern: RegExp): string[] =>
    seen
      .filter((request) => request.kind === kind)
      .flatMap(({ headers }) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`))
      .filter((line) => pattern.test(line));

  it('storage class and encryption go with what makes an object, and not with its parts', async () => {
    const kept = /^x-amz-(storage-class|server-side)/;
    for (const [query, lines] of [
      ['S3_STORAGE_CLASS=STANDARD_IA', ['x-amz-storage-class: STANDARD_IA']],
      ['AWS_SERVER_ENC_MODE=AES256', ['x-amz-server-side-encryption: AES256']],
      [
        'AWS_SERVER_ENC_MODE=aws%3Akms&AWS_SERVER_KMS_ID=arn%3Aaws%3Akms%3A1%3Akey&S3_STORAGE_CLASS=GLACIER_IR',
        [
          'x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:1:key',
          'x-amz-server-side-encryption: aws:kms',
          'x-amz-storage-class: GLACIER_IR',
        ],
      ],
    ] as const) {
      seen.length = 0;
      await useAll(at('kept', `${own}&${query}`));
      expect(headersOf('PutObject', kept).sort()).toEqual(lines);
      expect(headersOf('CreateMultipartUpload', kept).sort()).toEqual(lines);
      expect(headersOf('UploadPart', kept)).toEqual([]);
      expect(headersOf('UploadPart', /^x-amz-checksum-crc32c/)).toHaveLength(2);
    }
    seen.length = 0;
    await useAll(at('kept', `${own}&AWS_SKIP_CHECKSUM=true`));
    expect(seen.flatMap(({ headers }) => Object.keys(headers)).filter((name) => name.includes('crc32c'))).toEqual([]);
  });

  it('leaves a bucket of another region to the library, which follows to it', async () => {
    // An endpoint of the environment, as AWS's clients have it: it may know of other regions, one of the URI does not.
    process.env.AWS_ENDPOINT_URL_S3 = relay.url;
    const regionOf = ({ headers }: Seen): string =>
      /Credential=[^/]+\/\d+\/([^/]+)/.exec(headers.authorization ?? '')![1]!;
    for (const status of [301, 307, 400]) {
      const elsewhere = { status, headers: { 'x-amz-bucket-region': 'us-east-1' } };
      const moved: Mishap = { status: 301, headers: { 'x-amz-bucket-region': 'us-east-1' } };
      judge = (request) => (regionOf(request) === 'us-east-1' ? 'pass' : seen.length === 1 ? elsewhere : moved);
      const storage = open(`s3://wire/region?${own}&AWS_REGION=eu-west-${status}&AWS_USE_PATH_STYLE=true`);
      const writer = await storage.create('a');
      seen.length = 0;
      await expect(storage.read('missing')).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
      expect(seen.map(regionOf)).toEqual([`eu-west-${status}`, `eu-west-${status}`, 'us-east-1']);
      await writer.write(new Uint8Array(6 << 20).fill(7));
      await writer.finish(6 << 20);
      expect((await storage.read('a', { offset: 3, length: 5 })).bytes).toEqual(new Uint8Array(5).fill(7));
      expect((await storage.read('a', { offset: -5 })).totalBytes).toBe(6 << 20);
      expect((await storage.read('a', { offset: 6 << 20 })).bytes.length).toBe(0);
    }
  });

  it('leaves a bucket with sessions of its own to the library', async () => {
    const session =
      '<CreateSessionResult><Credentials><SessionToken>of-the-bucket</SessionToken><SecretAccessKey>s</SecretAccessKey>' +
      '<AccessKeyId>k</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>';
    const express = await startRelay(server.url, ({ url, headers }) => {
      seen.push({ kind: url, headers });
      return { status: 200, body: url.includes('session') ? session : 'content' };
    });
    servers.push(express);
    const uri = `s3://wire--use1-az4--x-s3/a?${own}&AWS_ENDPOINT=${encodeURIComponent(express.url)}`;
    expect(Buffer.from((await open(uri).read('b')).bytes).toString()).toBe('content');
    expect(seen.at(-1)!.headers['x-amz-s3session-token']).toBe('of-the-bucket');
  });

  it('reaches a store at an address of the sixth version', async () => {
    const body = Buffer.from('content');
    const six = createServer((request, response) => {
      seen.push({ kind: request.method ?? '', headers: request.headers });
      response.writeHead(200, { 'content-length': body.length }).end(body);
    });
    await new Promise<void>((resolve) => six.listen(0, '::1', resolve));
    servers.push({ url: '', stop: async () => void six.close() });
    const host = `[::1]:${(six.address() as AddressInfo).port}`;
    const uri = `s3://wire/a?${own}&AWS_ENDPOINT=${encodeURIComponent(`http://${host}`)}`;
    expect((await open(uri).read('b')).bytes.length).toBe(body.length);
    expect(seen.map(({ headers }) => headers.host)).toEqual([host]);
  });

  it('corrects its clock by the answer that says how wrong it is', async () => {
    const ahead = new Date(Date.now() + 3_600_000).toUTCString();
    const body = '<Error><Code>RequestTimeTooSkewed</Code></Error>';
    judge = () => (seen.length === 1 ? { status: 403, headers: { date: ahead }, body } : 'pass');
    const storage = open(at('clock', `${own}&AWS_REGION=skewed`));
    await expect(storage.read('a')).rejects.toBeDefined();
    const times = seen.map(({ headers }) =>
      Date.parse(String(headers['x-amz-date']).replace(/(....)(..)(..T..)(..)/, '$1-$2-$3:$4:')),
    );
    expect(times.length).toBeGreaterThan(1);
    expect(times[1]! - times[0]!).toBeGreaterThan(3_500_000);
  });

  it('a session token goes with every request', async () => {
    await useAll(at('token', `${own}&AWS_SESSION_TOKEN=a%2Bb%3D`));
    expect(seen.length).toBeGreaterThan(6);
    expect(new Set(seen.map(({ headers }) => headers['x-amz-security-token']))).toEqual(new Set(['a+b=']));
  });

  it('AUTH=implicit takes the environment', async () => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: S3_KEYS.id,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secret,
      AWS_SESSION_TOKEN: 'of-the-environment',
    });
    await useAll(at('implicit', 'AUTH=implicit&AWS_REGION=us-east-1'));
    expect(new Set(seen.map(({ headers }) => headers['x-amz-security-token']))).toEqual(
      new Set(['of-the-environment']),
    );
  });

  const credentialsFile = async (token: string): Promise<void> => {
    process.env.AWS_SHARED_CREDENTIALS_FILE = join(directory, 'credentials');
    process.env.AWS_CONFIG_FILE = join(directory, 'config');
    process.env.AWS_PROFILE = 'vault';
    await writeFile(
      process.env.AWS_SHARED_CREDENTIALS_FILE,
      `[default]\naws_access_key_id = other\naws_secret_access_key = other\n[vault]\naws_access_key_id = ${S3_KEYS.id}\naws_secret_access_key = ${S3_KEYS.secret}\naws_session_token = ${token}\n`,
    );
  };

  it('AUTH=implicit takes a profile of the shared file, and reads it anew when its token has expired', async () => {
    await credentialsFile('first');
    const storage = open(at('profile', 'AUTH=implicit'));
    await storage.write('a', Buffer.from('a'));
    judge = ({ headers }) => (headers['x-amz-security-token'] === 'first' ? EXPIRED : 'pass');
    // Nobody renews it: at once, without repetition, and named.
    seen.length = 0;
    await expect(storage.write('b', Buffer.from('b'))).rejects.toMatchObject({
      code: 'SV_STORAGE_DENIED',
      retry: 'never',
      message: 'writing s3://wire/profile/b failed: 400 ExpiredToken',
      hint: 'nothing gives newer credentials: pass new ones and run it again',
    });
    expect(seen).toHaveLength(1);
    await credentialsFile('second');
    await storage.write('b', Buffer.from('b'));
    expect(seen.map(({ headers }) => headers['x-amz-security-token'])).toEqual(['first', 'first', 'second']);
  });

  const ROLES: readonly TestRole[] = [
    { arn: 'arn:aws:iam::1:role/a', trusts: 'user', externalId: 'acme 1' },
    { arn: 'arn:aws:iam::2:role/b', trusts: 'arn:aws:iam::1:role/a' },
    { arn: 'arn:aws:iam::3:role/c', trusts: 'arn:aws:iam::2:role/b', externalId: 'x', gives: S3_KEYS },
  ];
  const CHAIN = 'arn:aws:iam::1:role/a;external_id=acme 1,arn:aws:iam::2:role/b,arn:aws:iam::3:role/c;external_id=x';
  const SECRET = 'secret-of-the-user';
  const keysOf = (id: string): string => `AWS_ACCESS_KEY_ID=${id}&AWS_SECRET_ACCESS_KEY=${SECRET}`;
  const assuming = (auth: string, chain = CHAIN): string =>
    at('roles', `${auth}&ASSUME_ROLE=${encodeURIComponent(chain)}`);

  /** A token service that the environment names, as AWS's clients have it. Clients are kept by what they sign in with. */
  async function sts(id: string): Promise<Sts> {
    const started = await startSts({ id, secret: SECRET }, ROLES);
    servers.push(started);
    process.env.AWS_ENDPOINT_URL_STS = started.url;
    return started;
  }

  it('ASSUME_ROLE goes from role to role, each signed for by the one before and with its external id', async () => {
    const { granted, refused, tokens } = await sts('AKIA1');
    await useAll(assuming(keysOf('AKIA1')));
    expect(refused).toEqual([]);
    expect(granted).toEqual([
      'user > arn:aws:iam::1:role/a (acme 1)',
      'arn:aws:iam::1:role/a > arn:aws:iam::2:role/b',
      'arn:aws:iam::2:role/b > arn:aws:iam::3:role/c (x)',
    ]);
    expect(new Set(seen.map(({ headers }) => headers['x-amz-security-token']))).toEqual(new Set([tokens.at(-1)]));
  });

  it('ASSUME_ROLE starts from the environment too', async () => {
    const { granted } = await sts('AKIA2');
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIA2', AWS_SECRET_ACCESS_KEY: SECRET });
    await useAll(assuming('AUTH=implicit'));
    expect(granted).toHaveLength(3);
  });

  it('a refused role is named, with what refused it, and no secret', async () => {
    await sts('AKIA3');
    for (const [chain, role] of [
      ['arn:aws:iam::1:role/a', 'arn:aws:iam::1:role/a'],
      [CHAIN.replace('id=acme 1', 'id=other'), 'arn:aws:iam::1:role/a'],
      [`${CHAIN}y`, 'arn:aws:iam::3:role/c'],
    ] as const) {
      const error: unknown = await open(assuming(keysOf('AKIA3'), chain))
        .read('a')
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'SV_STORAGE_DENIED',
        retry: 'never',
        message: `assuming the role ${role} failed: 403 AccessDenied`,
      });
      expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
    }
  });

  it('a role whose token the store calls expired is assumed anew, once for all calls under way', async () => {
    const { granted, tokens } = await sts('AKIA4');
    const storage = open(assuming(keysOf('AKIA4')));
    await storage.write('a', Buffer.from('a'));
    const dead = new Set(tokens);
    judge = ({ headers }) => (dead.has(String(headers['x-amz-security-token'])) ? EXPIRED : 'pass');
    await Promise.all(Array.from({ length: 8 }, (_, index) => storage.write(`b${index}`, Buffer.from('b'))));
    expect(granted).toHaveLength(6);
  });

  it('a first key that has expired ends it at once, and the role that it should lead to is named', async () => {
    const body = '<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code></Error></ErrorResponse>';
    const refusing = await startRelay(server.url, () => ({ status: 403, body }));
    servers.push(refusing);
    process.env.AWS_ENDPOINT_URL_STS = refusing.url;
    await expect(open(assuming(`${keysOf('AKIA5')}&AWS_SESSION_TOKEN=old`)).read('a')).rejects.toMatchObject({
      code: 'SV_STORAGE_DENIED',
      retry: 'never',
      message: expect.stringMatching(/^assuming the role arn:aws:iam::1:role\/a failed: 403 ExpiredToken/),
    });
  });
});
