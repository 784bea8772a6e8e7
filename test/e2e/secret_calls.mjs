/*
 * Child of secrets.test.ts: library calls with secrets in their URIs, traced, all of whose failures are printed as a program would print
 * them. Arguments: the cluster's directory, and the URI of a collection that a web server shows.
 */
import { inspect } from 'node:util';
import { backup, checkStorage, listBackups, openCluster, restore, showBackup } from '../../dist/index.js';

const [directory, served, secret] = process.argv.slice(2);
const cluster = await openCluster(directory);
const storage = {
  ...cluster.storage(),
  trace: true,
  retry: { attempts: 2, baseMs: 1, capMs: 2, callTimeoutMs: 2000, operationTimeoutMs: 4000 },
};
const json = (value) => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part));
const unreachable = 'AWS_ENDPOINT=http%3A%2F%2F127.0.0.1%3A1&AWS_REGION=x&AWS_USE_PATH_STYLE=true';
const key = Buffer.from(secret).toString('base64');
const account = Buffer.from(
  json({ type: 'service_account', client_email: 'a@b', private_key: secret, private_key_id: secret }),
).toString('base64');
const bad = [
  `s3://b/p?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=${secret}&AWS_SESSION_TOKEN=${secret}&${unreachable}`,
  `gs://b/p?AUTH=specified&CREDENTIALS=${secret}`,
  `gs://b/p?AUTH=specified&CREDENTIALS=${encodeURIComponent(account)}`,
  `azure-blob://c/p?AZURE_ACCOUNT_NAME=acc&AZURE_ACCOUNT_KEY=${encodeURIComponent(key)}`,
  `azure-blob://c/p?AZURE_ACCOUNT_NAME=acc&AZURE_CLIENT_ID=i&AZURE_CLIENT_SECRET=${secret}&AZURE_TENANT_ID=t`,
  `https://user:${secret}@127.0.0.1:1/p?X-Amz-Signature=${secret}&X-Amz-Security-Token=${secret}&sig=${secret}`,
  `s3://b/p?aws_secret_access_key=${secret}`,
  `s3://b/p?AWS_SECRET_ACCESS_KEY=${secret}&AWS_SECRET_ACCESS_KEY=${secret}`,
  `s3://b/p?AWS_SECRET_ACCESS_KEY=${secret}%zz`,
  `s3://b/p?AWS_SECRET_ACCESS_KEY=${secret}#f`,
  `nodelocal://1/p?AWS_SESSION_TOKEN=${secret}`,
];

async function attempt(name, work) {
  try {
    console.log(name, json(await work()));
  } catch (error) {
    console.error(name, inspect(error, { depth: 8, showHidden: false }));
  }
}

const sink = () => cluster.sink();
for (const uri of bad) {
  await attempt('list', () => listBackups([uri], storage));
  await attempt('show', () => showBackup({ from: 'LATEST', in: [uri], storage }));
  await attempt('check', () => checkStorage({ uris: [uri], storage, transferBytes: 1000 }));
  await attempt('backup', () =>
    backup({ source: cluster.source(), into: [uri], targets: { kind: 'cluster' }, storage }),
  );
  await attempt('restore', () =>
    restore({ sink: sink(), from: 'LATEST', in: [uri], targets: { kind: 'databases', names: ['d'] }, storage }),
  );
}
await attempt('show', () => showBackup({ from: 'LATEST', in: [served], storage }));
await attempt('restored', async () => {
  const targets = { kind: 'databases', names: ['kv'] };
  const { tables } = await restore({
    sink: sink(),
    from: 'LATEST',
    in: [served],
    targets,
    newDbName: 'again',
    storage,
  });
  return tables;
});
await cluster.close();
process.exit(0);
