import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { hasCode, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type {
  CallOptions,
  ExternalStorage,
  ListedObject,
  ListOptions,
  LocalObject,
  ObjectWriter,
  PieceResult,
  ReadOptions,
  ReadPiece,
  ReadResult,
  StorageSettings,
  WriteOptions,
} from './contract.js';
import { checkName, checkRange } from './names.js';
import { errnoOf, fileFault, nativeFileFault, notAnObject } from './nodelocal_faults.js';
import { NodelocalRoot } from './nodelocal_root.js';
import { walk } from './nodelocal_walk.js';
import { createFile, isUnfinished } from './nodelocal_writer.js';
import { redactUri } from './redact.js';
import type { Leftover } from './sweep.js';
import { printUri, type StorageUri } from './uri.js';
import { writeWhole } from './whole_write.js';

/** Half of a usual second-level cache, and so much that a system call costs nothing. */
const PART_BYTES_MOST = 1024 * 1024;

/**
 * Files under `<externalIODir>/<node>/<path>`. Every object is written beside its place, synced and renamed, so a torn
 * write is never visible; no name, `..` or symbolic link reaches outside the node's directory.
 */
export class NodelocalStorage implements ExternalStorage {
  readonly display: string;
  readonly partBytesMost = PART_BYTES_MOST;
  readonly #root: NodelocalRoot;
  readonly #base: string;

  /** @throws SpanvaultError SV_URI for a host that is no node, SV_STORAGE_DENIED without an external directory */
  constructor(uri: StorageUri, settings: StorageSettings) {
    this.display = redactUri(printUri(uri));
    const node = nodeOf(uri, settings);
    if (settings.externalIODir === undefined)
      throw new SpanvaultError('SV_STORAGE_DENIED', 'local file access is disabled');
    this.#root = new NodelocalRoot(join(resolve(settings.externalIODir), String(node)));
    this.#base = join(this.#root.nodeDirectory, uri.path);
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    const what = `reading ${this.display}/${name}`;
    const path = this.#path(name);
    const { offset = 0, length, signal } = options;
    checkRange(offset, length);
    throwIfAborted(signal);
    const read = await native.fileRead(this.#root.nodeDirectory, path, offset, length ?? -1);
    if (read.fault !== undefined) throw nativeFileFault(read.fault, what);
    return { bytes: read.bytes, totalBytes: read.total };
  }

  async readAll(pieces: readonly ReadPiece[], options: CallOptions = {}): Promise<readonly PieceResult[]> {
    throwIfAborted(options.signal);
    const asked = pieces.map(({ name, offset = 0, length }) => {
      checkRange(offset, length);
      return { path: this.#path(name), offset, length: length ?? -1 };
    });
    const { bytes, lengths, totals, faults } = await native.fileReadPieces(this.#root.nodeDirectory, asked);
    let [at, failed] = [0, 0];
    return pieces.map(({ name }, index): PieceResult => {
      const totalBytes = totals[index]!;
      if (totalBytes < 0) return nativeFileFault(faults[failed++]!, `reading ${this.display}/${name}`);
      const begin = at;
      at += lengths[index]!;
      return { bytes: bytes.subarray(begin, at), totalBytes };
    });
  }

  local(name: string): LocalObject {
    return {
      root: this.#root.nodeDirectory,
      path: this.#path(name),
      count: () => undefined,
      fault: (fault) => nativeFileFault(fault, `reading ${this.display}/${name}`),
    };
  }

  async size(name: string): Promise<number> {
    const what = `reading ${this.display}/${name}`;
    const path = await this.#existing(name, what, undefined);
    try {
      const info = await stat(path);
      if (!info.isFile()) throw notAnObject(what);
      return info.size;
    } catch (error) {
      throw fileFault(error, what);
    }
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    await writeWhole(this, name, bytes, options);
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    return await createFile(this.#root, this.#path(name), `${this.display}/${name}`, options);
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    if (prefix !== '') checkName(prefix.replace(/\/$/, ''));
    yield* walk(this.#root, this.#base, prefix, options, `${this.display}/${prefix}`);
  }

  async delete(name: string): Promise<void> {
    const what = `deleting ${this.display}/${name}`;
    const path = this.#path(name);
    try {
      // The directory is resolved, not the object: a link is removed itself, never what it leads to.
      const directory = await this.#root.resolve(dirname(path), what);
      await rm(join(directory, name.slice(name.lastIndexOf('/') + 1)), { force: true });
      await this.#root.prune(dirname(path));
    } catch (error) {
      if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) return;
      // A directory is no object, so there is none to delete.
      if (errnoOf(error) === 'ERR_FS_EISDIR') return;
      throw fileFault(error, what);
    }
  }

  async close(): Promise<void> {}

  /**
   * Unfinished files that killed processes left below this location and that were last written to before `before`
   * (milliseconds since 1970), removed when told. Writers that are still at work touch theirs.
   */
  async sweepUnfinished(before: number, remove: boolean): Promise<readonly Leftover[]> {
    const found: Leftover[] = [];
    const sweep = async (path: string): Promise<void> => {
      const real = await this.#root.resolve(path, `sweeping ${this.display}`);
      for (const entry of await readdir(real, { withFileTypes: true })) {
        const child = join(real, entry.name);
        if (entry.isDirectory()) await sweep(join(path, entry.name));
        else if (entry.isFile() && isUnfinished(entry.name)) {
          const since = (await stat(child)).mtime;
          if (since.getTime() >= before) continue;
          if (remove) await rm(child, { force: true });
          const location = `${this.display}/${relative(this.#base, join(path, entry.name))}`;
          found.push({ kind: 'file', location, since, removed: remove });
        }
      }
    };
    try {
      await sweep(this.#base);
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw fileFault(error, `sweeping ${this.display}`);
    }
    return found;
  }

  async #existing(name: string, what: string, signal: AbortSignal | undefined): Promise<string> {
    const path = this.#path(name);
    throwIfAborted(signal);
    return await this.#root.resolve(path, what);
  }

  #path(name: string): string {
    checkName(name);
    if (isUnfinished(name.slice(name.lastIndexOf('/') + 1))) {
      throw new SpanvaultError('SV_URI', `object name ${JSON.stringify(name)} is reserved for unfinished files`);
    }
    return join(this.#base, name);
  }
}

function nodeOf(uri: StorageUri, settings: StorageSettings): number {
  if (uri.host === 'self') return settings.selfNode ?? 1;
  if (uri.host === '') {
    throw new SpanvaultError(
      'SV_URI',
      `host component of nodelocal URI must be a node ID (use 'self' to specify each node should access its own local filesystem): ${redactUri(printUri(uri))}`,
    );
  }
  if (!/^[1-9][0-9]{0,8}$/.test(uri.host)) {
    throw new SpanvaultError(
      'SV_URI',
      `host component of nodelocal URI must be a node ID: ${redactUri(printUri(uri))}`,
    );
  }
  return Number(uri.host);
}
