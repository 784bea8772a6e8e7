import { SpanvaultError } from '../fault/index.js';
import { readIfThere } from '../manifest/index.js';
import type { ExternalStorage } from '../storage/index.js';
import { LATEST_DIRECTORY, LATEST_FILE, latestName } from './layout.js';

/*
 * The pointer to the newest full backup of a collection (crdb-format.md 1.3).
 */

/**
 * Directory of the newest full, as LATEST holds it: `/2023/02/23-150925.62`.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND when nothing says, SV_CORRUPT_MANIFEST for a malformed file
 */
export async function readLatest(root: ExternalStorage): Promise<string> {
  const content = (await readNewest(root)) ?? (await readIfThere(root, LATEST_FILE));
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

/** Content of the first file of metadata/latest/, skipping the directory objects that copy tools leave. */
async function readNewest(root: ExternalStorage): Promise<Uint8Array | undefined> {
  for await (const { name } of root.list(LATEST_DIRECTORY)) {
    if (name.endsWith('/')) continue;
    return (await root.read(name)).bytes;
  }
  return undefined;
}

/**
 * Points LATEST to a full backup that is whole: the newest-first file of 22.1 and later, then the plain file that older
 * versions and http storage read. When the second fails, the first is taken back before the error goes on.
 * @param wall completion time in nanoseconds since 1970
 */
export async function writeLatest(root: ExternalStorage, subdir: string, wall: bigint): Promise<void> {
  const bytes = new Uint8Array(Buffer.from(subdir));
  const name = LATEST_DIRECTORY + latestName(wall);
  try {
    await root.write(name, bytes);
    await root.write(LATEST_FILE, bytes);
  } catch (error) {
    await Promise.allSettled([root.delete(name)]);
    throw error;
  }
}
