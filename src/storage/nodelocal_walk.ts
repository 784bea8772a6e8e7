import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, throwIfAborted } from '../fault/index.js';
import type { ListedObject } from './contract.js';
import { compareNames, cutName } from './names.js';
import { errnoOf } from './nodelocal_faults.js';
import type { NodelocalRoot } from './nodelocal_root.js';
import { isUnfinished } from './nodelocal_writer.js';

/** What a walk needs to know besides where it is. */
export interface WalkRequest {
  readonly root: NodelocalRoot;
  /** Directory of the storage. */
  readonly base: string;
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** An entry of a directory, named as it sorts: directories end with `/`. */
interface Entry {
  readonly name: string;
  readonly directory: boolean;
}

/** Objects below the base in byte order, hidden unfinished files left out; see ExternalStorage.list. */
export async function* walk(request: WalkRequest): AsyncIterable<ListedObject> {
  // Only the directory part of the prefix is descended into directly; the rest filters.
  const start = request.prefix.slice(0, request.prefix.lastIndexOf('/') + 1);
  let last: string | undefined;
  for await (const object of walkDirectory(request, start, [])) {
    const name = cutName(object.name, request.prefix, request.delimiter);
    if (name === object.name) yield object;
    else if (name !== last) yield { name, bytes: undefined };
    last = name;
  }
}

async function* walkDirectory(
  request: WalkRequest,
  directory: string,
  above: readonly string[],
): AsyncIterable<ListedObject> {
  throwIfAborted(request.signal);
  const path = join(request.base, directory);
  const real = await resolveIfThere(request.root, path);
  if (real === undefined || above.includes(real)) return;
  for (const entry of await readEntries(real)) {
    const name = directory + entry.name;
    if (!name.startsWith(request.prefix) && !(entry.directory && request.prefix.startsWith(name))) continue;
    if (!entry.directory) {
      const bytes = await sizeIfThere(join(real, entry.name));
      if (bytes !== undefined) yield { name, bytes };
      continue;
    }
    // A directory whose name holds the delimiter is listed as one cut name: one object below it is enough to know.
    const { delimiter, prefix } = request;
    const whole = delimiter !== undefined && name.startsWith(prefix) && name.includes(delimiter, prefix.length);
    for await (const object of walkDirectory(request, name, [...above, real])) {
      yield object;
      if (whole) break;
    }
  }
}

async function resolveIfThere(root: NodelocalRoot, path: string): Promise<string | undefined> {
  try {
    return await root.resolve(path, `listing ${path}`);
  } catch (error) {
    if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function readEntries(directory: string): Promise<Entry[]> {
  let found: Dirent[];
  try {
    found = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    // Removed since its parent was read, or a file: nothing to list.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
  const entries: Entry[] = [];
  for (const entry of found) {
    if (isUnfinished(entry.name)) continue;
    const kind = entry.isSymbolicLink() ? await linkKind(join(directory, entry.name)) : entry;
    if (kind?.isDirectory()) entries.push({ name: `${entry.name}/`, directory: true });
    else if (kind?.isFile()) entries.push({ name: entry.name, directory: false });
  }
  return entries.sort((a, b) => compareNames(a.name, b.name));
}

/** What a symbolic link leads to; undefined when it leads nowhere. */
async function linkKind(path: string): Promise<{ isDirectory(): boolean; isFile(): boolean } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ELOOP') return undefined;
    throw error;
  }
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
