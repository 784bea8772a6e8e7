import { setTimeout as sleep } from 'node:timers/promises';
import { SpanvaultError } from '../fault/index.js';
import { native } from '../native/index.js';
import type { UserfileSettings } from './contract.js';

/*
 * How files lie in an embedded cluster, as metadata records of its store: one record per file, one per piece of its content,
 * and one per upload that is under way, which says how many pieces it has written so far. Everything is committed durably;
 * a file becomes visible with the commit of its record.
 */

/** Bytes of each piece but the last. Bounds what a small read has to fetch. */
export const PIECE_BYTES = 1024 * 1024;

const FILES = 'userfile/file/';
const PIECES = 'userfile/piece/';
/** Uploads under way. */
const UPLOADS = 'userfile/upload/';

/** A whole file. */
export interface FileRecord {
  readonly id: string;
  readonly bytes: number;
}

interface UploadRecord {
  readonly pieces: number;
}

/** A record to put; undefined deletes it. */
interface Put {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** An open store of the cluster; a handle is shared by the threads of the process. */
export class UserfileRecords {
  readonly #directory: string;
  readonly #mapBytes: number;

  constructor(settings: UserfileSettings) {
    this.#directory = settings.directory;
    this.#mapBytes = settings.mapBytes;
  }

  /** @throws SpanvaultError SV_CORRUPT_STORE for a record that does not read */
  file(key: string): FileRecord | undefined {
    const bytes = this.#use((store) => native.storeMetaGet(store, FILES + key));
    return bytes === null ? undefined : decode<FileRecord>(key, bytes);
  }

  /** Files whose key begins with `prefix`, in byte order. */
  files(prefix: string): readonly { readonly key: string; readonly file: FileRecord }[] {
    const found = this.#use((store) => native.storeMetaList(store, FILES + prefix));
    return found.map(({ key, value }) => ({ key: key.slice(FILES.length), file: decode<FileRecord>(key, value) }));
  }

  /** Piece number `index` of a file; undefined when the file is gone. */
  piece(id: string, index: number): Uint8Array | undefined {
    return this.#use((store) => native.storeMetaGet(store, pieceKey(id, index))) ?? undefined;
  }

  /** Adds pieces to an upload, the first of them number `from`; durable when it returns. */
  addPieces(id: string, from: number, pieces: readonly Uint8Array[]): void {
    const upload: UploadRecord = { pieces: from + pieces.length };
    this.#commit([...putPieces(id, from, pieces), { key: UPLOADS + id, value: encode(upload) }]);
  }

  /**
   * Makes an upload a file, with its last pieces; the file that it replaces goes in the same commit. False when there is one
   * and `ifAbsent`.
   */
  publish(
    key: string,
    file: FileRecord,
    last: { readonly from: number; readonly pieces: readonly Uint8Array[] },
    ifAbsent: boolean,
  ): Promise<boolean> {
    return this.#alone(() => {
      const before = this.file(key);
      if (before !== undefined && ifAbsent) return false;
      this.#commit([
        ...(before === undefined ? [] : dropPieces(before.id, pieceCount(before.bytes))),
        ...putPieces(file.id, last.from, last.pieces),
        { key: UPLOADS + file.id, value: undefined },
        { key: FILES + key, value: encode(file) },
      ]);
      return true;
    });
  }

  delete(key: string): Promise<void> {
    return this.#alone(() => {
      const file = this.file(key);
      if (file === undefined) return;
      this.#commit([...dropPieces(file.id, pieceCount(file.bytes)), { key: FILES + key, value: undefined }]);
    });
  }

  /** Forgets an upload that wrote `pieces` pieces. */
  abandon(id: string, pieces: number): void {
    this.#commit([...dropPieces(id, pieces), { key: UPLOADS + id, value: undefined }]);
  }

  /** Forgets every upload: for whoever opens the cluster alone. Returns how many there were. */
  abandonAll(): number {
    const uploads = this.#use((store) => native.storeMetaList(store, UPLOADS));
    for (const { key, value } of uploads)
      this.abandon(key.slice(UPLOADS.length), decode<UploadRecord>(key, value).pieces);
    return uploads.length;
  }

  #commit(puts: readonly Put[]): void {
    this.#use((store) =>
      native.storeCommit(
        store,
        null,
        [],
        puts.map(({ key, value }) => ({ key, value: value ?? null })),
      ),
    );
  }

  /** Joins the store that the process has open, for one call. */
  #use<T>(work: (store: number) => T): T {
    const store = native.openStore(this.#directory, this.#mapBytes);
    try {
      return work(store);
    } finally {
      native.closeStore(store);
    }
  }

  /**
   * Runs a synchronous step while no other thread runs one: the store commits atomically but has no conditional put. What
   * the threads of a process share is the native module's memory objects; a bucket without a name is no URI's.
   */
  async #alone<T>(step: () => T): Promise<T> {
    const lock = `userfile ${this.#directory}`;
    while (!native.memoryPut(NO_BUCKET, lock, encode(Date.now()), true)) {
      const held = native.memoryGet(NO_BUCKET, lock, 0, -1);
      // A thread that was terminated in its step left the lock; no step takes so long.
      if (held !== null && Date.now() - decode<number>(lock, held) > STEP_LIMIT_MS)
        native.memoryDelete(NO_BUCKET, lock);
      await sleep(1);
    }
    try {
      return step();
    } finally {
      native.memoryDelete(NO_BUCKET, lock);
    }
  }
}

const NO_BUCKET = '';
const STEP_LIMIT_MS = 30_000;

function pieceCount(bytes: number): number {
  return Math.ceil(bytes / PIECE_BYTES);
}

function pieceKey(id: string, index: number): string {
  return `${PIECES}${id}/${index}`;
}

function putPieces(id: string, from: number, pieces: readonly Uint8Array[]): Put[] {
  return pieces.map((value, index) => ({ key: pieceKey(id, from + index), value }));
}

function dropPieces(id: string, count: number): Put[] {
  return Array.from({ length: count }, (_, index) => ({ key: pieceKey(id, index), value: undefined }));
}

function encode(value: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(value)));
}

function decode<T>(key: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
  } catch (cause) {
    throw new SpanvaultError('SV_CORRUPT_STORE', `metadata record ${key} is not JSON`, { cause });
  }
}
