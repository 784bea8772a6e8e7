import { readFile } from 'node:fs/promises';
import type { TokenCredential } from '@azure/identity';
import type { ContainerClient, StoragePipelineOptions } from '@azure/storage-blob';
import { SpanvaultError } from '../fault/index.js';
import { loadPackage } from './packages.js';
import { type StorageUri, uriParameter } from './uri.js';

/** A cloud of Azure's: the end of its storage hosts, and where its accounts sign in. */
interface Cloud {
  readonly blobSuffix: string;
  readonly authority: string;
}

const CLOUDS: Readonly<Record<string, Cloud>> = {
  AZUREPUBLICCLOUD: { blobSuffix: 'blob.core.windows.net', authority: 'https://login.microsoftonline.com' },
  AZURECHINACLOUD: { blobSuffix: 'blob.core.chinacloudapi.cn', authority: 'https://login.chinacloudapi.cn' },
  AZUREGERMANCLOUD: { blobSuffix: 'blob.core.cloudapi.de', authority: 'https://login.microsoftonline.de' },
  AZUREUSGOVERNMENTCLOUD: { blobSuffix: 'blob.core.usgovcloudapi.net', authority: 'https://login.microsoftonline.us' },
};

/** An app registration and its secret. */
interface ClientSecret {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** How an Azure URI says where its account is and who is asking. */
export interface AzureAccount {
  readonly name: string;
  /** Address of the account's blob service, no trailing slash. */
  readonly endpoint: string;
  readonly authority: string;
  readonly signIn:
    | { readonly kind: 'key'; readonly key: string }
    | ({ readonly kind: 'client' } & ClientSecret)
    | { readonly kind: 'implicit' };
}

/** Reads AUTH and the AZURE_ parameters (crdb-features.md 3.2). @throws SpanvaultError SV_URI, without any part of a secret */
export function parseAzureAccount(uri: StorageUri, env: NodeJS.ProcessEnv = process.env): AzureAccount {
  const value = (parameter: string): string | undefined => uriParameter(uri, parameter) || undefined;
  const needed = (parameter: string): string => {
    const found = value(parameter);
    if (found !== undefined) return found;
    throw new SpanvaultError('SV_URI', `azure uri missing "${parameter}" parameter`);
  };
  const name = needed('AZURE_ACCOUNT_NAME');
  if (!/^[a-z0-9]{3,24}$/.test(name))
    throw new SpanvaultError('SV_URI', `azure: account name ${JSON.stringify(name)} is not valid`);
  const environment = value('AZURE_ENVIRONMENT') ?? 'AZUREPUBLICCLOUD';
  const cloud = CLOUDS[environment.toUpperCase()];
  if (cloud === undefined)
    throw new SpanvaultError(
      'SV_URI',
      `azure environment: there is no cloud environment matching the name ${JSON.stringify(environment)}`,
    );
  return {
    name,
    endpoint: serviceEndpoint(env) ?? `https://${name}.${cloud.blobSuffix}`,
    authority: cloud.authority,
    signIn: signInOf(value('AUTH') ?? 'specified', value, needed),
  };
}

/** Where the Azure CLI's variable says that blobs are, for emulators and private endpoints. */
function serviceEndpoint(env: NodeJS.ProcessEnv): string | undefined {
  const endpoint = env.AZURE_STORAGE_SERVICE_ENDPOINT;
  if (endpoint === undefined || endpoint === '') return undefined;
  if (!/^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(endpoint))
    throw new SpanvaultError(
      'SV_URI',
      'AZURE_STORAGE_SERVICE_ENDPOINT is not an address of the form https://host/path',
    );
  return endpoint.replace(/\/+$/, '');
}

function signInOf(
  auth: string,
  value: (parameter: string) => string | undefined,
  needed: (parameter: string) => string,
): AzureAccount['signIn'] {
  if (auth === 'implicit') return { kind: 'implicit' };
  if (auth !== 'specified') throw new SpanvaultError('SV_URI', `unsupported value ${auth} for AUTH`);
  const key = value('AZURE_ACCOUNT_KEY');
  const client = ['AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET', 'AZURE_TENANT_ID'].some(
    (name) => value(name) !== undefined,
  );
  if (key !== undefined && client)
    throw new SpanvaultError('SV_URI', 'azure uri has both "AZURE_ACCOUNT_KEY" and parameters of an app registration');
  if (client) {
    return {
      kind: 'client',
      tenantId: needed('AZURE_TENANT_ID'),
      clientId: needed('AZURE_CLIENT_ID'),
      clientSecret: needed('AZURE_CLIENT_SECRET'),
    };
  }
  const found = needed('AZURE_ACCOUNT_KEY');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(found) || found.length % 4 !== 0)
    throw new SpanvaultError('SV_URI', 'azure credential: the value of AZURE_ACCOUNT_KEY is not base64');
  return { kind: 'key', key: found };
}

/** The client of a container; loads Azure's library. @throws SpanvaultError SV_NOT_SUPPORTED when it is not installed, SV_STORAGE_DENIED */
export async function openAzureContainer(account: AzureAccount, container: string): Promise<ContainerClient> {
  const { ContainerClient, StorageSharedKeyCredential } = await loadPackage(
    '@azure/storage-blob',
    'azure-blob',
    () => import('@azure/storage-blob'),
  );
  const { signIn } = account;
  // Retries are decided in one place, above every driver.
  const options: StoragePipelineOptions = { retryOptions: { maxTries: 1 }, keepAliveOptions: { enable: true } };
  const url = `${account.endpoint}/${encodeURIComponent(container)}`;
  if (signIn.kind === 'key')
    return new ContainerClient(url, new StorageSharedKeyCredential(account.name, signIn.key), options);
  return new ContainerClient(url, await openCredential(account, signIn), options);
}

async function openCredential(
  { authority }: AzureAccount,
  signIn: Exclude<AzureAccount['signIn'], { readonly kind: 'key' }>,
): Promise<TokenCredential> {
  const { ClientSecretCredential, DefaultAzureCredential } = await loadPackage(
    '@azure/identity',
    'azure-blob',
    () => import('@azure/identity'),
  );
  const options = { authorityHost: authority, retryOptions: { maxRetries: 0 } };
  const client = signIn.kind === 'client' ? signIn : await clientOfFile(process.env);
  if (client === undefined) return new DefaultAzureCredential(options);
  return new ClientSecretCredential(client.tenantId, client.clientId, client.clientSecret, options);
}

/**
 * The app registration that the file named by COCKROACH_AZURE_APPLICATION_CREDENTIALS_FILE holds, as CockroachDB's nodes
 * read it; undefined without the variable.
 */
async function clientOfFile(env: NodeJS.ProcessEnv): Promise<ClientSecret | undefined> {
  const path = env.COCKROACH_AZURE_APPLICATION_CREDENTIALS_FILE;
  if (path === undefined || path === '') return undefined;
  const refuse = (problem: string): SpanvaultError =>
    new SpanvaultError(
      'SV_STORAGE_DENIED',
      `reading the Azure credentials file ${JSON.stringify(path)} failed: ${problem}`,
    );
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw refuse(error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read');
  }
  const field = (name: string): string => {
    const found = new RegExp(`^${name}:[ \\t]*(["']?)(\\S+)\\1[ \\t]*(?:#.*)?$`, 'm').exec(text)?.[2];
    if (found === undefined) throw refuse(`it has no ${name}`);
    return found;
  };
  return {
    tenantId: field('azure_tenant_id'),
    clientId: field('azure_client_id'),
    clientSecret: field('azure_client_secret'),
  };
}
