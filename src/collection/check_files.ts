import { hasCode, SpanvaultError, throwIfAborted } from '../fault/index.js';
import type { FileRecord } from '../manifest/index.js';
import { type ExternalStorage, inLanes, openStorage } from '../storage/index.js';
import { type OpenedBackup, type OpenedLayer, storeOf } from './open.js';

/** A data file that a manifest names and its store does not hold. */
export interface MissingFile {
  /** Position of the layer in the chain. */
  readonly layer: number;
  readonly localityKv: string;
  /** The whole location, secrets redacted. */
  readonly location: string;
}

/** What looking at one layer's data files tells. */
export interface SeenFiles {
  /** Bytes of each file that is there, by the record's path and locality as `fileKey` makes it. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Each path once, in the order of the manifest. */
  readonly missing: readonly Omit<MissingFile, 'layer'>[];
}

/** What tells one file of a layer from another. */
export function fileKey(file: Pick<FileRecord, 'path' | 'localityKv'>): string {
  return `${file.localityKv}\0${file.path}`;
}

/** A layer and what its manifest lists. */
export interface ListedLayer {
  readonly layer: Pick<OpenedLayer, 'stores' | 'defaultStore'>;
  readonly files: readonly FileRecord[];
}

/**
 * Asks for the size of every data file of some layers, once per file. Only their presence is looked at.
 * @throws SpanvaultError what a store throws for anything but a missing object
 */
export async function seeFiles(layers: readonly ListedLayer[], signal?: AbortSignal): Promise<readonly SeenFiles[]> {
  const stores = new Map<string, ExternalStorage>();
  const storageOf = (layer: ListedLayer['layer'], file: FileRecord): ExternalStorage => {
    const config = storeOf(layer, file);
    const storage = stores.get(config.uri) ?? openStorage(config);
    stores.set(config.uri, storage);
    return storage;
  };
  const wanted = layers.flatMap(({ layer, files }, index) =>
    [...new Map(files.map((file) => [fileKey(file), file]))].map(([key, file]) => ({ index, key, file, layer })),
  );
  try {
    const sizes = await inLanes(wanted, async ({ layer, file }) => {
      throwIfAborted(signal);
      try {
        return await storageOf(layer, file).size(file.path);
      } catch (error) {
        if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
        return undefined;
      }
    });
    const seen = layers.map(() => ({
      bytes: new Map<string, number>(),
      missing: [] as { localityKv: string; location: string }[],
    }));
    for (const [at, { index, key, file, layer }] of wanted.entries()) {
      const bytes = sizes[at];
      if (bytes !== undefined) seen[index]!.bytes.set(key, bytes);
      else {
        const location = `${storageOf(layer, file).display}/${file.path}`;
        seen[index]!.missing.push({ localityKv: file.localityKv, location });
      }
    }
    return seen;
  } finally {
    await Promise.all([...stores.values()].map((storage) => storage.close()));
  }
}

/**
 * Data files of all layers that are not where they should be, in order of layer and file; each path once.
 * @throws SpanvaultError what a store throws for anything but a missing object
 */
export async function missingFiles(backup: Pick<OpenedBackup, 'layers'>, signal?: AbortSignal): Promise<MissingFile[]> {
  const listed = await inLanes(backup.layers, async (layer) => ({ layer, files: await layer.loadFiles(signal) }));
  const seen = await seeFiles(listed, signal);
  return seen.flatMap(({ missing }, layer) => missing.map((file) => ({ layer, ...file })));
}

/** Most paths that the error of check_files names, as in CockroachDB. */
const MISSING_LISTED_MAX = 10;

/** The error that check_files ends with. It names ten files; `details.count` is how many there are. */
export function missingFilesError(missing: readonly Pick<MissingFile, 'location'>[]): SpanvaultError {
  const locations = missing.slice(0, MISSING_LISTED_MAX).map(({ location }) => location);
  return new SpanvaultError(
    'SV_COVERAGE',
    `The following files are missing from the backup:\n${locations.map((location) => `\t${location}`).join('\n')}`,
    { details: { missing: locations, count: missing.length } },
  );
}
