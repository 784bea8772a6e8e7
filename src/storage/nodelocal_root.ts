import { mkdir, open, realpath, rmdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { SpanvaultError } from '../fault/index.js';
import { errnoOf, fileFault, outsideFault } from './nodelocal_faults.js';

/**
 * The directory tree of one node. Paths are resolved through symbolic links before use and refused when they end outside
 * the node's directory; that directory itself may be a link, as operators mount shared storage that way.
 */
export class NodelocalRoot {
  /** `<externalIODir>/<node>`. */
  readonly nodeDirectory: string;

  constructor(nodeDirectory: string) {
    this.nodeDirectory = nodeDirectory;
  }

  /** Resolved path of an existing file or directory. @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_STORAGE_DENIED for an escape */
  async resolve(path: string, what: string): Promise<string> {
    try {
      const [root, real] = await Promise.all([realpath(this.nodeDirectory), realpath(path)]);
      return this.#inside(root, real);
    } catch (error) {
      // A component that is a file and not a directory: no such object either.
      if (errnoOf(error) === 'ENOTDIR')
        throw new SpanvaultError('SV_STORAGE_NOT_FOUND', `${what} failed: it does not exist`, { cause: error });
      throw fileFault(error, what);
    }
  }

  /** Resolved path of a directory, created durably where it is missing. */
  async makeDirectory(path: string, what: string): Promise<string> {
    try {
      return await this.#make(path);
    } catch (error) {
      throw fileFault(error, what);
    }
  }

  async #make(path: string): Promise<string> {
    if (path === this.nodeDirectory) {
      if ((await mkdir(path, { recursive: true })) !== undefined) await syncDirectory(dirname(path));
      return await realpath(path);
    }
    try {
      const [root, real] = await Promise.all([realpath(this.nodeDirectory), realpath(path)]);
      return this.#inside(root, real);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    const parent = await this.#make(dirname(path));
    const made = join(parent, basename(path));
    try {
      await mkdir(made);
      await syncDirectory(parent);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    return this.#inside(await realpath(this.nodeDirectory), await realpath(made));
  }

  /** Removes directories that became empty, from `path` upwards, never the node's own. Best effort: a directory in use stays. */
  async prune(path: string): Promise<void> {
    for (let directory = path; directory.startsWith(this.nodeDirectory + sep); directory = dirname(directory)) {
      try {
        await rmdir(directory);
      } catch {
        // Not empty, or already gone: nothing above it can be empty either.
        return;
      }
    }
  }

  #inside(root: string, real: string): string {
    if (real === root || real.startsWith(root + sep)) return real;
    throw outsideFault();
  }
}

/** Makes a directory's entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot sync a directory; they order renames themselves.
    if (errnoOf(error) !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}
