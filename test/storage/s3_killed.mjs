// A process that begins an upload of several parts, says so, and waits to be killed. Argument: JSON of a StorageConfig.
import { openStorage } from '#src/storage/index.js';

const storage = openStorage(JSON.parse(process.argv[2]));
const writer = await storage.create('data/killed.sst');
await writer.write(new Uint8Array(6 << 20));
process.stdout.write('begun\n');
setInterval(() => undefined, 1000);
