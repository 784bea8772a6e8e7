import type { CompletedPart } from '@aws-sdk/client-s3';
import { hasCode, invariant, isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { CallOptions, ObjectWriter, WriteOptions } from './contract.js';
import { crcText } from './crc32c.js';
import { optionsOf, type S3Bucket } from './s3_bucket.js';

/** The store takes no smaller part but the last one. */
const PART_BYTES_MIN = 5 * 1024 * 1024;
/** The store takes no more parts. */
const PARTS_MAX = 10_000;

/**
 * Writes an object part by part. Parts of 5 MiB and more go out of the caller's memory; smaller ones are gathered, and an object that
 * stays below that is one PutObject. Every part and the whole are sent with their CRC-32C. A failed call changes nothing, so it
 * can be made again. Memory beyond the caller's part: below 5 MiB, and one part where small ones came before it.
 */
export class S3Writer implements ObjectWriter {
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #what: string;
  readonly #options: WriteOptions;
  readonly #parts: CompletedPart[] = [];
  #upload: string | undefined;
  /** Bytes too few for a part. */
  #pending: Uint8Array = new Uint8Array(0);
  /** Length and CRC-32C of the parts that the store has. */
  #sent = 0;
  #crc = 0;
  #ended = false;

  constructor(bucket: S3Bucket, key: string, what: string, options: WriteOptions) {
    this.#bucket = bucket;
    this.#key = key;
    this.#what = what;
    this.#options = options;
  }

  async write(part: Uint8Array, options: CallOptions = {}): Promise<void> {
    invariant(!this.#ended, `${this.#what}: a part came after finish or abort`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const gathered = this.#pending.length === 0 ? part : Buffer.concat([this.#pending, part]);
    if (gathered.length < PART_BYTES_MIN) {
      this.#pending = gathered === part ? Uint8Array.from(part) : gathered;
      return;
    }
    await this.#send(gathered, signal);
  }

  async finish(expectedBytes: number, options: CallOptions = {}): Promise<void> {
    invariant(!this.#ended, `${this.#what}: finished or aborted twice`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const written = this.#sent + this.#pending.length;
    if (written !== expectedBytes) {
      await this.abort();
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${this.#what} failed: ${expectedBytes} bytes were expected and ${written} written`,
      );
    }
    if (this.#upload === undefined) {
      const own = signal === undefined ? {} : { signal };
      await this.#bucket.put(this.#key, this.#pending, this.#what, { ...this.#options, ...own });
    } else {
      if (this.#pending.length > 0) await this.#send(this.#pending, signal);
      await this.#complete(this.#upload, signal);
    }
    this.#ended = true;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending = new Uint8Array(0);
    const upload = this.#upload;
    if (upload === undefined) return;
    // Best effort, and not by the caller's signal, which may be why it aborts; what stays is found by a sweep.
    await Promise.allSettled([abortUpload(this.#bucket, this.#key, upload, this.#what)]);
  }

  async #send(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const number = this.#parts.length + 1;
    if (number > PARTS_MAX)
      throw new SpanvaultError('SV_LIMIT', `${this.#what} failed: an object has at most ${PARTS_MAX} parts`);
    const checksum = this.#bucket.checksumOf(bytes);
    const upload = await this.#begun(signal);
    const answer = await this.#bucket.request('UploadPart', this.#what, signal, ({ sdk, client }) =>
      client.send(
        new sdk.UploadPartCommand({
          Bucket: this.#bucket.name,
          Key: this.#key,
          UploadId: upload,
          PartNumber: number,
          Body: bytes,
          ...checksum,
        }),
        optionsOf(signal),
      ),
    );
    const { ChecksumCRC32C } = checksum;
    this.#parts.push({
      PartNumber: number,
      ETag: answer.ETag,
      ...(ChecksumCRC32C === undefined ? {} : { ChecksumCRC32C }),
    });
    if (ChecksumCRC32C !== undefined) this.#crc = native.crc32c(bytes, this.#crc);
    this.#sent += bytes.length;
    this.#pending = new Uint8Array(0);
  }

  async #begun(signal: AbortSignal | undefined): Promise<string> {
    if (this.#upload !== undefined) return this.#upload;
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
    this.#upload = answer.UploadId;
    invariant(this.#upload !== undefined, `${this.#what}: the store began an upload without an id`);
    return this.#upload;
  }

  async #complete(upload: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#bucket.request('CompleteMultipartUpload', this.#what, signal, ({ sdk, client }) =>
        client.send(
          new sdk.CompleteMultipartUploadCommand({
            Bucket: this.#bucket.name,
            Key: this.#key,
            UploadId: upload,
            MultipartUpload: { Parts: this.#parts },
            MpuObjectSize: this.#sent,
            ...(this.#bucket.policy.skipChecksum
              ? {}
              : { ChecksumCRC32C: crcText(this.#crc), ChecksumType: 'FULL_OBJECT' as const }),
            ...(this.#options.ifAbsent === true ? { IfNoneMatch: '*' } : {}),
          }),
          optionsOf(signal),
        ),
      );
    } catch (error) {
      // An earlier try may have done it, its answer lost: then the upload is gone, or the object that must be new is ours.
      const gone = isSpanvaultError(error) && /NoSuchUpload/.test(String(error.details.reason));
      if (!gone && !hasCode(error, 'SV_STORAGE_EXISTS')) throw error;
      if (!(await this.#bucket.isOurs(this.#key, this.#sent, this.#options.writeId, this.#what, signal))) throw error;
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
