import { SpanvaultError } from '../fault/index.js';
import { MANIFEST_NAMES } from '../manifest/index.js';
import { compareNames, type ExternalStorage } from '../storage/index.js';
import { INCREMENTALS_DIRECTORY, LISTING_DELIMITER } from './layout.js';

/*
 * Which backups a collection holds, found by listing (crdb-format.md 1.2).
 */

const FULL_MANIFEST = new RegExp(`^/?([^/]+/[^/]+/[^/]+)/(?:${MANIFEST_NAMES.join('|')})$`);
/** A file of an incremental: the layer's directory, and the name in it. */
const INCREMENTAL_FILE = /^\/?([0-9]*\/[0-9]*\.[0-9][0-9](?:-[0-9]*-?[0-9]*\.[0-9][0-9])?)\/(.+)$/s;
/** What a backup writes before its manifest; other names are strangers. */
const LAYER_FILE = /^(?:BACKUP-LOCK-|BACKUP-CHECKPOINT|BACKUP_PART_|BACKUP-STATISTICS|progress\/.|data\/|[0-9]+\.sst$)/;

/** Directories of the full backups of a collection, with a leading slash, in byte order: oldest first. */
export async function listFulls(root: ExternalStorage): Promise<string[]> {
  const found = new Set<string>();
  for await (const { name } of root.list('', { delimiter: LISTING_DELIMITER })) {
    const match = FULL_MANIFEST.exec(name);
    if (match !== null) found.add(`/${match[1]}`);
  }
  return [...found].sort(compareNames);
}

/** What a location without full backups holds instead. */
export interface LocationSurvey {
  /** Names of partition descriptors: parts of locality-aware backups whose manifests are elsewhere. */
  readonly parts: readonly string[];
  /** It is the directory of a backup itself. */
  readonly isBackup: boolean;
  /** Directories of incremental layers. */
  readonly incrementals: readonly string[];
  readonly isEmpty: boolean;
}

const PART = /(?:^|\/)(BACKUP_PART_[^/]+)$/;
const SOME_INCREMENTAL = new RegExp(`(?:^|/)([0-9]+/[0-9]+\\.[0-9]{2}[^/]*)/(?:${MANIFEST_NAMES.join('|')})$`);

/** Looks at a location in which `listFulls` finds nothing. */
export async function surveyLocation(root: ExternalStorage): Promise<LocationSurvey> {
  const parts = new Set<string>();
  const incrementals = new Set<string>();
  let isBackup = false;
  let isEmpty = true;
  for await (const { name } of root.list('', { delimiter: LISTING_DELIMITER })) {
    isEmpty = false;
    if (MANIFEST_NAMES.includes(name)) isBackup = true;
    const part = PART.exec(name)?.[1];
    if (part !== undefined) parts.add(part);
    const incremental = SOME_INCREMENTAL.exec(name)?.[1];
    if (incremental !== undefined) incrementals.add(incremental);
  }
  return { parts: [...parts], isBackup, incrementals: [...incrementals], isEmpty };
}

/** What lies below a chain's directory. Directories are relative to the root, with a leading slash, in chain order. */
export interface FoundIncrementals {
  /** Those with a manifest. */
  readonly whole: readonly string[];
  /** Those that a backup left or is still writing: files of a layer, and no manifest. */
  readonly unfinished: readonly string[];
}

/** Sorts the names below one directory into layers. */
class LayerNames {
  readonly #prefix: string;
  readonly #whole = new Set<string>();
  readonly #begun = new Set<string>();

  constructor(directory: string) {
    this.#prefix = directory === '' ? '' : `${directory.replace(/^\//, '')}/`;
  }

  get prefix(): string {
    return this.#prefix;
  }

  add(name: string): void {
    const [, layer, file] = INCREMENTAL_FILE.exec(name.slice(this.#prefix.length)) ?? [];
    if (layer === undefined || file === undefined) return;
    if (MANIFEST_NAMES.includes(file)) this.#whole.add(`/${this.#prefix}${layer}`);
    else if (LAYER_FILE.test(file)) this.#begun.add(`/${this.#prefix}${layer}`);
  }

  found(): FoundIncrementals {
    return {
      whole: [...this.#whole].sort(compareNames),
      unfinished: [...this.#begun].filter((layer) => !this.#whole.has(layer)).sort(compareNames),
    };
  }
}

/** What lies below `directory` (`""` = the root itself), found in one listing. */
export async function scanIncrementals(root: ExternalStorage, directory: string): Promise<FoundIncrementals> {
  const layers = new LayerNames(directory);
  for await (const { name } of root.list(layers.prefix, { delimiter: LISTING_DELIMITER })) layers.add(name);
  return layers.found();
}

/** Directories of the layers below `directory` (`""` = the root itself), relative to the root, with a leading slash, in chain order. */
export async function listIncrementals(root: ExternalStorage, directory: string): Promise<string[]> {
  return [...(await scanIncrementals(root, directory)).whole];
}

/** Names that are looked at beside a chain's own, for the sake of one listing instead of two: what stores give per request. */
const STRANGERS_MAX = 1000;

/**
 * Both default places of a full's incrementals in one listing where the collection is small, else in two. The places have no
 * beginning in common, but in the order of names all that lies between them are newer fulls and the incrementals of other ones.
 */
async function scanPlaces(
  root: ExternalStorage,
  subdir: string,
): Promise<readonly [old: FoundIncrementals, current: FoundIncrementals]> {
  const [old, current] = [new LayerNames(subdir), new LayerNames(`/${INCREMENTALS_DIRECTORY}${subdir}`)];
  // A directory that a user named, as up to 21.2, may sort behind `incrementals/`.
  const [first, second] = compareNames(old.prefix, current.prefix) < 0 ? [old, current] : [current, old];
  let names = 0;
  let reached = true;
  for await (const { name } of root.list('', { delimiter: LISTING_DELIMITER, after: first.prefix.slice(0, -1) })) {
    names++;
    if (name.startsWith(first.prefix)) first.add(name);
    else if (name.startsWith(second.prefix)) second.add(name);
    else if (compareNames(name, second.prefix) > 0) break;
    else if (names >= STRANGERS_MAX) {
      reached = false;
      break;
    }
  }
  if (!reached) {
    for await (const { name } of root.list(second.prefix, { delimiter: LISTING_DELIMITER })) second.add(name);
  }
  return [old.found(), current.found()];
}

/**
 * The incrementals of a full, wherever they are: below the full (up to 21.2) or below `incrementals/` (since 22.1).
 * @throws SpanvaultError SV_USAGE with CockroachDB's words when both hold layers
 */
export async function scanBothLayouts(root: ExternalStorage, subdir: string): Promise<FoundIncrementals> {
  const [old, current] = await scanPlaces(root, subdir);
  if (old.whole.length > 0 && current.whole.length > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      'Incremental layers found in both old and new default locations. Please choose a location manually with the `incremental_location` parameter.',
      {
        details: { old: old.whole.length, new: current.whole.length, location: root.display },
        hint: `incremental_location = '${root.display}' chooses the layers below the full, '${root.display}/${INCREMENTALS_DIRECTORY}' the others`,
      },
    );
  }
  return { whole: [...old.whole, ...current.whole], unfinished: [...old.unfinished, ...current.unfinished] };
}

/** Directories of the incrementals of a full in chain order; see `scanBothLayouts`. */
export async function findIncrementals(root: ExternalStorage, subdir: string): Promise<string[]> {
  return [...(await scanBothLayouts(root, subdir)).whole];
}
