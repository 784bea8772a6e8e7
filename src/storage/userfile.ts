import { randomUUID } from 'node:crypto';
import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import type {
  ExternalStorage,
  ListedObject,
  ObjectWriter,
  ReadOptions,
  ReadResult,
  StorageSettings,
  WriteOptions,
} from './contract.js';
import { checkName, clipRange, cutName } from './names.js';
import { printUri, type StorageUri } from './uri.js';
import { type FileRecord, PIECE_BYTES, UserfileRecords } from './userfile_records.js';
import { writeWhole } from './whole_write.js';

/** The tables that CockroachDB keeps files in for root, whom every session here is. */
const DEFAULT_HOST = 'defaultdb.public.userfiles_root';

/** Pieces of one commit at most: bounds how long the store's one writer is held. */
const COMMIT_PIECES = 8;

/** A file that others replace again and again while it is read is given up. */
const READ_ATTEMPTS = 10;

/**
 * Files in the embedded cluster: `userfile://<database.schema.table prefix>/<path>`, an empty host for the default one
 * (crdb-features.md 3.3). Every thread of the process that has the cluster open may read and write.
 */
export class UserfileStorage implements ExternalStorage {
  readonly display: string;
  readonly #records: UserfileRecords;
  readonly #readOnly: boolean;
  /** Location as the beginning of its files' keys. */
  readonly #under: string;

