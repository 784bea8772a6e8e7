import { createHash, randomBytes } from 'node:crypto';
import type { BlockBlobClient } from '@azure/storage-blob';
import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { azureFault } from './azure_faults.js';
import type { CallOptions, ObjectWriter, PartOptions, WriteOptions } from './contract.js';
import { type HeldObject, unlessOurs } from './own_write.js';

/** Blocks that one blob may have. */
const MAX_BLOCKS = 50_000;

/** Metadata of a blob that must be new: says whose write made it. Names are identifiers, and come back in lower case. */
const WRITE_ID = 'spanvault_write_id';

/** The blob to write. */
export interface AzureTarget {
  readonly blob: BlockBlobClient;
  readonly count: (kind: string) => void;
  /** `writing azure-blob://container/a` */
  readonly what: string;
}

/** Writes a blob in one request; the store refuses bytes of another MD5 than the one sent along, and keeps it. */
export async function putAzureBlob(target: AzureTarget, bytes: Uint8Array, options: WriteOptions): Promise<void> {
  throwIfAborted(options.signal);
  const { signal, writeId } = options;
  const write = async (): Promise<void> => {
    target.count('PutBlob');
    await target.blob.upload(bufferOf(bytes), bytes.length, {
      blobHTTPHeaders: { blobContentMD5: md5Of(bytes), blobContentType: 'application/octet-stream' },
      ...conditionsOf(options),
      ...signalOf(signal),
    });
  };
  const own = { bytes: bytes.length, writeId };
  await unlessOurs(
    own,
    () => told(target, signal, write),
    () => look(target, signal),
  );
}

/** Begins a blob of unknown size; no request is made before the first part. */
export function createAzureBlob(target: AzureTarget, options: WriteOptions): ObjectWriter {
  throwIfAborted(options.signal);
  return new AzureWriter(target, options);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function md5Of(bytes: Uint8Array): Uint8Array {
  return createHash('md5').update(bytes).digest();
}

function conditionsOf({ ifAbsent, writeId }: WriteOptions) {
  if (ifAbsent !== true) return {};
  return {
    conditions: { ifNoneMatch: '*' },
    ...(writeId === undefined ? {} : { metadata: { [WRITE_ID]: writeId } }),
  };
}

function signalOf(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Makes a request whose failure is told as a SpanvaultError. */
async function told<T>({ what }: AzureTarget, signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw azureFault(error, what, signal);
  }
}

/** Asks for the blob of the target. */
async function look(target: AzureTarget, signal: AbortSignal | undefined): Promise<HeldObject> {
  target.count('GetBlobProperties');
  const { contentLength, metadata } = await told(target, signal, () => target.blob.getProperties(signalOf(signal)));
  return { bytes: contentLength ?? 0, writeId: metadata?.[WRITE_ID] };
}

/**
 * One block per part, made the blob by finish. A call that failed may be made again: a block is staged under the same id.
 * Blocks that are never committed are invisible, and the store drops them after a week.
 */
class AzureWriter implements ObjectWriter {
  readonly parallelParts = true;
  readonly #target: AzureTarget;
  readonly #options: WriteOptions;
  /** Tells our blocks from those of other writers of the same blob. */
  readonly #writer = randomBytes(12).toString('hex');
  /** Ids by the place of their part. */
  readonly #blocks: string[] = [];
  #calls = 0;
  #written = 0;
  #ended = false;

  constructor(target: AzureTarget, options: WriteOptions) {
    this.#target = target;
    this.#options = options;
  }

  async write(part: Uint8Array, options: PartOptions = {}): Promise<void> {
    const { what } = this.#target;
    const signal = options.signal ?? this.#options.signal;
    invariant(!this.#ended, `${what}: a part came after finish or abort`);
    throwIfAborted(signal);
    const index = options.index ?? this.#calls;
    if (index >= MAX_BLOCKS)
      throw new SpanvaultError('SV_LIMIT', `${what} failed: a blob has at most ${MAX_BLOCKS} parts`);
    if (part.length > 0) this.#blocks[index] = await this.#stage(part, index, signal);
    this.#calls++;
    this.#written += part.length;
  }

  /** Stages the block of a place, whatever it held before, and returns its id. */
  async #stage(part: Uint8Array, index: number, signal: AbortSignal | undefined): Promise<string> {
    const { blob, count, what } = this.#target;
    const id = Buffer.from(`${this.#writer}-${String(index).padStart(5, '0')}`).toString('base64');
    // TLS guards what it carries; without it the MD5 does, at some two seconds of a core per gigabyte.
    const guarded = blob.url.startsWith('https:');
    try {
      count('PutBlock');
      await blob.stageBlock(id, bufferOf(part), part.length, {
        ...(guarded ? {} : { transactionalContentMD5: md5Of(part) }),
        ...signalOf(signal),
      });
    } catch (error) {
      throw azureFault(error, what, signal);
    }
    return id;
  }

  async finish(expectedBytes: number, options: CallOptions = {}): Promise<void> {
    const { blob, count, what } = this.#target;
    const signal = options.signal ?? this.#options.signal;
    invariant(!this.#ended, `${what}: finished or aborted twice`);
    throwIfAborted(signal);
    if (this.#written !== expectedBytes) {
      this.#ended = true;
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${what} failed: ${expectedBytes} bytes were expected and ${this.#written} written`,
      );
    }
    const own = { ...this.#options, ...(signal === undefined ? {} : { signal }) };
    const write = async (): Promise<void> => {
      count('PutBlockList');
      // Places of parts without bytes are holes, which filter passes over.
      const blocks = this.#blocks.filter((id) => id !== undefined);
      await blob.commitBlockList(blocks, {
        blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
        ...conditionsOf(own),
        ...signalOf(signal),
      });
    };
    await unlessOurs(
      { bytes: expectedBytes, writeId: own.writeId },
      () => told(this.#target, signal, write),
      () => look(this.#target, signal),
    );
    this.#ended = true;
  }

  async abort(): Promise<void> {
    this.#ended = true;
  }
}
