import { isSpanvaultError } from '../fault/index.js';
import type { ExternalStorage, PieceResult, ReadPiece } from './contract.js';
import { clipRange } from './names.js';

/** Directories whose pieces are read in one go: some milliseconds of work, and little memory. */
const DIRECTORIES_AT_ONCE = 32;
/** Bytes of a piece without a length; what is longer is read again by whoever wants it. */
const PIECE_BYTES_MOST = 64 * 1024;

/** Reads of one directory that have been made: by name, each with where it begins. */
type MadeReads = ReadonlyMap<string, { readonly offset: number; readonly result: PieceResult }>;

/**
 * The same small pieces of many directories of one storage, read some dozens of directories ahead of whoever opens them in turn.
 * Where the storage cannot read several pieces in one go nothing is read.
 */
export class ReadAhead {
  readonly #storage: ExternalStorage;
  readonly #directories: readonly string[];
  readonly #pieces: readonly ReadPiece[];
  readonly #signal: AbortSignal | undefined;
  readonly #groups: (Promise<readonly PieceResult[]> | undefined)[] = [];

  /** @param directories relative to the storage, without slashes around them; asked for about in this order */
  constructor(
    storage: ExternalStorage,
    directories: readonly string[],
    pieces: readonly ReadPiece[],
    signal: AbortSignal | undefined,
  ) {
    this.#storage = storage;
    this.#directories = directories;
    this.#pieces = pieces.map((piece) => ({ length: PIECE_BYTES_MOST, ...piece }));
    this.#signal = signal;
  }

  /** `storage`, which is directory number `index`, with what has been read of it. */
  async of(index: number, storage: ExternalStorage): Promise<ExternalStorage> {
    if (this.#storage.readAll === undefined) return storage;
    const group = Math.floor(index / DIRECTORIES_AT_ONCE);
    // Those before were opened, but for some of the group right before that are still under way and have what they need.
    this.#groups.fill(undefined, 0, group);
    const results = await this.#read(group);
    // The next ones come while these are opened; their failure is told to whoever opens them.
    this.#read(group + 1).catch(() => undefined);
    const first = (index % DIRECTORIES_AT_ONCE) * this.#pieces.length;
    const made: MadeReads = new Map(
      this.#pieces.map(({ name, offset = 0 }, at) => [name, { offset, result: results[first + at]! }]),
    );
    return withReads(storage, made);
  }

  #read(group: number): Promise<readonly PieceResult[]> {
    this.#groups[group] ??= this.#begin(group * DIRECTORIES_AT_ONCE);
    return this.#groups[group];
  }

  async #begin(first: number): Promise<readonly PieceResult[]> {
    const pieces = this.#directories
      .slice(first, first + DIRECTORIES_AT_ONCE)
      .flatMap((directory) => this.#pieces.map((piece) => ({ ...piece, name: `${directory}/${piece.name}` })));
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    return (await this.#storage.readAll?.(pieces, options)) ?? [];
  }
}

/** A storage of which some reads have been made: they are answered from memory, and what they do not hold by the storage. */
function withReads(storage: ExternalStorage, made: MadeReads): ExternalStorage {
  return {
    display: storage.display,
    async read(name, options = {}) {
      const known = made.get(name);
      if (known === undefined) return await storage.read(name, options);
      const { result, offset } = known;
      if (isSpanvaultError(result)) throw result;
      const { bytes, totalBytes } = result;
      const held = clipRange(totalBytes, offset);
      const asked = clipRange(totalBytes, options.offset, options.length);
      const from = asked.start - held.start;
      if (from < 0 || from + asked.length > bytes.length) return await storage.read(name, options);
      // A copy: a few bytes that are kept must not keep what was read with them.
      return { bytes: bytes.slice(from, from + asked.length), totalBytes };
    },
    size: (name, options) => storage.size(name, options),
    write: (name, bytes, options) => storage.write(name, bytes, options),
    create: (name, options) => storage.create(name, options),
    list: (prefix, options) => storage.list(prefix, options),
    delete: (name, options) => storage.delete(name, options),
    close: () => storage.close(),
  };
}
