import { hasCode, invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import type { Timestamp } from '../keys/index.js';
import { hasManifest, type Manifest, type ManifestHead, openManifest, versionAtLeast } from '../manifest/index.js';
import { directoryConfig, openStorage, type StorageConfig, type StorageSettings } from '../storage/index.js';
import { findIncrementals, listIncrementals } from './find.js';
import { readLatest } from './latest.js';
import {
  INCREMENTALS_DIRECTORY,
  incrementalDirectory,
  incrementalDirectoryWithStart,
  normalizeSubdir,
  partName,
} from './layout.js';
import { type LocalityUris, localityConfigs } from './localities.js';

/*
 * A chain as its next writer sees it (crdb-format.md 1.1, 1.2, 3.5): what is there, and where the next layer goes.
 */

/** Which chain, and where its incrementals lie. */
export interface AppendRequest {
  /** The collection, as the chain's full backup was taken into. */
  readonly uris: LocalityUris;
  /** 'LATEST' or the full's directory. */
  readonly subdir: string;
  /** Locations of the incrementals when they are not in the collection. */
  readonly incrementalUris?: LocalityUris;
  readonly settings: StorageSettings;
  readonly signal?: AbortSignal;
}

/** One layer of the chain. */
export interface ChainLayer {
  /** Relative to the location that holds it, with a leading slash. */
  readonly directory: string;
  readonly manifest: Manifest;
}

/** A chain that can take another layer. */
export interface AppendableChain {
  /** The full's directory, with a leading slash. */
  readonly subdir: string;
  /** The layer that the next one follows: the newest incremental, or the full. */
  readonly newest: ChainLayer;
  /** Directories of all incrementals, oldest end first. */
  readonly incrementals: readonly string[];
  /** Locations that hold the incrementals: the collection's own, or explicit ones. */
  readonly uris: LocalityUris;
  /** Directory of the chain's incrementals in those locations, with a leading slash. */
  readonly directory: string;
  /** True when the names of incrementals tell their start too, as since 22.1's layout. */
  readonly namesTellStart: boolean;
}

/**
 * Looks at a chain in its default location and checks that the locations are the chain's own. Only the newest layer's manifest and
 * the head of the full's are read: what it costs to add a layer does not grow with the chain. Names of directories sort by the
 * ends of their layers (crdb-format.md 1.2).
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND for a LATEST or a full that is not there; SV_LOCALITY when the localities or
 * the locations of their parts differ from an earlier layer's; SV_CORRUPT_MANIFEST and what the storage throws
 */
export async function openForAppend(request: AppendRequest): Promise<AppendableChain> {
  const { settings, signal } = request;
  const collection = localityConfigs(request.uris, settings);
  const root = openStorage(collection.defaultStore);
  const explicit = request.incrementalUris;
  const uris = explicit ?? request.uris;
  const incrementals = openStorage(localityConfigs(uris, settings).defaultStore);
  try {
    const subdir = await fullOf(root, collection.defaultStore, request.subdir);
    const below =
      explicit === undefined ? await findIncrementals(root, subdir) : await listIncrementals(incrementals, subdir);
    const base = localityConfigs(uris, settings);
    const last = below.at(-1);
    const full = await openLayer(collection.defaultStore, subdir, last === undefined, signal);
    checkLocalities(full, uris);
    await checkParts(full, collection.byLocality);
    const newest = last === undefined ? full : await openLayer(base.defaultStore, last, true, signal);
    if (last !== undefined) {
      checkLocalities(newest, uris);
      await checkParts(newest, base.byLocality);
    }
    const directory = directoryOf(subdir, below, explicit !== undefined, full.head);
    const namesTellStart = directory !== subdir || explicit !== undefined;
    invariant(newest.manifest !== undefined, 'the newest layer is read whole');
    const { manifest } = newest;
    return {
      subdir,
      newest: { directory: newest.directory, manifest },
      incrementals: below,
      uris,
      directory,
      namesTellStart,
    };
  } finally {
    await root.close();
    await incrementals.close();
  }
}

/** Directory of the layer that ends at `end` after a layer that ended at `start`, relative to the chain's locations. */
export function nextDirectory(chain: AppendableChain, start: Timestamp, end: Timestamp): string {
  const own = chain.namesTellStart ? incrementalDirectoryWithStart(end, start) : incrementalDirectory(end);
  return `${chain.directory}${own}`;
}

/** Directories of the chain's incrementals as they are now. */
export async function currentIncrementals(chain: AppendableChain, settings: StorageSettings): Promise<string[]> {
  const storage = openStorage({ uri: chain.uris.defaultUri, settings });
  try {
    return await listIncrementals(storage, chain.directory);
  } finally {
    await storage.close();
  }
}

async function fullOf(root: ReturnType<typeof openStorage>, config: StorageConfig, asked: string): Promise<string> {
  const subdir = asked === 'LATEST' ? normalizeSubdir(await readLatest(root)) : normalizeSubdir(asked);
  const storage = openStorage(directoryConfig(config, subdir));
  try {
    if (await hasManifest(storage)) return subdir;
  } finally {
    await storage.close();
  }
  throw new SpanvaultError(
    'SV_STORAGE_NOT_FOUND',
    `No full backup exists in ${JSON.stringify(`${root.display}${subdir}`)} to append an incremental backup to. To take a full backup, remove the subdirectory from the backup command (i.e. run 'BACKUP ... INTO <collectionURI>').`,
    { details: { location: root.display, subdir } },
  );
}

interface OpenedHead {
  readonly directory: string;
  readonly head: ManifestHead;
  /** Read only of the layer that the next one follows. */
  readonly manifest: Manifest | undefined;
}

async function openLayer(
  base: StorageConfig,
  directory: string,
  whole: boolean,
  signal: AbortSignal | undefined,
): Promise<OpenedHead> {
  throwIfAborted(signal);
  const storage = openStorage(directoryConfig(base, directory));
  try {
    const opened = await openManifest(storage, signal);
    return { directory, head: opened.head, manifest: whole ? await opened.load(storage, signal) : undefined };
  } finally {
    await storage.close();
  }
}

/**
 * The chain must have been written with the very localities of this run (crdb-format.md 3.5); each layer was checked against the one
 * before it when it was taken.
 */
function checkLocalities({ directory, head }: OpenedHead, uris: LocalityUris): void {
  const asked = [...uris.byLocality.keys()].sort();
  const had = [...head.localityKvs].sort();
  if (had.length === asked.length && had.every((locality, index) => locality === asked[index])) return;
  throw new SpanvaultError(
    'SV_LOCALITY',
    `Requested backup has localities [${asked.join(' ')}], but a previous backup layer in this collection has localities [${had.join(' ')}]. Mismatched backup layers are not supported. Please take a new full backup with the new localities, or an incremental backup with matching localities.`,
    {
      details: {
        layer: directory,
        missing: had.filter((locality) => !asked.includes(locality)),
        added: asked.filter((locality) => !had.includes(locality)),
      },
    },
  );
}

/** The part of a layer must lie where this run would write the same locality's: a restore looks by directory. */
async function checkParts(layer: OpenedHead, stores: ReadonlyMap<string, StorageConfig>): Promise<void> {
  const { localityKvs, partitionDescriptorFilenames } = layer.head;
  for (const [index, locality] of localityKvs.entries()) {
    const config = stores.get(locality);
    if (config === undefined) continue;
    const storage = openStorage(directoryConfig(config, layer.directory));
    const name = partitionDescriptorFilenames[index] ?? partName(index + 1, locality);
    try {
      await storage.size(name);
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
      throw new SpanvaultError(
        'SV_LOCALITY',
        `${storage.display} does not hold ${name} of the previous backup layer ${layer.directory}: ${locality} was backed up to another location`,
        {
          cause: error,
          details: { layer: layer.directory, locality },
          hint: 'give every locality the URI that the chain has for it, or take a new full backup',
        },
      );
    } finally {
      await storage.close();
    }
  }
}

/**
 * Where the chain's incrementals lie: an explicit location has a directory per full; else they stay where the chain has them,
 * and a chain without any follows the version of its full (crdb-format.md 1.2).
 */
function directoryOf(subdir: string, found: readonly string[], explicit: boolean, full: ManifestHead): string {
  if (explicit) return subdir;
  const current = `/${INCREMENTALS_DIRECTORY}${subdir}`;
  const [first] = found;
  if (first !== undefined) return first.startsWith(`${current}/`) ? current : subdir;
  return versionAtLeast(full.clusterVersion, 22, 1) ? current : subdir;
}
