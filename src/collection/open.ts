import { SpanvaultError, throwIfAborted } from '../fault/index.js';
import {
  type DescriptorLists,
  type FileRecord,
  firstReads,
  type Manifest,
  type ManifestHead,
  openManifest,
} from '../manifest/index.js';
import {
  directoryConfig,
  type ExternalStorage,
  inLanes,
  isUnlistable,
  openStorage,
  parseUri,
  ReadAhead,
  resolveUri,
  type StorageConfig,
  type StorageSettings,
} from '../storage/index.js';
import { type FoundIncrementals, scanBothLayouts, scanIncrementals } from './find.js';
import { normalizeSubdir, splitSubdir } from './layout.js';
import { parseSourceUris } from './localities.js';
import { defaultFirst, locate } from './locate.js';
import { checkParts, findParts, type Source } from './parts.js';

/** What to open. Every list may be bare or with COCKROACH_LOCALITY, in any order; further locations do no harm. */
export interface OpenRequest {
  /** Together they must hold every part of the full, and of the incrementals unless those have locations of their own. */
  readonly uris: readonly string[];
  /**
   * 'LATEST', or a full backup's directory in the collection. Undefined: the URIs themselves name the backup's directory
   * (BACKUP TO of old versions, or a path that ends in the full's directory).
   */
  readonly subdir: string | undefined;
  /** Where the incrementals lie that were taken WITH incremental_location; only there they are looked for. */
  readonly incrementalLocation?: readonly string[];
  /** One list per further layer, each naming the layer's own directories (RESTORE FROM full, incremental, … of old versions). */
  readonly incrementals?: readonly (readonly string[])[];
  readonly settings: StorageSettings;
  /** Read the files of every layer along with it, for a caller that is likely to need all of them. */
  readonly withFiles?: boolean;
  readonly signal?: AbortSignal;
}

/** One layer, and where its files are. All configs name the layer's own directory. */
export interface OpenedLayer {
  readonly head: ManifestHead;
  /** Relative to the locations given, with a leading slash; "" where a location is the layer's own directory. */
  readonly directory: string;
  /** The layer's directory in its default location, for messages. */
  readonly location: string;
  /** Holds the manifest, and every file whose locality is "" or has no store of its own. */
  readonly defaultStore: StorageConfig;
  /** `key=value` → the store in which that part was found. */
  readonly stores: ReadonlyMap<string, StorageConfig>;
  /** Where a data file is: a location that layers share, and the file's name in it. */
  placeOf(file: Pick<FileRecord, 'localityKv' | 'path'>): { readonly location: StorageConfig; readonly name: string };
  /** The manifest with its lists of files and descriptors; this and its parts are fetched or decoded anew at every call. */
  load(signal?: AbortSignal): Promise<Manifest>;
  /** Its files alone. */
  loadFiles(signal?: AbortSignal): Promise<readonly FileRecord[]>;
  /** Its descriptors alone: their number is that of the tables, and in a long chain few layers' are needed. */
  loadDescriptors(signal?: AbortSignal): Promise<DescriptorLists>;
}

/** A chain: the full backup, then what was found as its incrementals, in the order of their names. */
export interface OpenedBackup {
  /** The location that holds the manifests: collection root or plain directory. */
  readonly root: StorageConfig;
  /** Directory of the full in the collection; undefined for a plain directory. */
  readonly subdir: string | undefined;
  readonly layers: readonly OpenedLayer[];
  /** What was left out and why, one sentence each. */
  readonly notices: readonly string[];
}

/** The store of a file's layer that holds the file (crdb-format.md 3.4, last step). */
export function storeOf(
  layer: Pick<OpenedLayer, 'stores' | 'defaultStore'>,
  file: Pick<FileRecord, 'localityKv'>,
): StorageConfig {
  return layer.stores.get(file.localityKv) ?? layer.defaultStore;
}

/**
 * Opens a backup with its incrementals: finds the default location among the URIs, reads the head of every manifest and maps
 * every partition descriptor back to the location that holds it. No data file is read or listed, and neither requests nor
 * decoded bytes grow with their number; only a fat manifest (all there is up to 22.2) is fetched with its lists.
 * @throws SpanvaultError SV_MISSING_PART for a part that no location holds; SV_STORAGE_NOT_FOUND for a backup that is not
 * there; SV_CORRUPT_MANIFEST, SV_LOCALITY, SV_URI, SV_USAGE and others
 */
export async function openBackup(request: OpenRequest): Promise<OpenedBackup> {
  const { settings } = request;
  const asked =
    request.subdir === undefined || request.subdir === 'LATEST' ? request.subdir : normalizeSubdir(request.subdir);
  const opened: Source[] = [];
  const openSources = (uris: readonly string[]): readonly Source[] => {
    const sources = parseSourceUris(uris, settings).map(({ uri, locality }) => {
      const config = { uri, settings };
      return { config, storage: openStorage(config), locality };
    });
    opened.push(...sources);
    return sources;
  };
  try {
    if (asked === undefined) refuseDifferentFulls(request.uris, settings);
    const sources = openSources(request.uris);
    const elsewhere = request.incrementalLocation === undefined ? undefined : openSources(request.incrementalLocation);
    const further = request.incrementals?.map(openSources) ?? [];
    const { root, subdir } = await locate(sources, asked);
    const full: Place = { sources, root, directory: subdir ?? '' };
    const { places, notices } =
      further.length > 0
        ? { places: await inLanes(further, listedPlace), notices: [] }
        : await findBelow(full, subdir, elsewhere);
    const learned: Learned = new Map();
    const first = await openLayer(full, learned, request);
    // Places that were found lie in one location; those that were listed may lie in several.
    const ahead = new ReadAhead(
      places[0]?.root.storage ?? root.storage,
      further.length > 0 ? [] : places.map(({ directory }) => directory.slice(1)),
      firstReads(request.withFiles === true),
      request.signal,
    );
    const rest = await inLanes(places, (place, index) =>
      openLayer(place, learned, request, further.length > 0 ? undefined : (storage) => ahead.of(index, storage)),
    );
    return { root: root.config, subdir, layers: [first, ...rest], notices };
  } finally {
    await Promise.all(opened.map(({ storage }) => storage.close()));
  }
}

