// A process that makes a container, by the key of its account, and writes and reads an object in it by a URI. What it trusts is set
// before it starts. Argument: JSON of { uri, container, account, key }.
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { openStorage } from '#src/storage/index.js';

const { uri, container, account, key } = JSON.parse(process.argv[2]);
await new ContainerClient(container, new StorageSharedKeyCredential(account, key)).createIfNotExists();
const storage = openStorage({ uri, settings: { retry: { attempts: 2, baseMs: 1 } } });
try {
  await storage.write('object', Buffer.from('abc'));
  const { bytes } = await storage.read('object');
  console.log(JSON.stringify({ read: Buffer.from(bytes).toString() }));
} catch ({ code, message, retry }) {
  console.log(JSON.stringify({ code, message, retry }));
}