  /** @throws SpanvaultError SV_URI for a host that is no name of tables, SV_USAGE without a cluster */
  constructor(uri: StorageUri, settings: StorageSettings) {
    const host = uri.host === '' ? DEFAULT_HOST : uri.host;
    this.display = printUri({ ...uri, host });
    if (!/^[^./\s]+\.[^./\s]+\.[^./\s]+$/.test(host)) {
      throw new SpanvaultError(
        'SV_URI',
        `host ${JSON.stringify(host)} of a userfile URI is not of the form database.schema.table_prefix`,
      );
    }
    if (settings.userfile === undefined) {
      throw new SpanvaultError('SV_USAGE', `${this.display} lies in an embedded cluster, and none is open`, {
        hint: 'a program passes `storage: cluster.storage()`',
      });
    }
    this.#records = new UserfileRecords(settings.userfile);
    this.#readOnly = settings.userfile.readOnly;
    this.#under = `${host}${uri.path}/`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    checkName(name);
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      throwIfAborted(options.signal);
      const file = this.#file(name);
      const bytes = await this.#content(file, options);
      // Undefined: the file was replaced meanwhile.
      if (bytes !== undefined) return { bytes, totalBytes: file.bytes };
    }
    throw new SpanvaultError(
      'SV_STORAGE_UNAVAILABLE',
      `reading ${this.display}/${name} failed: it was replaced ${READ_ATTEMPTS} times meanwhile, or the store lost a part of it`,
      { retry: 'backoff' },
    );
  }

  async #content(file: FileRecord, options: ReadOptions): Promise<Uint8Array | undefined> {
    const { start, length } = clipRange(file.bytes, options.offset, options.length);
    const bytes = new Uint8Array(length);
    for (let at = start; at < start + length; ) {
      const index = Math.floor(at / PIECE_BYTES);
      const piece = this.#records.piece(file.id, index);
      if (piece === undefined) return undefined;
      const wanted = piece.subarray(at - index * PIECE_BYTES, start + length - index * PIECE_BYTES);
      bytes.set(wanted, at - start);
      at += wanted.length;
      if (index % COMMIT_PIECES === COMMIT_PIECES - 1) {
        await new Promise(setImmediate);
        throwIfAborted(options.signal);
      }
    }
    return bytes;
  }

  async size(name: string): Promise<number> {
    checkName(name);
    return this.#file(name).bytes;
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    await writeWhole(this, name, bytes, options);
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name);
    throwIfAborted(options.signal);
    this.#assertWritable(name);
    return new UserfileWriter(
      this.#records,
      { key: this.#under + name, what: `writing ${this.display}/${name}` },
      options,
    );
  }

  async *list(
    prefix: string,
    options: { readonly delimiter?: string; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<ListedObject> {
    throwIfAborted(options.signal);
    let last: string | undefined;
    for (const { key, file } of this.#records.files(this.#under + prefix)) {
      const full = key.slice(this.#under.length);
      const name = cutName(full, prefix, options.delimiter);
      if (name !== last) yield { name, bytes: name === full ? file.bytes : undefined };
      last = name;
      throwIfAborted(options.signal);
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#assertWritable(name);
    await this.#records.delete(this.#under + name);
  }

  async close(): Promise<void> {}

  #file(name: string): FileRecord {
    const file = this.#records.file(this.#under + name);
    if (file !== undefined) return file;
    throw new SpanvaultError('SV_STORAGE_NOT_FOUND', `reading ${this.display}/${name} failed: it does not exist`);
  }

  #assertWritable(name: string): void {
    if (!this.#readOnly) return;
    throw new SpanvaultError(
      'SV_STORAGE_DENIED',
      `writing ${this.display}/${name} failed: the cluster is open read-only`,
    );
  }
}

/** Commits whole pieces as they come and keeps what is left of a part until the next one. */
class UserfileWriter implements ObjectWriter {
  readonly #records: UserfileRecords;
  readonly #target: { readonly key: string; readonly what: string };
  readonly #options: WriteOptions;
  readonly #id = randomUUID();
  #rest = Buffer.alloc(0);
  #pieces = 0;
  #bytes = 0;
  #ended = false;

  constructor(
    records: UserfileRecords,
    target: { readonly key: string; readonly what: string },
    options: WriteOptions,
  ) {
    this.#records = records;
    this.#target = target;
    this.#options = options;
  }

  async write(part: Uint8Array): Promise<void> {
    invariant(!this.#ended, `${this.#target.what}: a part came after finish or abort`);
    this.#bytes += part.length;
    let from = 0;
    let pieces: Uint8Array[] = [];
    if (this.#rest.length > 0) {
      from = Math.min(PIECE_BYTES - this.#rest.length, part.length);
      this.#rest = Buffer.concat([this.#rest, part.subarray(0, from)]);
      if (this.#rest.length < PIECE_BYTES) return;
      pieces.push(this.#rest);
    }
    for (; part.length - from >= PIECE_BYTES; from += PIECE_BYTES) {
      pieces.push(part.subarray(from, from + PIECE_BYTES));
      if (pieces.length < COMMIT_PIECES) continue;
      this.#add(pieces);
      pieces = [];
      await new Promise(setImmediate);
    }
    if (pieces.length > 0) this.#add(pieces);
    this.#rest = Buffer.from(part.subarray(from));
  }

  #add(pieces: readonly Uint8Array[]): void {
    throwIfAborted(this.#options.signal);
    this.#records.addPieces(this.#id, this.#pieces, pieces);
    this.#pieces += pieces.length;
  }

  async finish(expectedBytes: number): Promise<void> {
    const { key, what } = this.#target;
    invariant(!this.#ended, `${what}: finished or aborted twice`);
    try {
      throwIfAborted(this.#options.signal);
      if (expectedBytes !== this.#bytes) {
        throw new SpanvaultError(
          'SV_STORAGE_IO',
          `${what} failed: ${expectedBytes} bytes were expected and ${this.#bytes} written`,
        );
      }
      const last = { from: this.#pieces, pieces: this.#rest.length === 0 ? [] : [this.#rest] };
      const file = { id: this.#id, bytes: this.#bytes };
      if (!(await this.#records.publish(key, file, last, this.#options.ifAbsent === true))) {
        throw new SpanvaultError('SV_STORAGE_EXISTS', `${what} failed: it exists already`);
      }
      this.#ended = true;
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#rest = Buffer.alloc(0);
    if (this.#pieces === 0) return;
    try {
      this.#records.abandon(this.#id, this.#pieces);
    } catch {
      // Its pieces stay unnamed, and the next opener of the cluster erases them.
    }
  }
}
