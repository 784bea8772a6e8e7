import type { CompletedPart } from '@aws-sdk/client-s3';
import { hasCode, invariant, isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { CallOptions, ObjectWriter, PartOptions, WriteOptions } from './contract.js';
import { crcText } from './crc32c.js';
import type { S3Bucket } from './s3_bucket.js';
import { optionsOf } from './s3_exchange.js';

/** The store takes no smaller part but the last one. */
const PART_BYTES_MIN = 5 * 1024 * 1024;
/** The store takes no more parts. */
const PARTS_MAX = 10_000;
/** How long the answer to a request that begins an upload is still waited for when nobody wants the upload any more. */
const LATE_MS = 10_000;
/** Place of the part that finish makes of what is left. */
const LAST = Number.POSITIVE_INFINITY;

/** A part in its place in the object. */
interface Part {
  readonly number: number;
  readonly length: number;
  readonly crc: number;
  /** The store's word that it has it. */
  etag: string | undefined;
}

/** A part that the store does not have yet. */
interface Unsent {
  readonly part: Part;
  /** The caller's memory, or smaller parts gathered. */
  readonly bytes: Uint8Array;
}

/**
 * Writes an object part by part, several at a time where its caller likes. Parts of 5 MiB and more go out of the caller's memory; smaller
 * ones are gathered, and an object that stays below that is one PutObject. Every part and the whole are sent with their CRC-32C.
 * A failed call changes nothing, so it can be made again. Memory beyond the caller's parts: below 5 MiB, and one part for each on
 * its way that small ones came before.
 */
export class S3Writer implements ObjectWriter {
  readonly parallelParts = true;
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #what: string;
  readonly #options: WriteOptions;
  /** In the order of their numbers. */
  readonly #parts: Part[] = [];
  /** By the index of the call that placed it, until that has succeeded. */
  readonly #unsent = new Map<number, Unsent>();
  #upload: string | undefined;
  /** The request under way that begins the upload. */
  #beginning: Promise<string> | undefined;
  /** Uploads whose beginning was given up before the store's answer; settled when none of them is left there. */
  readonly #givenUp: Promise<void>[] = [];
  /** Bytes too few for a part. */
  #pending: Uint8Array = new Uint8Array(0);
  #calls = 0;
  #ended = false;

  constructor(bucket: S3Bucket, key: string, what: string, options: WriteOptions) {
    this.#bucket = bucket;
    this.#key = key;
    this.#what = what;
    this.#options = options;
  }

  async write(bytes: Uint8Array, options: PartOptions = {}): Promise<void> {
    invariant(!this.#ended, `${this.#what}: a part came after finish or abort`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const index = options.index ?? this.#calls;
    const unsent = this.#unsent.get(index) ?? this.#place(index, bytes);
    if (unsent !== undefined) await this.#send(unsent, signal);
    this.#unsent.delete(index);
    this.#calls++;
  }

  async finish(expectedBytes: number, options: CallOptions = {}): Promise<void> {
    invariant(!this.#ended, `${this.#what}: finished or aborted twice`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const written = this.#parts.reduce((sum, { length }) => sum + length, this.#pending.length);
    if (written !== expectedBytes) {
      await this.abort();
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${this.#what} failed: ${expectedBytes} bytes were expected and ${written} written`,
      );
    }
    if (this.#parts.length === 0) {
      const own = signal === undefined ? {} : { signal };
      await this.#bucket.put(this.#key, this.#pending, this.#what, { ...this.#options, ...own });
    } else {
      if (this.#pending.length > 0 || this.#unsent.has(LAST))
        await this.write(this.#pending, { ...options, index: LAST });
      invariant(this.#unsent.size === 0 && this.#upload !== undefined, `${this.#what}: finish came before its parts`);
      await this.#complete(this.#upload, signal);
    }
    this.#ended = true;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending = new Uint8Array(0);
    // Best effort, and not by the caller's signal, which may be why it aborts; what stays is found by a sweep.
    await Promise.allSettled([...this.#givenUp, ...(this.#upload === undefined ? [] : [this.#remove(this.#upload)])]);
  }

  /** Gives bytes their place, behind those before them; undefined while they are too few for a part. */
  #place(index: number, bytes: Uint8Array): Unsent | undefined {
    const gathered = index === LAST || this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    if (gathered.length < PART_BYTES_MIN && index !== LAST) {
      this.#pending = gathered === bytes ? Uint8Array.from(bytes) : gathered;
      return undefined;
    }
    const number = this.#parts.length + 1;
    if (number > PARTS_MAX)
      throw new SpanvaultError('SV_LIMIT', `${this.#what} failed: an object has at most ${PARTS_MAX} parts`);
    const part: Part = { number, length: gathered.length, crc: this.#bucket.crcOf(gathered), etag: undefined };
    const unsent: Unsent = { part, bytes: gathered };
    this.#pending = new Uint8Array(0);
    this.#parts.push(part);
    this.#unsent.set(index, unsent);
    return unsent;
  }

  async #send({ part, bytes }: Unsent, signal: AbortSignal | undefined): Promise<void> {
    const upload = await this.#begun(signal);
    const answer = await this.#bucket.exchange('UploadPart', this.#what, {
      method: 'PUT',
      key: this.#key,
      query: { partNumber: String(part.number), uploadId: upload },
      headers: this.#bucket.checksumHeaders(part.crc),
      body: bytes,
      signal,
    });
    part.etag = answer.headers.etag;
  }

  /** The upload's id. The first part begins the upload; others wait for it, and take its place where it failed. */
  async #begun(signal: AbortSignal | undefined): Promise<string> {
    while (this.#upload === undefined) {
      throwIfAborted(signal);
      if (this.#beginning === undefined) {
        this.#beginning = this.#begin(signal);
        try {
          this.#upload = await this.#beginning;
        } finally {
          this.#beginning = undefined;
        }
      } else await Promise.allSettled([this.#beginning]);
    }
    return this.#upload;
  }

  /** Begins an upload. One that the store begins after the signal has fired is removed again: nobody else knows its id. */
  async #begin(signal: AbortSignal | undefined): Promise<string> {
    const late = new AbortController();
    const begun = this.#create(late.signal);
    try {
      return await unlessAborted(begun, signal);
    } catch (error) {
      if (signal?.aborted === true) {
        const timer = setTimeout(() => late.abort(), LATE_MS);
        const removed = begun.then((upload) => this.#remove(upload)).finally(() => clearTimeout(timer));
        // A beginning that failed left nothing to remove.
        this.#givenUp.push(removed.catch(() => undefined));
      }
      throw error;
    }
  }

  async #create(signal: AbortSignal): Promise<string> {
    const answer = await this.#bucket.request('CreateMultipartUpload', this.#what, signal, ({ sdk, client }) =>
      client.send(
        new sdk.CreateMultipartUploadCommand({
          Bucket: this.#bucket.name,
          Key: this.#key,
          ...(this.#bucket.policy.skipChecksum
            ? {}
            : { ChecksumAlgorithm: 'CRC32C' as const, ChecksumType: 'FULL_OBJECT' as const }),
          ...this.#bucket.keptAs(this.#options.writeId),
        }),
        optionsOf(signal),
      ),
    );
    invariant(answer.UploadId !== undefined, `${this.#what}: the store began an upload without an id`);
    return answer.UploadId;
  }

  async #remove(upload: string): Promise<void> {
    await abortUpload(this.#bucket, this.#key, upload, this.#what);
  }

  /** CRC-32C of the whole object. */
  #wholeCrc(): number {
    return this.#parts.reduce((crc, part) => native.crc32cCombine(crc, part.crc, part.length), 0);
  }

  async #complete(upload: string, signal: AbortSignal | undefined): Promise<void> {
    const bytes = this.#parts.reduce((sum, { length }) => sum + length, 0);
    const parts: CompletedPart[] = this.#parts.map(({ number, etag, crc }) => {
      return {
        PartNumber: number,
        ETag: etag,
        ...(this.#bucket.policy.skipChecksum ? {} : { ChecksumCRC32C: crcText(crc) }),
      };
    });
    try {
      await this.#bucket.request('CompleteMultipartUpload', this.#what, signal, ({ sdk, client }) =>
        client.send(
          new sdk.CompleteMultipartUploadCommand({
            Bucket: this.#bucket.name,
            Key: this.#key,
            UploadId: upload,
            MultipartUpload: { Parts: parts },
            MpuObjectSize: bytes,
            ...(this.#bucket.policy.skipChecksum
              ? {}
              : { ChecksumCRC32C: crcText(this.#wholeCrc()), ChecksumType: 'FULL_OBJECT' as const }),
            ...(this.#options.ifAbsent === true ? { IfNoneMatch: '*' } : {}),
          }),
          optionsOf(signal),
        ),
      );
    } catch (error) {
      // An earlier try may have done it, its answer lost: then the upload is gone, or the object that must be new is ours.
      const gone = isSpanvaultError(error) && /NoSuchUpload/.test(String(error.details.reason));
      if (!gone && !hasCode(error, 'SV_STORAGE_EXISTS')) throw error;
      if (!(await this.#bucket.isOurs(this.#key, bytes, this.#options.writeId, this.#what, signal))) throw error;
    }
  }
}

/** Removes the parts of an upload; one that is gone already is no failure. */
export async function abortUpload(bucket: S3Bucket, key: string, upload: string, what: string): Promise<void> {
  try {
    await bucket.request('AbortMultipartUpload', what, undefined, ({ sdk, client }) =>
      client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId: upload })),
    );
  } catch (error) {
    if (!(isSpanvaultError(error) && /NoSuchUpload/.test(String(error.details.reason)))) throw error;
  }
}

/** What `work` gives, or SV_ABORTED as soon as the signal fires; the work goes on. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
    throwIfAborted(signal);
    return await work;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
