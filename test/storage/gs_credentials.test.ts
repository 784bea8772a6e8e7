import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { GsClient, type GsServices, googleServices } from '#src/storage/gs_client.js';
import { parseGsAccount } from '#src/storage/gs_credentials.js';
import { parseUri } from '#src/storage/index.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const account = (query: string) => parseGsAccount(parseUri(`gs://b/p?${query}`));

/** A server that notes requests and answers each with what `answer` gives. */
async function serve(
  answer: (url: string, authorization: string) => { readonly status: number; readonly body: unknown },
) {
  const seen: { url: string; authorization: string | undefined; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const url = request.url ?? '';
    seen.push({ url, authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() });
    const { status, body } = answer(url, request.headers.authorization ?? '');
    response.writeHead(status).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${address.port}`, seen, stop };
}

describe('credentials of gs', () => {
  it('reads AUTH, CREDENTIALS and ASSUME_ROLE', () => {
    const json = JSON.stringify({ type: 'service_account', client_email: 'a@b' });
    expect(account(`AUTH=implicit`)).toEqual({ credentials: undefined, assumeRoles: [] });
    expect(account(`CREDENTIALS=${encodeURIComponent(base64(json))}&ASSUME_ROLE=x%40p,y%40p`)).toEqual({
      credentials: { type: 'service_account', client_email: 'a@b' },
      assumeRoles: ['x@p', 'y@p'],
    });
  });

  it('refuses wrong ones without showing them', () => {
    const SECRET = 'NEVER-TO-BE-SEEN';
    const wrong: [string, string][] = [
      ['', 'CREDENTIALS must be set unless "AUTH" is "implicit"'],
      ['AUTH=specified', 'CREDENTIALS must be set unless "AUTH" is "implicit"'],
      ['AUTH=default', 'unsupported value default for AUTH'],
      [`CREDENTIALS=${SECRET}`, 'decoding value of CREDENTIALS: it is not base64'],
      [
        `CREDENTIALS=${base64(SECRET)}`,
        'creating GCS oauth token source from specified credentials: they are not JSON',
      ],
      [
        `CREDENTIALS=${base64(JSON.stringify({ type: 'external_account', secret: SECRET }))}`,
        'creating GCS oauth token source from specified credentials: their type is neither',
      ],
    ];
    for (const [query, message] of wrong) {
      let error: unknown;
      try {
        account(query.replace(/\+/g, '%2B'));
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: 'SV_URI', message: expect.stringContaining(message) });
      for (const secret of [SECRET, base64(SECRET)]) expect(inspect(error, { depth: 9 })).not.toContain(secret);
    }
  });

  it('goes where STORAGE_EMULATOR_HOST says, without credentials', () => {
    const implicit = account('AUTH=implicit');
    expect(googleServices(implicit, { STORAGE_EMULATOR_HOST: 'localhost:4443' })).toMatchObject({
      storage: 'http://localhost:4443',
      signIn: undefined,
    });
    expect(googleServices(implicit, { STORAGE_EMULATOR_HOST: 'https://e/' }).storage).toBe('https://e');
    expect(googleServices(implicit, {}).storage).toBe('https://storage.googleapis.com');
  });

  it("opens Google's client for the account that the URI holds, without a request", async () => {
    const credentials = account(
      `CREDENTIALS=${base64(JSON.stringify({ type: 'service_account', client_email: 'a@b' }))}`,
    );
    const source = await googleServices(credentials, {}).signIn!();
    expect(Object.keys(source)).toContain('jsonContent');
    expect((source as unknown as { jsonContent: unknown }).jsonContent).toMatchObject({ client_email: 'a@b' });
  });

  it('acts as the last role, each role before it vouching for the next, and renews its token before it ends', async () => {
    let tokens = 0;
    const lifetimes = [4 * 60_000, 3600_000];
    const server = await serve((url) =>
      url.endsWith(':generateAccessToken')
        ? {
            status: 200,
            body: {
              accessToken: `token-${++tokens}`,
              expireTime: new Date(Date.now() + (lifetimes[tokens - 1] ?? 0)).toISOString(),
            },
          }
        : { status: 200, body: {} },
    );
    try {
      const services: GsServices = {
        storage: server.url,
        roles: server.url,
        signIn: async () => ({ getAccessToken: async () => 'own' }),
      };
      const client = new GsClient({ credentials: undefined, assumeRoles: ['a@p', 'b@p', 'c@p'] }, services);
      for (let call = 0; call < 3; call++) await client.request('reading', 'GET', '/o');
      expect(server.seen.map(({ url, authorization }) => [url, authorization])).toEqual([
        ['/v1/projects/-/serviceAccounts/c%40p:generateAccessToken', 'Bearer own'],
        ['/o', 'Bearer token-1'],
        ['/v1/projects/-/serviceAccounts/c%40p:generateAccessToken', 'Bearer own'],
        ['/o', 'Bearer token-2'],
        ['/o', 'Bearer token-2'],
      ]);
      expect(JSON.parse(server.seen[0]!.body)).toEqual({
        delegates: ['projects/-/serviceAccounts/a@p', 'projects/-/serviceAccounts/b@p'],
        scope: ['https://www.googleapis.com/auth/devstorage.read_write'],
        lifetime: '3600s',
      });
    } finally {
      await server.stop();
    }
  });

  it('signs in anew when a token is refused that was good before, and says so where the same one comes again', async () => {
    const refused = new Set<string>();
    let [own, roles] = [0, 0];
    const server = await serve((url, authorization) => {
      if (refused.has(authorization)) return { status: 401, body: { error: { message: 'Invalid Credentials' } } };
      const expireTime = new Date(Date.now() + 3600_000).toISOString();
      return url.endsWith(':generateAccessToken')
        ? { status: 200, body: { accessToken: `role-${++roles}`, expireTime } }
        : { status: 200, body: {} };
    });
    const client = (assumeRoles: readonly string[], signIn: NonNullable<GsServices['signIn']>) =>
      new GsClient({ credentials: undefined, assumeRoles }, { storage: server.url, roles: server.url, signIn });
    const fresh = async () => {
      const text = `own-${++own}`;
      return { getAccessToken: async () => text };
    };
    const expired = { retry: 'backoff', message: 'reading failed: the credentials had expired' };
    try {
      for (const [assumed, first, second] of [
        [[], 'Bearer own-1', 'Bearer own-2'],
        [['a@p'], 'Bearer role-1', 'Bearer role-2'],
      ] as const) {
        const one = client(assumed, fresh);
        await one.request('reading', 'GET', '/o');
        expect(server.seen.at(-1)?.authorization).toBe(first);
        refused.add(first);
        await expect(one.request('reading', 'GET', '/o')).rejects.toMatchObject(expired);
        await one.request('reading', 'GET', '/o');
        expect(server.seen.at(-1)?.authorization).toBe(second);
      }
      const fixed = client([], async () => ({ getAccessToken: async () => 'fixed' }));
      await fixed.request('reading', 'GET', '/o');
      refused.add('Bearer fixed');
      await expect(fixed.request('reading', 'GET', '/o')).rejects.toMatchObject({
        code: 'SV_STORAGE_DENIED',
        retry: 'never',
        message: 'reading failed: 401 Invalid Credentials',
        hint: 'nothing gives newer credentials: pass new ones and run it again',
      });
    } finally {
      await server.stop();
    }
  });

  it('says who was refused, and tries anew after a failure to sign in', async () => {
    const server = await serve(() => ({ status: 403, body: { error: { message: 'not you', status: 'DENIED' } } }));
    try {
      let failure: unknown = Object.assign(new Error('assertion=SECRET'), { response: { status: 400 } });
      const services = (roles: readonly string[]) =>
        new GsClient(
          { credentials: undefined, assumeRoles: roles },
          {
            storage: server.url,
            roles: server.url,
            signIn: async () => ({
              getAccessToken: async () => {
                if (failure !== undefined) throw failure;
                return 'own';
              },
            }),
          },
        );
      const client = services(['c@p']);
      const denied = { code: 'SV_STORAGE_DENIED', retry: 'never' };
      const refused: unknown = await client.request('reading gs://b/o', 'GET', '/o').catch((error: unknown) => error);
      expect(refused).toMatchObject({ ...denied, message: expect.stringContaining('refused with status 400') });
      expect(inspect(refused, { depth: 9 })).not.toContain('SECRET');
      failure = Object.assign(new Error('down'), { response: { status: 503 } });
      await expect(client.request('reading', 'GET', '/o')).rejects.toMatchObject({ retry: 'backoff' });
      failure = new Error('Could not load the default credentials. Browse to …');
      await expect(client.request('reading', 'GET', '/o')).rejects.toMatchObject({
        ...denied,
        message: 'reading failed: the environment holds no Google Cloud credentials',
      });
      failure = undefined;
      await expect(client.request('reading', 'GET', '/o')).rejects.toMatchObject({
        ...denied,
        message: 'assuming the role c@p failed: 403 not you',
      });
    } finally {
      await server.stop();
    }
  });
});
