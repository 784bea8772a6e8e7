import { randomFillSync } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { PartsInFlight } from '#src/backup/parts_in_flight.js';
import { openStorage, type StorageConfig } from '#src/storage/index.js';

/** What a thread of the upload-only runs gets. */
export interface PutWorkerData {
  readonly storage: StorageConfig;
  readonly partBytes: number;
  readonly partsInFlight: number;
  /** Files at a time. */
  readonly lanes: number;
}

/** Files that a thread is to put in one round. */
export interface PutWork {
  readonly names: readonly string[];
  readonly fileBytes: number;
}

const port = parentPort;
if (port !== null) {
  const { storage: config, partBytes, partsInFlight, lanes } = workerData as PutWorkerData;
  const storage = openStorage(config);
  const spare = Array.from({ length: lanes * (partsInFlight + 1) }, () => randomFillSync(new Uint8Array(partBytes)));
  const putAll = async ({ names, fileBytes }: PutWork): Promise<void> => {
    let next = 0;
    const lane = async (): Promise<void> => {
      const parts = new PartsInFlight(partBytes, partsInFlight, spare);
      while (next < names.length) {
        const writer = await storage.create(names[next++]!);
        for (let at = 0; at < fileBytes; at += partBytes) await parts.send(writer, Math.min(partBytes, fileBytes - at));
        await parts.arrived();
        await writer.finish(fileBytes);
      }
      parts.giveBack();
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };
  port.on('message', async (work: PutWork) => {
    await putAll(work);
    port.postMessage({ done: true });
  });
  port.postMessage({ ready: true });
}
