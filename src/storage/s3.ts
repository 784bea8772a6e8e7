import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type {
  CallOptions,
  ExternalStorage,
  ListedObject,
  ListOptions,
  ObjectWriter,
  ReadOptions,
  ReadResult,
  StorageSettings,
  WriteOptions,
} from './contract.js';
import { crcText } from './crc32c.js';
import { type ListedPage, listPages, storeDelimiter } from './listed.js';
import { checkName, clipRange } from './names.js';
import { remoteFault } from './remote_faults.js';
import { optionsOf, S3Bucket } from './s3_bucket.js';
import { s3Connection } from './s3_client.js';
import { s3Access, s3ObjectPolicy } from './s3_location.js';
import { S3Writer } from './s3_writer.js';
import { printUri, type StorageUri } from './uri.js';

/** Objects in a bucket of Amazon S3 or of a store that speaks its language: `s3://<bucket>/<path>?AWS_ACCESS_KEY_ID=…`. */
export class S3Storage implements ExternalStorage {
  readonly display: string;
  readonly bucket: S3Bucket;
  /** Path of the location as the beginning of every object's key. */
  readonly under: string;

  /** @throws SpanvaultError SV_URI for a URI without a bucket or with wrong parameters */
  constructor(uri: StorageUri, count: (kind: string) => void = () => undefined, settings: StorageSettings = {}) {
    this.display = printUri({ ...uri, parameters: [] });
    if (uri.host === '')
      throw new SpanvaultError('SV_URI', 'empty host component; s3 URI must specify a target bucket');
    this.bucket = new S3Bucket(uri.host, s3ObjectPolicy(uri), s3Connection(s3Access(uri, settings)), count);
    this.under = uri.path === '' ? '' : `${uri.path.slice(1)}/`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    const { offset = 0, length, signal } = options;
    checkName(name);
    throwIfAborted(signal);
    clipRange(0, offset, length);
    const what = `reading ${this.display}/${name}`;
    // No range says "no bytes".
    if (length === 0) return { bytes: new Uint8Array(0), totalBytes: await this.size(name, options) };
    const range = rangeOf(offset, length);
    try {
      return await this.bucket.request('GetObject', what, signal, async ({ sdk, client }) => {
        const command = new sdk.GetObjectCommand({
          Bucket: this.bucket.name,
          Key: this.under + name,
          ...(range === undefined ? {} : { Range: range }),
        });
        if (range === undefined) {
          // The checksum is asked for past the library, which would compute it in JavaScript.
          command.middlewareStack.add(
            (next) => (args) => {
              (args.request as { headers: Record<string, string> }).headers['x-amz-checksum-mode'] = 'ENABLED';
              return next(args);
            },
            { step: 'build' },
          );
        }
        const answer = await client.send(command, optionsOf(signal));
        const bytes = await collect(answer, what, signal);
        if (range === undefined) checkWhole(answer, bytes, what);
        const totalBytes = totalOf(answer, bytes.length);
        const wanted = clipRange(totalBytes, offset, offset < 0 ? undefined : length).length;
        if (bytes.length !== wanted)
          throw remoteFault(
            { kind: 'transient', reason: `${wanted} bytes were asked for and ${bytes.length} came` },
            what,
          );
        return { bytes: offset < 0 && length !== undefined ? bytes.subarray(0, length) : bytes, totalBytes };
      });
    } catch (error) {
      // No byte of the object lies in the range.
      if (isSpanvaultError(error) && error.details.status === 416)
        return { bytes: new Uint8Array(0), totalBytes: await this.size(name, options) };
      throw error;
    }
  }

  async size(name: string, options: CallOptions = {}): Promise<number> {
    checkName(name);
    return (await this.bucket.head(this.under + name, `reading ${this.display}/${name}`, options.signal)).bytes;
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkName(name);
    await this.bucket.put(this.under + name, bytes, `writing ${this.display}/${name}`, options);
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name);
    throwIfAborted(options.signal);
    return new S3Writer(this.bucket, this.under + name, `writing ${this.display}/${name}`, options);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    return listPages(this.#pages(prefix, options), this.under, prefix, options.delimiter);
  }

  async *#pages(prefix: string, { delimiter, after, signal }: ListOptions): AsyncIterable<ListedPage> {
    const what = `listing ${this.display}/${prefix}`;
    const asked = storeDelimiter(delimiter);
    let token: string | undefined;
    do {
      const page = await this.bucket.request('ListObjectsV2', what, signal, ({ sdk, client }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.bucket.name,
            Prefix: this.under + prefix,
            ...(asked === undefined ? {} : { Delimiter: asked }),
            ...(after === undefined ? {} : { StartAfter: this.under + after }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          optionsOf(signal),
        ),
      );
      yield {
        objects: (page.Contents ?? []).map(({ Key, Size, LastModified }) => ({
          name: Key ?? '',
          bytes: Size,
          ...(LastModified === undefined ? {} : { modified: LastModified }),
        })),
        cutNames: (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''),
      };
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    checkName(name);
    const what = `deleting ${this.display}/${name}`;
    try {
      await this.bucket.request('DeleteObject', what, signal, ({ sdk, client }) =>
        client.send(
          new sdk.DeleteObjectCommand({ Bucket: this.bucket.name, Key: this.under + name }),
          optionsOf(signal),
        ),
      );
    } catch (error) {
      if (!(isSpanvaultError(error) && error.code === 'SV_STORAGE_NOT_FOUND')) throw error;
    }
  }

  async close(): Promise<void> {}
}

/** The Range header of a read; undefined for the whole object. */
function rangeOf(offset: number, length: number | undefined): string | undefined {
  if (offset < 0) return `bytes=${offset}`;
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`;
  return offset === 0 ? undefined : `bytes=${offset}-`;
}

/** The body in one allocation of the length that the answer tells; anything else is a broken answer. */
async function collect(
  answer: GetObjectCommandOutput,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const body = answer.Body as Readable | undefined;
  const told = answer.ContentLength;
  if (body === undefined || told === undefined)
    throw remoteFault({ kind: 'transient', reason: 'the answer has no body or tells no length' }, what);
  const stop = (): void => void body.destroy(new SpanvaultError('SV_ABORTED', 'the operation was aborted'));
  signal?.addEventListener('abort', stop);
  try {
    const bytes = new Uint8Array(told);
    let at = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (at + chunk.length > told)
        throw remoteFault({ kind: 'transient', reason: `more than ${told} bytes came` }, what);
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at < told) throw remoteFault({ kind: 'transient', reason: `${at} of ${told} bytes came` }, what);
    return bytes;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Size of the whole object: a range's answer tells it behind the slash. */
function totalOf(answer: GetObjectCommandOutput, bodyBytes: number): number {
  const total = /\/(\d{1,15})$/.exec(answer.ContentRange ?? '')?.[1];
  return total === undefined ? bodyBytes : Number(total);
}

/** Compares a whole object with the CRC-32C that the store keeps of it; one of parts is marked by a dash and says nothing here. */
function checkWhole({ ChecksumCRC32C }: GetObjectCommandOutput, bytes: Uint8Array, what: string): void {
  if (ChecksumCRC32C === undefined || ChecksumCRC32C.includes('-')) return;
  const crc = crcText(native.crc32c(bytes, 0));
  if (crc !== ChecksumCRC32C)
    throw remoteFault({ kind: 'transient', reason: `CRC-32C ${crc} came and the store keeps ${ChecksumCRC32C}` }, what);
}
