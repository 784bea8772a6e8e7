import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AZURITE_ACCOUNT, AZURITE_KEY, hasAzurite, startSecureAzurite } from './servers/azurite.js';
import type { TestServer } from './servers/process.js';

/*
 * Signing in to Azure as an app registration: a process of its own asks login.microsoftonline.com, which a proxy leads to a token
 * endpoint of the test, and goes with the token to an Azurite that checks it.
 */

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) console.warn('SKIPPED: openssl is not installed, so signing in to Azure is not tested');

const TENANT = '11111111-1111-1111-1111-111111111111';
const CLIENT = 'app-1';
const SECRET = 'NEVER/TO+BE/SEEN';

/** A token as Azurite wants it: it reads who gave it, for what and until when, and not its signature. */
function token(): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: 'https://storage.azure.com',
    iss: `https://sts.windows.net/${TENANT}/`,
    nbf: now - 60,
    iat: now - 60,
    exp: now + 3600,
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.${Buffer.from('x').toString('base64url')}`;
}

describe.skipIf(!hasAzurite || !hasOpenssl)('an app registration of Azure', () => {
  const directory = mkdtempSync(join(tmpdir(), 'spanvault-azure-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const asked: URLSearchParams[] = [];
  const stops: (() => Promise<void>)[] = [];
  let azurite: TestServer;
  let proxyUrl: string;

  beforeAll(async () => {
    const names = 'subjectAltName=DNS:login.microsoftonline.com,IP:127.0.0.1';
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=test',
        '-addext',
        names,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    azurite = await startSecureAzurite(cert, key);
    stops.push(() => azurite.stop());
    const login = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const at = `https://login.microsoftonline.com/${TENANT}`;
      response.setHeader('content-type', 'application/json');
      if (!request.url?.startsWith(`/${TENANT}/oauth2/v2.0/token`)) {
        // What clients ask to find the endpoint.
        response.end(
          JSON.stringify({
            tenant_discovery_endpoint: `${at}/v2.0/.well-known/openid-configuration`,
            token_endpoint: `${at}/oauth2/v2.0/token`,
            authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
            issuer: `${at}/v2.0`,
            jwks_uri: `${at}/discovery/v2.0/keys`,
          }),
        );
        return;
      }
      const form = new URLSearchParams(body);
      asked.push(form);
      if (form.get('client_id') === CLIENT && form.get('client_secret') === SECRET)
        response.end(JSON.stringify({ token_type: 'Bearer', expires_in: 3600, access_token: token() }));
      else response.writeHead(401).end(JSON.stringify({ error: 'invalid_client', error_description: 'AADSTS7000215' }));
    });
    const loginPort = await listen(login);
    const proxy = createHttp((_, response) => response.writeHead(405).end());
    proxy.on('connect', (request, socket) => {
      if (request.url !== 'login.microsoftonline.com:443') return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      const through = connect(loginPort, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        through.pipe(socket).pipe(through);
      });
      through.on('error', () => socket.destroy());
      socket.on('error', () => through.destroy());
    });
    proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
    rmSync(directory, { recursive: true });
  });

  async function listen(server: ReturnType<typeof createHttp> | ReturnType<typeof createHttps>): Promise<number> {
    // Those of tunnels are not the server's any more.
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return (server.address() as AddressInfo).port;
  }

  /** What the process did. */
  async function use(query: string, env: NodeJS.ProcessEnv = {}): Promise<Record<string, string>> {
    const script = new URL('./azure_signs_in.mjs', import.meta.url).pathname;
    const uri = `azure-blob://signed/p?AZURE_ACCOUNT_NAME=${AZURITE_ACCOUNT}&${query}`;
    const container = { container: `${azurite.url}/signed`, account: AZURITE_ACCOUNT, key: AZURITE_KEY };
    const child = spawn(process.execPath, [script, JSON.stringify({ uri, ...container })], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        AZURE_STORAGE_SERVICE_ENDPOINT: azurite.url,
        HTTPS_PROXY: proxyUrl,
        NO_PROXY: '127.0.0.1',
        NODE_EXTRA_CA_CERTS: cert,
        ...env,
      },
    });
    let [out, said] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => child.once('close', resolve));
    expect(said).not.toContain(SECRET);
    expect(out, said).not.toBe('');
    return JSON.parse(out);
  }
  const specified = (secret: string): string =>
    `AZURE_CLIENT_ID=${CLIENT}&AZURE_CLIENT_SECRET=${encodeURIComponent(secret)}&AZURE_TENANT_ID=${TENANT}`;

  it('signs in by its secret, of the URI, of the file that nodes read or of the environment, once for all calls', async () => {
    const file = join(directory, 'credentials.yaml');
    writeFileSync(file, `azure_tenant_id: ${TENANT}\nazure_client_id: ${CLIENT}\nazure_client_secret: ${SECRET}\n`);
    for (const [query, env] of [
      [specified(SECRET), {}],
      ['AUTH=implicit', { COCKROACH_AZURE_APPLICATION_CREDENTIALS_FILE: file }],
      ['AUTH=implicit', { AZURE_TENANT_ID: TENANT, AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: SECRET }],
    ] as const) {
      asked.length = 0;
      expect(await use(query, env), query).toEqual({ read: 'abc' });
      expect(asked.map((form) => [form.get('grant_type'), form.get('scope')])).toEqual([
        ['client_credentials', 'https://storage.azure.com/.default'],
      ]);
    }
  });

  it('is told when its secret is refused, without showing it', async () => {
    const told = await use(specified(`${SECRET}-wrong`));
    expect(told).toEqual({
      code: 'SV_STORAGE_DENIED',
      retry: 'never',
      message:
        'writing azure-blob://signed/p/object failed: signing in to Azure failed with AuthenticationRequiredError',
    });
  });
});
