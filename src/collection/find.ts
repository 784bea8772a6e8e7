import { SpanvaultError } from '../fault/index.js';
import { MANIFEST_NAMES } from '../manifest/index.js';
import { compareNames, type ExternalStorage } from '../storage/index.js';
import { INCREMENTALS_DIRECTORY, LISTING_DELIMITER } from './layout.js';

/*
 * Which backups a collection holds, found by listing (crdb-format.md 1.2).
 */

const FULL_MANIFEST = new RegExp(`^/?([^/]+/[^/]+/[^/]+)/(?:${MANIFEST_NAMES.join('|')})$`);
const INCREMENTAL_MANIFEST = new RegExp(
  `^/?([0-9]*/[0-9]*\\.[0-9][0-9](?:-[0-9]*-?[0-9]*\\.[0-9][0-9])?)/(?:${MANIFEST_NAMES.join('|')})$`,
);

/** Directories of the full backups of a collection, with a leading slash, in byte order: oldest first. */
export async function listFulls(root: ExternalStorage): Promise<string[]> {
  const found = new Set<string>();
  for await (const { name } of root.list('', { delimiter: LISTING_DELIMITER })) {
    const match = FULL_MANIFEST.exec(name);
    if (match !== null) found.add(`/${match[1]}`);
  }
  return [...found].sort(compareNames);
}

/** Directories of the layers below `directory` (`""` = the root itself), relative to the root, with a leading slash, in chain order. */
export async function listIncrementals(root: ExternalStorage, directory: string): Promise<string[]> {
  const prefix = directory === '' ? '' : `${directory.replace(/^\//, '')}/`;
  const found = new Set<string>();
  for await (const { name } of root.list(prefix, { delimiter: LISTING_DELIMITER })) {
    const match = INCREMENTAL_MANIFEST.exec(name.slice(prefix.length));
    if (match !== null) found.add(`/${prefix}${match[1]}`);
  }
  return [...found].sort(compareNames);
}

/**
 * Directories of the incrementals of a full, in chain order, wherever they are: below the full (up to 21.2) or below
 * `incrementals/` (since 22.1).
 * @throws SpanvaultError SV_USAGE with CockroachDB's words when both hold layers
 */
export async function findIncrementals(root: ExternalStorage, subdir: string): Promise<string[]> {
  const old = await listIncrementals(root, subdir);
  const current = await listIncrementals(root, `/${INCREMENTALS_DIRECTORY}${subdir}`);
  if (old.length > 0 && current.length > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      'Incremental layers found in both old and new default locations. Please choose a location manually with the `incremental_location` parameter.',
      { details: { old: old.length, new: current.length, location: root.display } },
    );
  }
  return [...old, ...current];
}
