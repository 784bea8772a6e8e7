import { hasCode, isSpanvaultError, SpanvaultError } from '../fault/index.js';
import { equalBytes, parseTier, printUuid } from '../keys/index.js';
import { type ManifestHead, readPartitionDescriptor, readPartitionHead } from '../manifest/index.js';
import { directoryConfig, type ExternalStorage, openStorage, type StorageConfig } from '../storage/index.js';

/*
 * From the parts that a manifest names to the locations that hold them (crdb-format.md 3.4): only where a part lies counts,
 * not what its bucket is called or was called at backup.
 */

/** One location given by the user. */
export interface Source {
  readonly config: StorageConfig;
  readonly storage: ExternalStorage;
  /** `default`, `key=value`, or undefined for a bare URI: where to look first, nothing more. */
  readonly locality: string | undefined;
}

/** Where the parts of one layer were found. */
export interface FoundParts {
  /** `key=value` → the layer's directory in the location that holds that part. */
  readonly stores: ReadonlyMap<string, StorageConfig>;
  /** `key=value` → that location itself: the place to look first for the part of another layer. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Parts too long to be read whole, whose backup id is still to be checked. */
  readonly unchecked: readonly { readonly name: string; readonly config: StorageConfig }[];
}

/**
 * Finds every part of a layer. Asked are, in this order, the location that `likely` or the list names for it, those that hold
 * nothing of the layer yet, and the others, `root` with its manifest among them; the first that holds a part's name wins.
 * @throws SpanvaultError SV_MISSING_PART in CockroachDB's words, SV_CORRUPT_MANIFEST
 */
export async function findParts(
  sources: readonly Source[],
  root: Source,
  directory: string,
  head: ManifestHead,
  likely: ReadonlyMap<string, Source>,
  signal: AbortSignal | undefined,
): Promise<FoundParts> {
  const stores = new Map<string, StorageConfig>();
  const found = new Map<string, Source>();
  const unchecked: { name: string; config: StorageConfig }[] = [];
  for (const [index, name] of head.partitionDescriptorFilenames.entries()) {
    const locality = head.localityKvs[index]!;
    const first = likely.get(locality) ?? sources.find((source) => source.locality === locality);
    const holders = new Set([root, ...found.values()]);
    const rank = (source: Source): number => (source === first ? 0 : holders.has(source) ? 2 : 1);
    const order = [...sources].sort((a, b) => rank(a) - rank(b));
    const { part, source, config } = await findPart(order, directory, name, signal);
    const location = openStorage(config).display;
    if (part.backupId === undefined) unchecked.push({ name, config });
    else checkBackupId(part.backupId, head, name);
    checkTier(part.localityKv, location);
    if (stores.has(part.localityKv)) {
      throw new SpanvaultError('SV_CORRUPT_MANIFEST', `duplicate locality ${part.localityKv} found in backup`, {
        details: { part: name, location },
      });
    }
    if (part.localityKv !== locality) {
      throw new SpanvaultError(
        'SV_CORRUPT_MANIFEST',
        `${location}/${name} is the part of ${part.localityKv}, and its manifest names it as the part of ${locality}`,
      );
    }
    stores.set(locality, config);
    found.set(locality, source);
  }
  return { stores, sources: found, unchecked };
}

/** Checks the backup ids that were left, now that the layer is to be used. @throws SpanvaultError SV_MISSING_PART */
export async function checkParts(
  unchecked: FoundParts['unchecked'],
  head: ManifestHead,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { name, config } of unchecked) {
    const storage = openStorage(config);
    try {
      checkBackupId((await readPartitionDescriptor(storage, name, signal)).backupId, head, name);
    } finally {
      await storage.close();
    }
  }
}

function checkBackupId(id: Uint8Array, head: ManifestHead, name: string): void {
  if (equalBytes(id, head.id)) return;
  throw new SpanvaultError(
    'SV_MISSING_PART',
    `expected backup part to have backup ID ${printUuid(head.id)}, found ${printUuid(id)}`,
    { details: { part: name } },
  );
}

async function findPart(
  sources: readonly Source[],
  directory: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{
  readonly part: Awaited<ReturnType<typeof readPartitionHead>>;
  readonly source: Source;
  readonly config: StorageConfig;
}> {
  for (const source of sources) {
    const config = directoryConfig(source.config, directory);
    const storage = openStorage(config);
    try {
      return { part: await readPartitionHead(storage, name, signal), source, config };
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
    } finally {
      await storage.close();
    }
  }
  throw new SpanvaultError('SV_MISSING_PART', `expected manifest ${name} not found in backup locations`, {
    details: { part: name, directory, locations: sources.map(({ storage }) => storage.display) },
    hint: `it is a part of layer ${directory === '' ? openStorage(sources[0]!.config).display : directory}: give every location that the chain was ever written to, or the ones its parts were moved to`,
  });
}

function checkTier(localityKv: string, location: string): void {
  try {
    parseTier(localityKv);
  } catch (error) {
    const problem = isSpanvaultError(error) ? error.message : String(error);
    throw new SpanvaultError('SV_CORRUPT_MANIFEST', `reading backup manifest from ${location}: ${problem}`, {
      cause: error,
    });
  }
}
