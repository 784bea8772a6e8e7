import { hasCode, SpanvaultError, throwIfAborted } from '../fault/index.js';
import {
  MANIFEST_FILE,
  MANIFEST_NAMES,
  type Manifest,
  type TableStatistic,
  writeManifestFiles,
  writeManifestLists,
  writePartitionDescriptor,
  writeStatistics,
} from '../manifest/index.js';
import {
  directoryConfig,
  type ExternalStorage,
  inLanes,
  openStorage,
  type StorageConfig,
  type StorageSettings,
} from '../storage/index.js';
import { writeLatest } from './latest.js';
import { CHECKPOINT_FILE, LOCK_CONTENT, LOCK_PREFIX, lockName, PROGRESS_DIRECTORY, partName } from './layout.js';
import { type LocalityUris, localityConfigs } from './localities.js';

/** Where one layer is being written. Plain data. */
export interface BackupTarget {
  /** The default location itself; a full's LATEST lies there. */
  readonly root: StorageConfig;
  /** The layer's directory in every location: `/2023/02/23-150925.62` for a full. */
  readonly directory: string;
  /** The layer's directory in the default location, and in each other one by locality. */
  readonly defaultStore: StorageConfig;
  readonly stores: ReadonlyMap<string, StorageConfig>;
  readonly jobId: string;
}

/** What a claim needs to know. */
export interface ClaimRequest {
  readonly uris: LocalityUris;
  readonly settings: StorageSettings;
  /** The layer's directory, with a leading slash. */
  readonly directory: string;
  /** Names the lock file; decimal digits in CockroachDB. */
  readonly jobId: string;
}

/** The directory config in which a file of this locality is written; "" = the default location. */
export function targetStore(target: BackupTarget, localityKv: string): StorageConfig {
  return target.stores.get(localityKv) ?? target.defaultStore;
}

/**
 * Takes a directory for a new layer: refuses one that a manifest, a lock or a checkpoint says is used, and leaves a
 * lock of this job.
 * @throws SpanvaultError SV_EXISTS with CockroachDB's words (crdb-format.md 1.6), and what the storage throws
 */
export async function claimBackup(request: ClaimRequest): Promise<BackupTarget> {
  const { directory } = request;
  const { defaultStore: root, byLocality } = localityConfigs(request.uris, request.settings);
  const defaultStore = directoryConfig(root, directory);
  const stores = new Map([...byLocality].map(([locality, config]) => [locality, directoryConfig(config, directory)]));
  const storage = openStorage(defaultStore);
  try {
    await refuseUsed(storage, undefined);
    const own = lockName(request.jobId);
    try {
      await storage.write(own, new Uint8Array(Buffer.from(LOCK_CONTENT)));
      // Looking again after writing: of two runs that both saw an empty directory, none goes on unaware of the other.
      await refuseUsed(storage, own);
    } catch (error) {
      // A write that is reported as failed may have happened.
      await Promise.allSettled([storage.delete(own)]);
      throw error;
    }
  } finally {
    await storage.close();
  }
  return { root, directory, defaultStore, stores, jobId: request.jobId };
}

async function refuseUsed(storage: ExternalStorage, ownLock: string | undefined): Promise<void> {
  for await (const { name } of storage.list('', { delimiter: '/' })) {
    if (name === ownLock) continue;
    if (MANIFEST_NAMES.includes(name))
      throw new SpanvaultError('SV_EXISTS', `${storage.display} already contains a ${name} file`);
    if (name.startsWith(LOCK_PREFIX)) {
      const job = name.slice(LOCK_PREFIX.length);
      throw new SpanvaultError(
        'SV_EXISTS',
        `${storage.display} already contains a \`BACKUP-LOCK\` file written by job ${job}`,
      );
    }
    if (name === CHECKPOINT_FILE || name === PROGRESS_DIRECTORY) {
      throw new SpanvaultError(
        'SV_EXISTS',
        `${storage.display} already contains a ${CHECKPOINT_FILE} file (is another operation already in progress?)`,
      );
    }
  }
}