/** Where one layer is: a directory below each of some locations, with the manifest in that of `root`. */
interface Place {
  readonly sources: readonly Source[];
  readonly root: Source;
  readonly directory: string;
}

/** A layer of the old form: its locations are its directories. */
async function listedPlace(sources: readonly Source[]): Promise<Place> {
  const { root, subdir } = await locate(sources, undefined);
  return { sources, root, directory: subdir ?? '' };
}

/** The incrementals of a full, in the collection or in locations of their own. */
async function findBelow(
  { sources, root }: Place,
  subdir: string | undefined,
  elsewhere: readonly Source[] | undefined,
): Promise<{ readonly places: readonly Place[]; readonly notices: readonly string[] }> {
  const below = (all: readonly Source[], holder: Source, { whole, unfinished }: FoundIncrementals) => ({
    places: whole.map((directory) => ({ sources: all, root: holder, directory })),
    notices: unfinished.map(
      (directory) =>
        `${holder.storage.display}${directory} holds no manifest: a backup that is running or did not finish`,
    ),
  });
  if (elsewhere === undefined) {
    try {
      const scan = subdir === undefined ? scanIncrementals(root.storage, '') : scanBothLayouts(root.storage, subdir);
      return below(sources, root, await scan);
    } catch (error) {
      // CockroachDB, too, reads the full alone where it cannot list.
      if (!isUnlistable(error)) throw error;
      const notice = `${root.storage.display} does not list its objects: incremental layers were not looked for`;
      return { places: [], notices: [notice] };
    }
  }
  // Only the default location of a list holds manifests: the first that has any is it.
  for (const candidate of defaultFirst(elsewhere)) {
    const scan = await scanIncrementals(candidate.storage, subdir ?? '');
    if (scan.whole.length > 0) return below(elsewhere, candidate, scan);
  }
  const locations = elsewhere.map(({ storage }) => storage.display).join(', ');
  return { places: [], notices: [`no incremental layers of ${subdir ?? 'this backup'} are in ${locations}`] };
}

/** Per list of locations: in which of them the part of a locality was found last. */
type Learned = Map<readonly Source[], Map<string, Source>>;

async function openLayer(
  { sources, root, directory }: Place,
  learned: Learned,
  { signal, withFiles = false }: Pick<OpenRequest, 'signal' | 'withFiles'>,
  readAhead: (storage: ExternalStorage) => Promise<ExternalStorage> = async (storage) => storage,
): Promise<OpenedLayer> {
  throwIfAborted(signal);
  const defaultStore = directoryConfig(root.config, directory);
  const storage = await readAhead(openStorage(defaultStore));
  try {
    const manifest = await openManifest(storage, signal);
    const { head } = manifest;
    const likely = learned.get(sources) ?? new Map<string, Source>();
    const parts = await findParts(sources, root, directory, head, likely, signal);
    learned.set(sources, new Map([...likely, ...parts.sources]));
    const files =
      withFiles && parts.unchecked.length === 0 ? await settled(manifest.loadFiles(storage, signal)) : undefined;
    const again = async <T>(
      read: (from: ExternalStorage, own?: AbortSignal) => Promise<T>,
      own: AbortSignal | undefined,
    ): Promise<T> => {
      await checkParts(parts.unchecked, head, own);
      const from = openStorage(defaultStore);
      try {
        return await read(from, own);
      } finally {
        await from.close();
      }
    };
    return {
      head,
      directory,
      location: storage.display,
      defaultStore,
      stores: parts.stores,
      placeOf: ({ localityKv, path }) => ({
        location: (parts.sources.get(localityKv) ?? root).config,
        name: directory === '' ? path : `${directory.slice(1)}/${path}`,
      }),
      load: (own) => again(manifest.load, own),
      loadFiles: async (own) => (files === undefined ? await again(manifest.loadFiles, own) : await files()),
      loadDescriptors: (own) => again(manifest.loadDescriptors, own),
    };
  } finally {
    await storage.close();
  }
}

/** What a promise came to, to be told later: a layer that is damaged may turn out not to be needed. */
async function settled<T>(promise: Promise<T>): Promise<() => T> {
  try {
    const value = await promise;
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** URIs that name fulls by their paths must name the same one. */
function refuseDifferentFulls(uris: readonly string[], settings: StorageSettings): void {
  const subdirs = uris
    .map((uri) => splitSubdir(parseUri(resolveUri(uri, settings)).path)?.subdir)
    .filter((subdir) => subdir !== undefined);
  const different = subdirs.find((subdir) => subdir !== subdirs[0]);
  if (different !== undefined) {
    throw new SpanvaultError(
      'SV_USAGE',
      `provided backup locations appear to reference different full backups: ${subdirs[0]} and ${different}`,
    );
  }
}
