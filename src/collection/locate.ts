import { hasCode, SpanvaultError } from '../fault/index.js';
import { hasManifest, openManifest } from '../manifest/index.js';
import { directoryConfig, type ExternalStorage, isUnlistable, openStorage } from '../storage/index.js';
import { listIncrementals } from './find.js';
import { hasPlainLatest, readLatest } from './latest.js';
import { INCREMENTALS_DIRECTORY } from './layout.js';
import type { Source } from './parts.js';

/*
 * Which of the given locations is the default one, and where in it the full backup is.
 */

/** A location and the directory of a full in it; undefined: the location is the full's own directory. */
export interface Located {
  readonly root: Source;
  readonly subdir: string | undefined;
}

/** Looks first where the list says that the default is, else in the order given. */
export function defaultFirst(sources: readonly Source[]): readonly Source[] {
  const marked = sources.find(({ locality }) => locality === 'default');
  return marked === undefined ? sources : [marked, ...sources.filter((source) => source !== marked)];
}

/**
 * The location that holds the full's manifest, and the full's directory in it.
 * @param asked 'LATEST', a subdirectory, or undefined when the locations are the backup's own directories
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND in CockroachDB's words; incrementals whose full is gone are named
 */
export async function locate(sources: readonly Source[], asked: string | undefined): Promise<Located> {
  const candidates = defaultFirst(sources);
  let first: { readonly root: Source; readonly subdir: string } | undefined;
  let failure: unknown;
  // A stale LATEST, left where parts were moved, must not hide the right one: each location is asked until one leads to a full.
  const inTurn = asked === 'LATEST' ? likelyFirst(candidates) : asked === undefined ? [] : candidates;
  for await (const root of inTurn) {
    try {
      const subdir = asked === 'LATEST' ? await latestSubdir(root) : asked!;
      first ??= { root, subdir };
      if (await holdsManifest(root, subdir)) return { root, subdir };
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
      failure ??= error;
    }
  }
  // A plain directory has no LATEST: its one backup is the newest.
  if (asked === undefined || asked === 'LATEST') {
    for (const root of candidates) if (await hasManifest(root.storage)) return { root, subdir: undefined };
  }
  if (first === undefined && failure !== undefined) throw failure;
  return await refuseAbsent(first?.root ?? candidates[0]!, first?.subdir);
}

/**
 * The same locations, those with a plain LATEST first: only in the default location of a collection is there one, and reading it costs
 * a request, while a listing for the newer form costs a listing. A location that the list names the default is not asked.
 */
async function* likelyFirst(candidates: readonly Source[]): AsyncIterable<Source> {
  const [first, ...more] = candidates;
  if (first === undefined) return;
  const known = more.length === 0 || first.locality === 'default';
  if (known) yield first;
  const others: Source[] = [];
  for (const root of known ? more : candidates) {
    if (await hasPlainLatest(root.storage)) yield root;
    else others.push(root);
  }
  yield* others;
}

/** What LATEST says, with one leading slash and no other stray ones. */
async function latestSubdir({ storage }: Source): Promise<string> {
  const parts = (await readLatest(storage)).split('/').filter((part) => part !== '');
  return `/${parts.join('/')}`;
}

async function holdsManifest(root: Source, subdir: string): Promise<boolean> {
  const storage = openStorage(directoryConfig(root.config, subdir));
  try {
    return await hasManifest(storage);
  } finally {
    await storage.close();
  }
}

/** Says what is there instead of a full backup's manifest: nothing, its incrementals, or a backup that did not finish. */
async function refuseAbsent(root: Source, subdir: string | undefined): Promise<never> {
  const storage = openStorage(directoryConfig(root.config, subdir ?? ''));
  let absent: unknown;
  try {
    await openManifest(storage);
  } catch (error) {
    absent = error;
  }
  if (!hasCode(absent, 'SV_STORAGE_NOT_FOUND')) {
    throw (
      absent ??
      new SpanvaultError('SV_STORAGE_UNAVAILABLE', `a backup appeared in ${storage.display} while it was looked for`, {
        retry: 'backoff',
      })
    );
  }
  const [orphans, begun] = await leftovers(root, subdir, storage).catch((error: unknown) => {
    throw isUnlistable(error) ? absent : error;
  });
  if (orphans.length > 0) {
    throw new SpanvaultError(
      'SV_STORAGE_NOT_FOUND',
      `the full backup ${storage.display} is gone and ${orphans.length} of its incremental layers are left, from ${orphans[0]} to ${orphans.at(-1)}: ${absent.message}`,
      { cause: absent, details: { ...absent.details, layers: orphans }, hint: 'a chain restores only with its full' },
    );
  }
  if (begun.length === 0) throw absent;
  throw new SpanvaultError('SV_STORAGE_NOT_FOUND', absent.message, {
    cause: absent,
    details: absent.details,
    hint: `${storage.display} holds ${begun.join(', ')}: a backup that is still running or did not finish`,
  });
}

/** Directories of incrementals whose full is not there, and files of a backup that did not finish. */
async function leftovers(
  root: Source,
  subdir: string | undefined,
  full: ExternalStorage,
): Promise<readonly [orphans: readonly string[], begun: readonly string[]]> {
  const directories = subdir === undefined ? [''] : [subdir, `/${INCREMENTALS_DIRECTORY}${subdir}`];
  const orphans: string[] = [];
  for (const directory of directories) orphans.push(...(await listIncrementals(root.storage, directory)));
  const begun: string[] = [];
  if (orphans.length === 0) for await (const { name } of full.list('BACKUP-', { delimiter: '/' })) begun.push(name);
  return [orphans, begun];
}
