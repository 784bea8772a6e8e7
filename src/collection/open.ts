import { hasCode, isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { equalBytes, parseTier, printUuid } from '../keys/index.js';
import {
  type FileRecord,
  hasManifest,
  type Manifest,
  type PartitionDescriptor,
  readManifest,
  readPartitionDescriptor,
} from '../manifest/index.js';
import {
  directoryConfig,
  type ExternalStorage,
  openStorage,
  parseUri,
  type StorageConfig,
  type StorageSettings,
} from '../storage/index.js';
import { findIncrementals, listIncrementals } from './find.js';
import { readLatest } from './latest.js';
import { normalizeSubdir, splitSubdir } from './layout.js';
import { parseSourceUris } from './localities.js';

/** What to open. */
export interface OpenRequest {
  /** Bare or with COCKROACH_LOCALITY, in any order; together they must hold every part. */
  readonly uris: readonly string[];
  /**
   * 'LATEST', or a full backup's directory in the collection. Undefined: the URIs themselves name the backup's directory
   * (BACKUP TO of old versions, or a path that ends in the full's directory).
   */
  readonly subdir: string | undefined;
  readonly settings: StorageSettings;
  readonly signal?: AbortSignal;
}

/** One layer, and where its files are. All configs name the layer's own directory. */
export interface OpenedLayer {
  readonly manifest: Manifest;
  /** Relative to the locations given, with a leading slash; "" for a plain directory. */
  readonly directory: string;
  /** Holds the manifest, and every file whose locality is "" or has no store of its own. */
  readonly defaultStore: StorageConfig;
  /** `key=value` → the store in which that part was found. */
  readonly stores: ReadonlyMap<string, StorageConfig>;
}

/** A chain: the full backup, then its incrementals in order of their end times. */
export interface OpenedBackup {
  /** The location that holds the manifests: collection root or plain directory. */
  readonly root: StorageConfig;
  /** Directory of the full in the collection; undefined for a plain directory. */
  readonly subdir: string | undefined;
  readonly layers: readonly OpenedLayer[];
}

/** The store of a file's layer that holds the file (crdb-format.md 3.4, last step). */
export function storeOf(layer: OpenedLayer, file: Pick<FileRecord, 'localityKv'>): StorageConfig {
  return layer.stores.get(file.localityKv) ?? layer.defaultStore;
}

/** One location given by the user. */
interface Source {
  readonly config: StorageConfig;
  readonly storage: ExternalStorage;
}

/**
 * Opens a backup with its incrementals: finds the default location among the URIs, reads every manifest and maps every
 * partition descriptor back to the location that holds it. No data file is read.
 * @throws SpanvaultError SV_MISSING_PART for a part that no location holds; SV_STORAGE_NOT_FOUND for a backup that is not
 * there; SV_CORRUPT_MANIFEST, SV_LOCALITY, SV_URI, SV_USAGE and others
 */
export async function openBackup(request: OpenRequest): Promise<OpenedBackup> {
  const { settings, signal } = request;
  const asked =
    request.subdir === undefined || request.subdir === 'LATEST' ? request.subdir : normalizeSubdir(request.subdir);
  const parsed = parseSourceUris(request.uris);
  if (asked === undefined) refuseDifferentFulls(parsed.map(({ uri }) => uri));
  const sources = parsed.map(({ uri }) => ({ config: { uri, settings }, storage: openStorage({ uri, settings }) }));
  try {
    // Look first where the list says that the default is, else in the order given.
    const marked = parsed.findIndex(({ locality }) => locality === 'default');
    const candidates = marked < 0 ? sources : [sources[marked]!, ...sources.filter((_, index) => index !== marked)];
    const { root, subdir } = await locate(candidates, asked);
    const below =
      subdir === undefined
        ? ['', ...(await listIncrementals(root.storage, ''))]
        : [subdir, ...(await findIncrementals(root.storage, subdir))];
    const layers: OpenedLayer[] = [];
    for (const directory of below) {
      throwIfAborted(signal);
      layers.push(await openLayer(sources, root, directory, signal));
    }
    return { root: root.config, subdir, layers };
  } finally {
    await Promise.all(sources.map(({ storage }) => storage.close()));
  }
}

/** A location and the directory of a full in it; undefined: the location is the full's own directory. */
interface Located {
  readonly root: Source;
  readonly subdir: string | undefined;
}

/** The location that holds the manifest, and the full's directory in it. */
async function locate(candidates: readonly Source[], asked: string | undefined): Promise<Located> {
  const named = asked === 'LATEST' ? await readLatests(candidates) : { found: [], failure: undefined };
  if (asked !== undefined && asked !== 'LATEST')
    named.found.push(...candidates.map((root) => ({ root, subdir: asked })));
  for (const { root, subdir } of named.found) if (await holdsManifest(root, subdir)) return { root, subdir };
  // A plain directory has no LATEST: its one backup is the newest.
  if (asked === undefined || asked === 'LATEST') {
    for (const root of candidates) if (await hasManifest(root.storage)) return { root, subdir: undefined };
  }
  const [first] = named.found;
  if (first === undefined && named.failure !== undefined) throw named.failure;
  const missing = openStorage(directoryConfig((first?.root ?? candidates[0]!).config, first?.subdir ?? ''));
  await readManifest(missing);
  throw new SpanvaultError(
    'SV_STORAGE_UNAVAILABLE',
    `a backup appeared in ${missing.display} while it was looked for`,
    { retry: 'backoff' },
  );
}

/** What the LATEST of each location that has one says: a stale one, left where parts were moved, must not hide the right one. */
async function readLatests(
  candidates: readonly Source[],
): Promise<{ readonly found: { readonly root: Source; readonly subdir: string }[]; readonly failure: unknown }> {
  const found: { root: Source; subdir: string }[] = [];
  let failure: unknown;
  for (const root of candidates) {
    try {
      const latest = await readLatest(root.storage);
      found.push({
        root,
        subdir: `/${latest
          .split('/')
          .filter((part) => part !== '')
          .join('/')}`,
      });
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
      failure ??= error;
    }
  }
  return { found, failure };
}

async function holdsManifest(root: Source, subdir: string): Promise<boolean> {
  const storage = openStorage(directoryConfig(root.config, subdir));
  try {
    return await hasManifest(storage);
  } finally {
    await storage.close();
  }
}

async function openLayer(
  sources: readonly Source[],
  root: Source,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<OpenedLayer> {
  const defaultStore = directoryConfig(root.config, directory);
  const storage = openStorage(defaultStore);
  const manifest = await readManifest(storage, signal);
  await storage.close();
  const stores = new Map<string, StorageConfig>();
  for (const name of manifest.partitionDescriptorFilenames) {
    const { part, config } = await findPart(sources, directory, name, signal);
    if (!equalBytes(part.backupId, manifest.id)) {
      throw new SpanvaultError(
        'SV_MISSING_PART',
        `expected backup part to have backup ID ${printUuid(manifest.id)}, found ${printUuid(part.backupId)}`,
        { details: { part: name } },
      );
    }
    checkPartLocality(part, openStorage(config).display);
    if (stores.has(part.localityKv)) {
      throw new SpanvaultError('SV_CORRUPT_MANIFEST', `duplicate locality ${part.localityKv} found in backup`, {
        details: { part: name },
      });
    }
    stores.set(part.localityKv, config);
  }
  return { manifest, directory, defaultStore, stores };
}

/** The first location, in the given order, that holds a partition descriptor of this name. */
async function findPart(
  sources: readonly Source[],
  directory: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly part: PartitionDescriptor; readonly config: StorageConfig }> {
  for (const source of sources) {
    const config = directoryConfig(source.config, directory);
    const storage = openStorage(config);
    try {
      return { part: await readPartitionDescriptor(storage, name, signal), config };
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
    } finally {
      await storage.close();
    }
  }
  throw new SpanvaultError('SV_MISSING_PART', `expected manifest ${name} not found in backup locations`, {
    details: { part: name, directory, locations: sources.map(({ storage }) => storage.display) },
    hint: 'give every location that the backup was written to, or the ones its parts were moved to',
  });
}

function checkPartLocality(part: PartitionDescriptor, location: string): void {
  try {
    parseTier(part.localityKv);
  } catch (error) {
    const problem = isSpanvaultError(error) ? error.message : String(error);
    throw new SpanvaultError('SV_CORRUPT_MANIFEST', `reading backup manifest from ${location}: ${problem}`, {
      cause: error,
    });
  }
}

/** URIs that name fulls by their paths must name the same one. */
function refuseDifferentFulls(uris: readonly string[]): void {
  const subdirs = uris.map((uri) => splitSubdir(parseUri(uri).path)?.subdir).filter((subdir) => subdir !== undefined);
  const different = subdirs.find((subdir) => subdir !== subdirs[0]);
  if (different !== undefined) {
    throw new SpanvaultError(
      'SV_USAGE',
      `provided backup locations appear to reference different full backups: ${subdirs[0]} and ${different}`,
    );
  }
}
