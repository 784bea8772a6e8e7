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
import type { HttpAnswer } from './http_exchange.js';
import { readRange } from './http_range.js';
import { type ListedPage, listPages, storeDelimiter } from './listed.js';
import { checkName } from './names.js';
import { PageMarkers } from './page_markers.js';
import { remoteFault } from './remote_faults.js';
import { S3Bucket } from './s3_bucket.js';
import { s3Connection } from './s3_client.js';
import { optionsOf } from './s3_exchange.js';
import { s3Access, s3ObjectPolicy } from './s3_location.js';
import { S3Writer } from './s3_writer.js';
import { printUri, type StorageUri } from './uri.js';

/** Objects in a bucket of Amazon S3 or of a store that speaks its language: `s3://<bucket>/<path>?AWS_ACCESS_KEY_ID=…`. */
export class S3Storage implements ExternalStorage {
  readonly display: string;
  readonly remote = true;
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
    checkName(name);
    const what = `reading ${this.display}/${name}`;
    const { into, signal } = options;
    const { bytes, totalBytes, answer } = await readRange(
      {
        get: (headers, keep) => {
          // The store tells its checksum of whole objects, when it is asked.
          const asked = headers.range === undefined ? { 'x-amz-checksum-mode': 'ENABLED' } : headers;
          const key = this.under + name;
          const place = into === undefined ? {} : { into };
          return this.bucket.exchange('GetObject', what, {
            method: 'GET',
            key,
            headers: asked,
            keep,
            signal,
            ...place,
          });
        },
        size: () => this.size(name, signal === undefined ? {} : { signal }),
      },
      what,
      options,
    );
    if (answer?.status === 200 && bytes.length === totalBytes) checkWhole(answer, bytes, what);
    return { bytes, totalBytes };
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
    const markers = new PageMarkers(what);
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
      token = markers.next(page.NextContinuationToken, page.IsTruncated === true);
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

/** Compares a whole object with the CRC-32C that the store keeps of it; one of parts is marked by a dash and says nothing here. */
function checkWhole({ headers }: HttpAnswer, bytes: Uint8Array, what: string): void {
  const kept = headers['x-amz-checksum-crc32c'];
  if (typeof kept !== 'string' || kept.includes('-')) return;
  const crc = crcText(native.crc32c(bytes, 0));
  if (crc !== kept)
    throw remoteFault({ kind: 'transient', reason: `CRC-32C ${crc} came and the store keeps ${kept}` }, what);
}
