import { createHash, randomBytes } from 'node:crypto';
import type { BlockBlobClient } from '@azure/storage-blob';
import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { azureFailure, azureFault } from './azure_faults.js';
import type { ObjectWriter, WriteOptions } from './contract.js';

/** Blocks that one blob may have. */
const MAX_BLOCKS = 50_000;

/** Writes a blob in one request; the store refuses bytes of another MD5 than the one sent along, and keeps it. */
export async function putAzureBlob(
  blob: BlockBlobClient,
  what: string,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  throwIfAborted(options.signal);
  try {
    await blob.upload(bufferOf(bytes), bytes.length, {
      blobHTTPHeaders: { blobContentMD5: md5Of(bytes), blobContentType: 'application/octet-stream' },
      conditions: conditionsOf(options),
      ...signalOf(options),
    });
  } catch (error) {
    throw azureFault(error, what, options.signal);
  }
}

/** Begins a blob of unknown size; no request is made before the first part. */
export function createAzureBlob(blob: BlockBlobClient, what: string, options: WriteOptions): ObjectWriter {
  throwIfAborted(options.signal);
  return new AzureWriter(blob, what, options);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function md5Of(bytes: Uint8Array): Uint8Array {
  return createHash('md5').update(bytes).digest();
}

function conditionsOf({ ifAbsent }: WriteOptions): { ifNoneMatch?: string } {
  return ifAbsent === true ? { ifNoneMatch: '*' } : {};
}

function signalOf({ signal }: WriteOptions): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/**
 * One block per part, made the blob by finish. A call that failed may be made again: a block is staged under the same id,
 * and a list that was committed by the failed call is recognised by the ids in it. Blocks that are never committed are
 * invisible, and the store drops them after a week.
 */
class AzureWriter implements ObjectWriter {
  readonly #blob: BlockBlobClient;
  readonly #what: string;
  readonly #options: WriteOptions;
  /** Tells our blocks from those of other writers of the same blob. */
  readonly #writer = randomBytes(12).toString('hex');
  readonly #blocks: string[] = [];
  #written = 0;
  #ended = false;
  /** A commit failed in a way that may have happened all the same. */
  #unsure = false;

  constructor(blob: BlockBlobClient, what: string, options: WriteOptions) {
    this.#blob = blob;
    this.#what = what;
    this.#options = options;
  }

  async write(part: Uint8Array): Promise<void> {
    invariant(!this.#ended, `${this.#what}: a part came after finish or abort`);
    throwIfAborted(this.#options.signal);
    if (part.length === 0) return;
    if (this.#blocks.length === MAX_BLOCKS)
      throw new SpanvaultError('SV_LIMIT', `${this.#what} failed: a blob has at most ${MAX_BLOCKS} parts`);
    const id = Buffer.from(`${this.#writer}-${String(this.#blocks.length).padStart(5, '0')}`).toString('base64');
    // TLS guards what it carries; without it the MD5 does, at some two seconds of a core per gigabyte.
    const guarded = this.#blob.url.startsWith('https:');
    try {
      await this.#blob.stageBlock(id, bufferOf(part), part.length, {
        ...(guarded ? {} : { transactionalContentMD5: md5Of(part) }),
        ...signalOf(this.#options),
      });
    } catch (error) {
      throw azureFault(error, this.#what, this.#options.signal);
    }
    this.#blocks.push(id);
    this.#written += part.length;
  }

  async finish(expectedBytes: number): Promise<void> {
    invariant(!this.#ended, `${this.#what}: finished or aborted twice`);
    throwIfAborted(this.#options.signal);
    if (this.#written !== expectedBytes) {
      this.#ended = true;
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${this.#what} failed: ${expectedBytes} bytes were expected and ${this.#written} written`,
      );
    }
    try {
      await this.#blob.commitBlockList(this.#blocks, {
        blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
        conditions: conditionsOf(this.#options),
        ...signalOf(this.#options),
      });
    } catch (error) {
      const kind = azureFailure(error)?.kind;
      if (!(this.#unsure && kind === 'exists' && (await this.#isOurs()))) {
        this.#unsure = true;
        throw azureFault(error, this.#what, this.#options.signal);
      }
    }
    this.#ended = true;
  }

  async abort(): Promise<void> {
    this.#ended = true;
  }

  /** True when the blob that exists is made of our blocks. */
  async #isOurs(): Promise<boolean> {
    try {
      const { committedBlocks = [] } = await this.#blob.getBlockList('committed', signalOf(this.#options));
      return (
        committedBlocks.length === this.#blocks.length &&
        committedBlocks.every(({ name }, index) => name === this.#blocks[index])
      );
    } catch (error) {
      throw azureFault(error, this.#what, this.#options.signal);
    }
  }
}
