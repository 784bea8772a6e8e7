import { SpanvaultError } from '../fault/index.js';
import { readIfThere } from '../manifest/index.js';
import { type ExternalStorage, inLanes, isUnlistable, type ReadOptions, withSecondRead } from '../storage/index.js';
import { LATEST_DIRECTORY, LATEST_FILE, latestName } from './layout.js';

/*
 * The pointer to the newest full backup of a collection (crdb-format.md 1.3).
 */

/**
 * Directory of the newest full, as LATEST holds it: `/2023/02/23-150925.62`.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND when nothing says, SV_CORRUPT_MANIFEST for a malformed file
 */
export function readLatest(root: ExternalStorage): Promise<string> {
  return withSecondRead(root, (again) => readLatestOnce(root, again));
}

async function readLatestOnce(root: ExternalStorage, again: Pick<ReadOptions, 'again'>): Promise<string> {
  const content = (await readNewest(root, again)) ?? (await readIfThere(root, LATEST_FILE, again));
  if (content === undefined) {
    throw new SpanvaultError('SV_STORAGE_NOT_FOUND', 'path does not contain a completed latest backup', {
      cause: new Error('LATEST file could not be read in base or metadata directory'),
      details: { location: root.display },
    });
  }
  const subdir = Buffer.from(content).toString('utf8');
  const components = subdir.split('/');
  if (subdir === '' || subdir.length > 1024 || components.includes('..') || !/^[^\p{Cc}\ufffd]*$/u.test(subdir)) {
    throw new SpanvaultError('SV_CORRUPT_MANIFEST', 'malformed LATEST file', {
      details: { location: root.display, bytes: content.length },
    });
  }
  return subdir;
}

/**
 * True when the plain LATEST is there, which all writers but CockroachDB 22.1 and later leave. It may be older than the others, so
 * it only tells that this location is the default one of a collection, without a listing.
 */
export async function hasPlainLatest(root: ExternalStorage): Promise<boolean> {
  return (await readIfThere(root, LATEST_FILE)) !== undefined;
}

/**
 * Content of the first LATEST file of metadata/latest/, skipping the directory objects and strangers that copy tools leave;
 * of a store that does not list, of the one name that CockroachDB tries there.
 */
async function readNewest(root: ExternalStorage, again: Pick<ReadOptions, 'again'>): Promise<Uint8Array | undefined> {
  try {
    for await (const { name } of root.list(LATEST_DIRECTORY)) {
      const file = name.slice(LATEST_DIRECTORY.length);
      if (file !== LATEST_FILE && !file.startsWith(`${LATEST_FILE}-`)) continue;
      return (await root.read(name, again)).bytes;
    }
    return undefined;
  } catch (error) {
    if (!isUnlistable(error)) throw error;
    return await readIfThere(root, LATEST_DIRECTORY + LATEST_FILE, again);
  }
}

/**
 * Points LATEST to a full backup that is whole: the newest-first file of 22.1 and later, and the plain file that older
 * versions and http storage read. When one fails, both are put back as they were before the error goes on: a write that is
 * reported as failed may have happened.
 * @param wall completion time in nanoseconds since 1970
 */
export async function writeLatest(root: ExternalStorage, subdir: string, wall: bigint): Promise<void> {
  const bytes = new Uint8Array(Buffer.from(subdir));
  const name = LATEST_DIRECTORY + latestName(wall);
  const before = await readIfThere(root, LATEST_FILE);
  try {
    await inLanes([name, LATEST_FILE], (file) => root.write(file, bytes));
  } catch (error) {
    const plain = before === undefined ? root.delete(LATEST_FILE) : root.write(LATEST_FILE, before);
    await Promise.allSettled([root.delete(name), plain]);
    throw error;
  }
}
