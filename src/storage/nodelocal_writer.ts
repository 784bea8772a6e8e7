import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { ObjectWriter, WriteOptions } from './contract.js';
import { errnoOf, fileFault, systemError } from './nodelocal_faults.js';
import { type NodelocalRoot, syncDirectory } from './nodelocal_root.js';

/** Unfinished files: in the object's own directory, so that a rename is atomic, and hidden from listings by this prefix. */
export const TEMPORARY = '.spanvault-unfinished-';

/** True for the last component of an unfinished file's path. */
export function isUnfinished(name: string): boolean {
  return name.startsWith(TEMPORARY);
}

/** How often a directory that vanished between its creation and its use (pruned by a concurrent delete) is made again. */
const DIRECTORY_ATTEMPTS = 8;

/** Opens a writer for the object at `path`; nothing is visible at `path` before finish. */
export async function createFile(
  root: NodelocalRoot,
  path: string,
  shown: string,
  options: WriteOptions,
): Promise<ObjectWriter> {
  throwIfAborted(options.signal);
  const what = `writing ${shown}`;
  for (let attempt = 1; ; attempt++) {
    const directory = await root.makeDirectory(dirname(path), what);
    const temporary = join(directory, `${TEMPORARY}${process.pid}-${randomBytes(8).toString('hex')}`);
    try {
      const handle = await open(temporary, 'wx', 0o640);
      return new FileWriter(handle, temporary, join(directory, basename(path)), what, options);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt === DIRECTORY_ATTEMPTS) throw fileFault(error, what);
    }
  }
}

/** The unfinished file is gone: the call cannot be repeated, whatever the failure was. */
function lasting(fault: SpanvaultError): SpanvaultError {
  if (fault.retry === 'never') return fault;
  return new SpanvaultError(fault.code, fault.message, { cause: fault.cause, details: fault.details });
}

/** Writes parts to an unfinished file, then fsync, rename or link, fsync of the directory. */
class FileWriter implements ObjectWriter {
  readonly #handle: FileHandle;
  readonly #temporary: string;
  readonly #target: string;
  readonly #what: string;
  readonly #options: WriteOptions;
  #written = 0;
  #ended = false;
  /** A sync under way, so that the disk works while the next part is made; its failure is thrown by finish. */
  #syncing: Promise<void> | undefined;
  #syncFailure: unknown;

  constructor(handle: FileHandle, temporary: string, target: string, what: string, options: WriteOptions) {
    this.#handle = handle;
    this.#temporary = temporary;
    this.#target = target;
    this.#what = what;
    this.#options = options;
  }

  async write(part: Uint8Array): Promise<void> {
    invariant(!this.#ended, `${this.#what}: a part came after finish or abort`);
    throwIfAborted(this.#options.signal);
    try {
      if (isMainThread) await this.#writeApart(part);
      else this.#writeHere(part);
    } catch (error) {
      throw fileFault(error, this.#what);
    }
    this.#written += part.length;
  }

  /** In a worker: its own work is what waits, and waking a thread of the pool would take a processor from another worker. */
  #writeHere(part: Uint8Array): void {
    const errno = native.fileWriteHere(this.#handle.fd, part, this.#written);
    if (errno !== 0) throw systemError(errno);
  }

  async #writeApart(part: Uint8Array): Promise<void> {
    for (let done = 0; done < part.length; ) {
      // At a position, so that a part that failed half-way can be written again.
      const { bytesWritten } = await this.#handle.write(part, done, part.length - done, this.#written + done);
      done += bytesWritten;
    }
    this.#beginSync();
  }

  #beginSync(): void {
    const done = (): void => {
      this.#syncing = undefined;
    };
    // The failure is kept: the system reports it once, and a later sync would succeed.
    this.#syncing ??= this.#handle.datasync().then(done, (error: unknown) => {
      done();
      this.#syncFailure ??= error;
    });
  }

  async finish(expectedBytes: number): Promise<void> {
    invariant(!this.#ended, `${this.#what}: finished or aborted twice`);
    try {
      throwIfAborted(this.#options.signal);
      if (expectedBytes !== this.#written) {
        throw new SpanvaultError(
          'SV_STORAGE_IO',
          `${this.#what} failed: ${expectedBytes} bytes were expected and ${this.#written} written`,
        );
      }
      await this.#syncing;
      if (this.#syncFailure !== undefined) throw this.#syncFailure;
      await this.#handle.sync();
      this.#ended = true;
      await this.#handle.close();
      await this.#publish();
    } catch (error) {
      await this.#discard();
      throw lasting(fileFault(error, this.#what));
    }
  }

  async abort(): Promise<void> {
    if (!this.#ended) await this.#discard();
  }

  async #publish(): Promise<void> {
    if (this.#options.ifAbsent === true) {
      // link refuses an existing target atomically; rename would replace it.
      await link(this.#temporary, this.#target);
      await rm(this.#temporary);
    } else {
      await rename(this.#temporary, this.#target);
    }
    await syncDirectory(dirname(this.#target));
  }

  /** Best effort: what cannot be removed stays hidden from listings and is swept later. */
  async #discard(): Promise<void> {
    const open = !this.#ended;
    this.#ended = true;
    await this.#syncing;
    await Promise.allSettled(
      open ? [this.#handle.close(), rm(this.#temporary, { force: true })] : [rm(this.#temporary, { force: true })],
    );
  }
}
