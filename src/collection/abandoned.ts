import { MANIFEST_NAMES } from '../manifest/index.js';
import { type ExternalStorage, type ListedObject, openStorage, type StorageSettings } from '../storage/index.js';
import { LOCK_PREFIX } from './layout.js';
import { parseSourceUris } from './localities.js';

/*
 * Layers that a failed or killed backup left: a directory with the lock of a job and no manifest. Both lie in the default location,
 * so that another location alone, which never holds manifests, gives no layer away.
 */

/** A layer's directory, which ends in its end time: of a full, or of an incremental with or without its start. */
const LAYER =
  /^(?:.*\/)?(?:(\d{4})\/(\d{2})\/(\d{2})-|(\d{4})(\d{2})(\d{2})\/)(\d{2})(\d{2})(\d{2})\.\d{2}(?:-[0-9]+-[0-9.]+)?$/s;

/** What a layer left in one location. */
export interface AbandonedLayer {
  /** The location, secrets redacted. */
  readonly location: string;
  /** Relative to the location, without slashes around it. */
  readonly directory: string;
  /** When the youngest of its objects was written, in all locations; where a store does not tell, the end that the directory names. */
  readonly since: Date;
  readonly objects: number;
  /** Undefined where the listing does not tell. */
  readonly bytes: number | undefined;
  readonly removed: boolean;
}

export interface SweepLayersOptions {
  /** The locations of one collection; those of a locality-aware one together. */
  readonly uris: readonly string[];
  readonly settings: StorageSettings;
  /** Remove what is found; else it is only told. */
  readonly remove: boolean;
  /** Only layers that were last written to so long ago: a backup that runs has no manifest yet, and its end may be long past. */
  readonly olderThanSeconds: number;
}

/**
 * Finds what failed and killed backups left in a collection, and removes it when told to, the locks last, so that it can be run
 * again after a failure. Nothing in or below a directory that holds a manifest is touched.
 * @throws SpanvaultError SV_USAGE, SV_URI, SV_LOCALITY, storage
 */
export async function sweepLayers(options: SweepLayersOptions): Promise<readonly AbandonedLayer[]> {
  const { settings } = options;
  const storages = parseSourceUris(options.uris, settings).map(({ uri }) => openStorage({ uri, settings }));
  try {
    const listings = await Promise.all(storages.map(listAll));
    const manifests = listings.flatMap((objects) => objects.filter(({ name }) => isManifest(name)));
    const before = Date.now() - options.olderThanSeconds * 1000;
    const directories = new Set(
      listings
        .flatMap((objects) => objects.map(({ name }) => directoryOfLock(name)))
        .filter((directory) => directory !== undefined),
    );
    const found: AbandonedLayer[] = [];
    for (const directory of [...directories].sort()) {
      const end = endOf(directory);
      if (end === undefined) continue;
      const since = lastWritten(listings, directory, end);
      if (since.getTime() > before) continue;
      if (manifests.some(({ name }) => name.startsWith(`${directory}/`))) continue;
      for (const [index, storage] of storages.entries()) {
        const objects = listings[index]!.filter(({ name }) => name.startsWith(`${directory}/`));
        if (objects.length === 0) continue;
        if (options.remove)
          await removeInOrder(
            storage,
            objects.map(({ name }) => name),
          );
        const sizes = objects.map(({ bytes }) => bytes);
        const bytes = sizes.every((size) => size !== undefined)
          ? sizes.reduce((sum, size) => sum + size, 0)
          : undefined;
        found.push({
          location: storage.display,
          directory,
          since,
          objects: objects.length,
          bytes,
          removed: options.remove,
        });
      }
    }
    return found;
  } finally {
    await Promise.all(storages.map((storage) => storage.close()));
  }
}

/** The time of a layer's youngest object; one whose store does not tell is as old as the layer's end. */
function lastWritten(listings: readonly (readonly ListedObject[])[], directory: string, end: Date): Date {
  let youngest = 0;
  for (const { name, modified = end } of listings.flat())
    if (name.startsWith(`${directory}/`)) youngest = Math.max(youngest, modified.getTime());
  return new Date(youngest);
}

async function listAll(storage: ExternalStorage): Promise<readonly ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of storage.list('')) if (!object.name.endsWith('/')) objects.push(object);
  return objects;
}

function isManifest(name: string): boolean {
  return MANIFEST_NAMES.includes(name.slice(name.lastIndexOf('/') + 1));
}

/** The layer that a lock of a job lies in; the locks of chains lie beside their layers. */
function directoryOfLock(name: string): string | undefined {
  const slash = name.lastIndexOf('/');
  const file = name.slice(slash + 1);
  return slash > 0 && file.startsWith(LOCK_PREFIX) && /^\d+$/.test(file.slice(LOCK_PREFIX.length))
    ? name.slice(0, slash)
    : undefined;
}

function endOf(directory: string): Date | undefined {
  const match = LAYER.exec(directory);
  if (match === null) return undefined;
  const [, y1, m1, d1, y2, m2, d2, hours, minutes, seconds] = match;
  const [year, month, day] = [y1 ?? y2, m1 ?? m2, d1 ?? d2].map(Number);
  return new Date(Date.UTC(year!, month! - 1, day!, Number(hours), Number(minutes), Number(seconds)));
}

async function removeInOrder(storage: ExternalStorage, names: readonly string[]): Promise<void> {
  const isLock = (name: string): number => Number(directoryOfLock(name) !== undefined);
  for (const name of [...names].sort((a, b) => isLock(a) - isLock(b))) await storage.delete(name);
}
