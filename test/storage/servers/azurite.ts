import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { freePort, requireServer, startProcess, type TestServer } from './process.js';

const MAIN = resolve(import.meta.dirname, '../../../node_modules/azurite/dist/src/blob/main.js');

/** The account that every Azurite has; its key is printed in Azure's documentation. */
export const AZURITE_ACCOUNT = 'devstoreaccount1';
export const AZURITE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Query of a URI that signs in to it. */
export const AZURITE_PARAMETERS = `AZURE_ACCOUNT_NAME=${AZURITE_ACCOUNT}&AZURE_ACCOUNT_KEY=${encodeURIComponent(AZURITE_KEY)}`;

export const hasAzurite = requireServer('azurite', existsSync(MAIN));

/** Azurite's blob service; its `url` is the account's, as AZURE_STORAGE_SERVICE_ENDPOINT wants it. */
export async function startAzurite(): Promise<TestServer> {
  return await start([], 'http');
}

/** The same over TLS, which takes tokens of Azure's sign-in too and checks who gave them, for what and until when. */
export async function startSecureAzurite(cert: string, key: string): Promise<TestServer> {
  return await start(['--oauth', 'basic', '--cert', cert, '--key', key], 'https');
}

async function start(more: readonly string[], scheme: string): Promise<TestServer> {
  const port = await freePort();
  const server = await startProcess(
    process.execPath,
    // It would report failing calls to its makers, and refuse clients newer than itself.
    [
      MAIN,
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      String(port),
      '--inMemoryPersistence',
      '--silent',
      '--disableTelemetry',
      '--skipApiVersionCheck',
      ...more,
    ],
    port,
    scheme,
  );
  return { url: `${scheme}://127.0.0.1:${port}/${AZURITE_ACCOUNT}`, stop: () => server.stop() };
}

/** A client of a container of that server, as another tool would have it; the container is made when absent. */
export async function azuriteContainer(url: string, name: string): Promise<ContainerClient> {
  const client = new ContainerClient(`${url}/${name}`, new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY));
  await client.createIfNotExists();
  return client;
}
