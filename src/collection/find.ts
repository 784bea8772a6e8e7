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

/** What lies below `directory` (`""` = the root itself), found in one listing. */
export async function scanIncrementals(root: ExternalStorage, directory: string): Promise<FoundIncrementals> {
  const prefix = directory === '' ? '' : `${directory.replace(/^\//, '')}/`;
  const whole = new Set<string>();
  const begun = new Set<string>();
  for await (const { name } of root.list(prefix, { delimiter: LISTING_DELIMITER })) {
    const [, layer, file] = INCREMENTAL_FILE.exec(name.slice(prefix.length)) ?? [];
    if (layer === undefined || file === undefined) continue;
    if (MANIFEST_NAMES.includes(file)) whole.add(`/${prefix}${layer}`);
    else if (LAYER_FILE.test(file)) begun.add(`/${prefix}${layer}`);
  }
  return {
    whole: [...whole].sort(compareNames),
    unfinished: [...begun].filter((layer) => !whole.has(layer)).sort(compareNames),
  };
}

/** Directories of the layers below `directory` (`""` = the root itself), relative to the root, with a leading slash, in chain order. */
export async function listIncrementals(root: ExternalStorage, directory: string): Promise<string[]> {
  return [...(await scanIncrementals(root, directory)).whole];
}

/**
 * The incrementals of a full, wherever they are: below the full (up to 21.2) or below `incrementals/` (since 22.1).
 * @throws SpanvaultError SV_USAGE with CockroachDB's words when both hold layers
 */
export async function scanBothLayouts(root: ExternalStorage, subdir: string): Promise<FoundIncrementals> {
  const [old, current] = await Promise.all([
    scanIncrementals(root, subdir),
    scanIncrementals(root, `/${INCREMENTALS_DIRECTORY}${subdir}`),
  ]);
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
