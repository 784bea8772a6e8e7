import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openAzureContainer, parseAzureAccount } from '#src/storage/azure_account.js';
import { parseUri } from '#src/storage/index.js';
import { loadPackage } from '#src/storage/packages.js';

const SECRET = 'NEVERTOBESEEN+++';
const account = (query: string, env: NodeJS.ProcessEnv = {}) =>
  parseAzureAccount(parseUri(`azure-blob://c/p?${query}`), env);

describe('accounts of azure-blob', () => {
  it('reads keys, app registrations and implicit sign-in, in every cloud', () => {
    expect(account('AZURE_ACCOUNT_NAME=acc&AZURE_ACCOUNT_KEY=a%2Bb%3D')).toEqual({
      name: 'acc',
      endpoint: 'https://acc.blob.core.windows.net',
      authority: 'https://login.microsoftonline.com',
      signIn: { kind: 'key', key: 'a+b=' },
    });
    expect(
      account(
        'AUTH=specified&AZURE_ACCOUNT_NAME=acc&AZURE_CLIENT_ID=i&AZURE_CLIENT_SECRET=s&AZURE_TENANT_ID=t&AZURE_ENVIRONMENT=AzureUSGovernmentCloud',
      ),
    ).toEqual({
      name: 'acc',
      endpoint: 'https://acc.blob.core.usgovcloudapi.net',
      authority: 'https://login.microsoftonline.us',
      signIn: { kind: 'client', tenantId: 't', clientId: 'i', clientSecret: 's' },
    });
    expect(account('AUTH=implicit&AZURE_ACCOUNT_NAME=acc').signIn).toEqual({ kind: 'implicit' });
    const emulated = { AZURE_STORAGE_SERVICE_ENDPOINT: 'http://127.0.0.1:10000/acc/' };
    expect(account('AUTH=implicit&AZURE_ACCOUNT_NAME=acc', emulated).endpoint).toBe('http://127.0.0.1:10000/acc');
  });

  it('refuses what is missing or wrong, without showing it', () => {
    const wrong: [string, string][] = [
      ['', 'azure uri missing "AZURE_ACCOUNT_NAME" parameter'],
      ['AZURE_ACCOUNT_NAME=acc', 'azure uri missing "AZURE_ACCOUNT_KEY" parameter'],
      [
        'AZURE_ACCOUNT_NAME=acc&AZURE_CLIENT_ID=i&AZURE_TENANT_ID=t',
        'azure uri missing "AZURE_CLIENT_SECRET" parameter',
      ],
      ['AZURE_ACCOUNT_NAME=acc&AZURE_ACCOUNT_KEY=aaaa&AZURE_CLIENT_ID=i', 'azure uri has both'],
      [`AZURE_ACCOUNT_NAME=acc&AZURE_ACCOUNT_KEY=${SECRET}x`, 'the value of AZURE_ACCOUNT_KEY is not base64'],
      ['AZURE_ACCOUNT_NAME=a.evil.example/&AUTH=implicit', 'account name "a.evil.example/" is not valid'],
      ['AZURE_ACCOUNT_NAME=acc&AUTH=sas', 'unsupported value sas for AUTH'],
      ['AZURE_ACCOUNT_NAME=acc&AUTH=implicit&AZURE_ENVIRONMENT=MOON', 'no cloud environment matching the name "MOON"'],
    ];
    for (const [query, message] of wrong) {
      let error: unknown;
      try {
        account(query);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: 'SV_URI', message: expect.stringContaining(message) });
      expect(inspect(error)).not.toContain(SECRET);
    }
    expect(() =>
      account('AZURE_ACCOUNT_NAME=acc&AUTH=implicit', { AZURE_STORAGE_SERVICE_ENDPOINT: 'no address' }),
    ).toThrow('AZURE_STORAGE_SERVICE_ENDPOINT is not an address');
  });

  it('signs in with the file that CockroachDB nodes read, and says what it lacks', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'spanvault-azure-'));
    const path = join(directory, 'credentials.yaml');
    process.env.COCKROACH_AZURE_APPLICATION_CREDENTIALS_FILE = path;
    try {
      const implicit = account('AUTH=implicit&AZURE_ACCOUNT_NAME=acc');
      await expect(openAzureContainer(implicit, 'c')).rejects.toMatchObject({
        code: 'SV_STORAGE_DENIED',
        message: expect.stringContaining('ENOENT'),
      });
      await writeFile(path, `azure_tenant_id: "11111111-1111-1111-1111-111111111111"\nazure_client_id: i\n`);
      await expect(openAzureContainer(implicit, 'c')).rejects.toThrow('it has no azure_client_secret');
      await writeFile(
        path,
        `azure_tenant_id: "11111111-1111-1111-1111-111111111111"\nazure_client_id: i # ours\nazure_client_secret: ${SECRET}\n`,
      );
      expect((await openAzureContainer(implicit, 'c')).url).toBe('https://acc.blob.core.windows.net/c');
    } finally {
      delete process.env.COCKROACH_AZURE_APPLICATION_CREDENTIALS_FILE;
      await rm(directory, { recursive: true });
    }
  });

  it('says what to install where a client library is missing, and passes on what is wrong inside of one', async () => {
    const missing = () => import(['@no-such', 'package'].join('/'));
    await expect(loadPackage('@no-such/package', 'azure-blob', missing)).rejects.toMatchObject({
      code: 'SV_NOT_SUPPORTED',
      message: 'azure-blob:// storage needs the package @no-such/package, which is not installed',
      hint: 'npm install @no-such/package',
    });
    await expect(loadPackage('@azure/identity', 'azure-blob', missing)).rejects.toThrow('@no-such/package');
  });
});
