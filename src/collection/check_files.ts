import { hasCode, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { type ExternalStorage, openStorage } from '../storage/index.js';
import { type OpenedBackup, storeOf } from './open.js';

/** A data file that a manifest names and its store does not hold. */
export interface MissingFile {
  /** Position of the layer in the chain. */
  readonly layer: number;
  readonly localityKv: string;
  /** The whole location, secrets redacted. */
  readonly location: string;
}

/** Looks at a time: enough to hide the latency of a store, few enough for its rate limits. */
const PARALLEL = 16;

/**
 * Data files of all layers that are not where they should be, in order of layer and file; each path once. Only their
 * presence is looked at.
 * @throws SpanvaultError what a store throws for anything but a missing object
 */
export async function missingFiles(backup: OpenedBackup, signal?: AbortSignal): Promise<MissingFile[]> {
  const stores = new Map<string, ExternalStorage>();
  const wanted = new Map<
    string,
    { readonly storage: ExternalStorage; readonly path: string; readonly missing: MissingFile }
  >();
  for (const [layer, opened] of backup.layers.entries()) {
    for (const file of opened.manifest.files) {
      const config = storeOf(opened, file);
      const storage = stores.get(config.uri) ?? openStorage(config);
      stores.set(config.uri, storage);
      const location = `${storage.display}/${file.path}`;
      wanted.set(`${config.uri}\0${file.path}`, {
        storage,
        path: file.path,
        missing: { layer, localityKv: file.localityKv, location },
      });
    }
  }
  const list = [...wanted.values()];
  const absent = new Array<boolean>(list.length).fill(false);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) {
      const index = next++;
      throwIfAborted(signal);
      const { storage, path } = list[index]!;
      try {
        await storage.size(path);
      } catch (error) {
        if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
        absent[index] = true;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(PARALLEL, list.length) }, lane));
  } finally {
    await Promise.all([...stores.values()].map((storage) => storage.close()));
  }
  return list.filter((_, index) => absent[index]).map(({ missing }) => missing);
}

/** The error that check_files ends with. */
export function missingFilesError(missing: readonly MissingFile[]): SpanvaultError {
  const locations = missing.map(({ location }) => location);
  return new SpanvaultError(
    'SV_COVERAGE',
    `The following files are missing from the backup:\n${locations.map((location) => `\t${location}`).join('\n')}`,
    {
      details: { missing: locations },
    },
  );
}