/** Names and localities of the parts of a target, in the order that the manifest keeps. */
export function partsOf(target: BackupTarget): Pick<Manifest, 'partitionDescriptorFilenames' | 'localityKvs'> {
  const localityKvs = [...target.stores.keys()];
  return {
    localityKvs,
    partitionDescriptorFilenames: localityKvs.map((locality, index) => partName(index + 1, locality)),
  };
}

/** What publishing adds to the manifest's files. */
export interface PublishOptions {
  readonly statistics?: readonly TableStatistic[];
  /** An incremental leaves LATEST, which names the chain, as it is. */
  readonly incremental?: boolean;
  /** Runs when everything but the manifest is written; a failure here leaves the layer unfinished. */
  readonly beforeManifest?: () => Promise<void>;
  /** Completion time in nanoseconds since 1970, for the name of LATEST; default now. */
  readonly now?: bigint;
  readonly signal?: AbortSignal;
}

/**
 * Makes a layer whose data files are all complete visible, in the order of durability: statistics, the
 * manifest's lists and one partition descriptor in each non-default location (empty or not), side by side; the manifest; and for a
 * full LATEST. The part names and localities of the
 * manifest are filled in. When it fails, nothing it wrote names the backup; the caller abandons the target.
 * @returns the manifest as written
 */
export async function publishBackup(
  target: BackupTarget,
  unfinished: Manifest,
  options: PublishOptions = {},
): Promise<Manifest> {
  const { signal, statistics } = options;
  const manifest: Manifest = { ...unfinished, ...partsOf(target) };
  const storage = openStorage(target.defaultStore);
  const root = openStorage(target.root);
  try {
    throwIfAborted(signal);
    // None of these names another, and nothing names them yet: each waits for its own durability, all wait together.
    await inLanes(
      [
        async () => statistics && writeStatistics(storage, statistics),
        ...manifest.localityKvs.map((locality, index) => () => writePart(target, manifest, index, locality, signal)),
        () => writeManifestLists(storage, manifest),
      ],
      (write) => write(),
    );
    await options.beforeManifest?.();
    await writeManifestFiles(storage, manifest, signal);
    throwIfAborted(signal);
    if (options.incremental !== true)
      await writeLatest(root, target.directory, options.now ?? BigInt(Date.now()) * 1_000_000n);
    return manifest;
  } catch (error) {
    // A manifest of a backup that is reported as failed must not be found: it goes first, the fat one before the slim one.
    // One that another run wrote meanwhile is not ours to erase.
    if (!hasCode(error, 'SV_STORAGE_EXISTS')) {
      for (const name of [MANIFEST_FILE, ...MANIFEST_NAMES]) await Promise.allSettled([storage.delete(name)]);
    }
    throw error;
  } finally {
    await storage.close();
    await root.close();
  }
}

async function writePart(
  target: BackupTarget,
  manifest: Manifest,
  index: number,
  locality: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const storage = openStorage(targetStore(target, locality));
  const name = manifest.partitionDescriptorFilenames[index]!;
  try {
    await writePartitionDescriptor(storage, name, manifest, locality, signal);
  } finally {
    await storage.close();
  }
}

/**
 * Erases what a failed run wrote, in every location, best effort: manifests first, the lock last. Only for a target that
 * this run claimed; what cannot be erased is counted and stays unnamed.
 * @returns how many objects could not be erased
 */
export async function abandonBackup(target: BackupTarget): Promise<number> {
  let left = 0;
  for (const config of [target.defaultStore, ...target.stores.values()]) {
    const storage = openStorage(config);
    const names: string[] = [];
    try {
      for await (const { name } of storage.list('')) if (!name.endsWith('/')) names.push(name);
    } catch {
      // A location that cannot be listed cannot be cleaned: counted, as the caller reports it.
      left++;
    }
    const rank = (name: string): number => (MANIFEST_NAMES.includes(name) ? 0 : name.startsWith(LOCK_PREFIX) ? 2 : 1);
    for (const name of names.sort((a, b) => rank(a) - rank(b))) {
      const [result] = await Promise.allSettled([storage.delete(name)]);
      if (result?.status === 'rejected') left++;
    }
    await storage.close();
  }
  return left;
}
