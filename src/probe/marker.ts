import { SpanvaultError } from '../fault/index.js';
import { equalBytes } from '../keys/index.js';
import { openStorage, type StorageConfig } from '../storage/index.js';

/** The object that CREATE EXTERNAL CONNECTION leaves, as CockroachDB's does. */
export const MARKER_FILE = 'crdb_external_storage_location';

/**
 * Writes the marker, reads it back and finds it in a listing: what CREATE EXTERNAL CONNECTION asks of a location before it
 * keeps its name.
 * @throws SpanvaultError what the storage throws; SV_STORAGE_IO when the marker is not what was written
 */
export async function markLocation(config: StorageConfig, signal?: AbortSignal): Promise<void> {
  const storage = openStorage(config);
  const content = new Uint8Array(Buffer.from(`${new Date().toISOString()}\n`));
  const options = signal === undefined ? {} : { signal };
  try {
    await storage.write(MARKER_FILE, content, options);
    const { bytes } = await storage.read(MARKER_FILE, options);
    if (!equalBytes(bytes, content)) {
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${storage.display}/${MARKER_FILE} does not hold what was written to it`,
      );
    }
    for await (const { name } of storage.list(MARKER_FILE, options)) if (name === MARKER_FILE) return;
    throw new SpanvaultError(
      'SV_STORAGE_IO',
      `a listing of ${storage.display} does not show ${MARKER_FILE}, which was just written`,
    );
  } finally {
    await storage.close();
  }
}
