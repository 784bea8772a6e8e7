import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { TestServer } from './process.js';

/** A key pair, and the token of a temporary one. */
export interface TestKeys {
  readonly id: string;
  readonly secret: string;
  readonly token?: string;
}

/** A role that one principal may assume: `user` for the long-lived keys, or another role's name. */
export interface TestRole {
  readonly arn: string;
  readonly trusts: string;
  readonly externalId?: string;
  /** The key pair to give, with a token of its own each time; else one that nothing but this server knows. */
  readonly gives?: TestKeys;
}

export interface Sts extends TestServer {
  /** What was granted, in order: `user > arn (external id)`. */
  readonly granted: readonly string[];
  /** Every token that was given out, the newest last. */
  readonly tokens: readonly string[];
  /** What was refused, and why. */
  readonly refused: readonly string[];
}

interface Known {
  readonly keys: TestKeys;
  readonly principal: string;
}

/**
 * AWS's Security Token Service as far as AssumeRole goes: a request must be signed (Signature Version 4) by the keys of the
 * principal that the role trusts, and carry its external id.
 */
export async function startSts(user: TestKeys, roles: readonly TestRole[]): Promise<Sts> {
  const [granted, tokens, refused]: string[][] = [[], [], []];
  // One pair of keys may have been given out under several tokens.
  const known: Known[] = [{ keys: user, principal: 'user' }];
  const answer = (request: IncomingMessage, body: string): { readonly status: number; readonly xml: string } => {
    const form = new URLSearchParams(body);
    const refuse = (code: string, why: string) => {
      refused!.push(`${code}: ${why}`);
      return {
        status: 403,
        xml: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${why}</Message></Error></ErrorResponse>`,
      };
    };
    const token = request.headers['x-amz-security-token'];
    const id = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];
    const caller = known.find(({ keys }) => keys.id === id && keys.token === token);
    if (caller === undefined) return refuse('InvalidClientTokenId', `nobody has the key ${id} with this token`);
    if (!isSignedBy(request, body, caller.keys.secret)) return refuse('SignatureDoesNotMatch', `key ${id}`);
    const role = roles.find(({ arn }) => arn === form.get('RoleArn'));
    if (form.get('Action') !== 'AssumeRole' || role === undefined || role.trusts !== caller.principal)
      return refuse('AccessDenied', `${caller.principal} may not assume ${form.get('RoleArn')}`);
    if ((form.get('ExternalId') ?? undefined) !== role.externalId)
      return refuse('AccessDenied', `${role.arn} has another external id`);
    const given = role.gives ?? {
      id: `ASIA${randomBytes(6).toString('hex')}`,
      secret: randomBytes(20).toString('hex'),
    };
    const keys: TestKeys = { ...given, token: randomBytes(16).toString('base64') };
    known.push({ keys, principal: role.arn });
    granted!.push(`${caller.principal} > ${role.arn}${role.externalId === undefined ? '' : ` (${role.externalId})`}`);
    tokens!.push(keys.token!);
    return { status: 200, xml: printGrant(role, keys) };
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { status, xml } = answer(request, body);
    response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    granted: granted!,
    tokens: tokens!,
    refused: refused!,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function printGrant({ arn }: TestRole, { id, secret, token }: TestKeys): string {
  const ends = new Date(Date.now() + 3600_000).toISOString();
  return (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>' +
    `<AssumedRoleUser><AssumedRoleId>X:y</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser>` +
    `<Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey>` +
    `<SessionToken>${token}</SessionToken><Expiration>${ends}</Expiration></Credentials>` +
    '</AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>'
  );
}

/** Computes a request's signature anew from what it says that it signed. */
function isSignedBy(request: IncomingMessage, body: string, secret: string): boolean {
  const parts = /Credential=[^/]+\/(\d{8})\/([^/]+)\/sts\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)/.exec(
    request.headers.authorization ?? '',
  );
  if (parts === null) return false;
  const [, day = '', region = '', names = '', signature] = parts;
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
  const canonical = [request.method, '/', '', headers.join(''), names, sha(body)].join('\n');
  const scope = `${day}/${region}/sts/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha(canonical)].join('\n');
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const key = [day, region, 'sts', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature && names.split(';').includes('host');
}
