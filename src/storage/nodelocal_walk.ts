import { join } from 'node:path';
import { throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { ListedObject } from './contract.js';
import { compareNames, cutName } from './names.js';
import { nativeFileFault } from './nodelocal_faults.js';
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
  /** Undefined for a directory. */
  readonly bytes: number | undefined;
  readonly modified: Date;
}

/** Objects below the base in byte order, hidden unfinished files left out; see ExternalStorage.list. */
export async function* walk(request: WalkRequest): AsyncIterable<ListedObject> {
  // Only the directory part of the prefix is descended into directly; the rest filters.
  const start = request.prefix.slice(0, request.prefix.lastIndexOf('/') + 1);
  let last: string | undefined;
  for await (const object of walkDirectory(request, start, [], false)) {
    const name = cutName(object.name, request.prefix, request.delimiter);
    if (name === object.name) yield object;
    else if (name !== last) yield { name, bytes: undefined };
    last = name;
  }
}

/** `cut`: the names below are cut to one, so that the first object is enough and its size unknown. */
async function* walkDirectory(
  request: WalkRequest,
  directory: string,
  above: readonly string[],
  cut: boolean,
): AsyncIterable<ListedObject> {
  const { delimiter, prefix } = request;
  throwIfAborted(request.signal);
  const { real, entries } = await readEntries(request, directory, !cut);
  if (above.includes(real)) return;
  for (const entry of entries) {
    const name = directory + entry.name;
    const isDirectory = entry.bytes === undefined;
    if (!name.startsWith(prefix) && !(isDirectory && prefix.startsWith(name))) continue;
    if (!isDirectory) {
      yield { name, bytes: entry.bytes, modified: entry.modified };
      continue;
    }
    // A directory whose name holds the delimiter is listed as one cut name: one object below it is enough to know.
    const whole = delimiter !== undefined && name.startsWith(prefix) && name.includes(delimiter, prefix.length);
    for await (const object of walkDirectory(request, name, [...above, real], whole)) {
      yield object;
      if (whole) break;
    }
  }
}

/** What a directory holds, in the order of names; nothing where it was removed since its parent was read, or is a file. */
async function readEntries(
  { root, base }: WalkRequest,
  directory: string,
  sizes: boolean,
): Promise<{ readonly real: string; readonly entries: readonly Entry[] }> {
  const path = join(base, directory);
  const read = await native.directoryRead(root.nodeDirectory, path, sizes);
  if (read.fault !== undefined) {
    const fault = nativeFileFault(read.fault, `listing ${path}`);
    if (fault.code === 'SV_STORAGE_NOT_FOUND') return { real: '', entries: [] };
    throw fault;
  }
  const entries = read.names.flatMap((name, index): Entry[] => {
    if (isUnfinished(name)) return [];
    const bytes = read.sizes[index]!;
    const modified = new Date(read.modified[index]!);
    return [bytes < 0 ? { name: `${name}/`, bytes: undefined, modified } : { name, bytes, modified }];
  });
  return { real: read.real, entries: entries.sort((a, b) => compareNames(a.name, b.name)) };
}
