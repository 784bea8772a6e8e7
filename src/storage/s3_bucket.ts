import { type SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import { crcText } from './crc32c.js';
import type { HttpAnswer } from './http_exchange.js';
import { isOurs, unlessOurs } from './own_write.js';
import { remoteFault } from './remote_faults.js';
import type { S3Connection, S3Session } from './s3_client.js';
import { optionsOf, RANGE_NOT_THERE, type S3Call, s3Exchange, s3LibraryExchange } from './s3_exchange.js';
import { s3AnswerFailure, s3Fault } from './s3_faults.js';
import type { S3ObjectPolicy } from './s3_location.js';

/** Metadata that tells whose write an object is. */
const WRITE_ID = 'spanvault-write';

/** What the store says of an object without its body. */
export interface S3Head {
  readonly bytes: number;
  readonly writeId: string | undefined;
}

/** Requests to one bucket: each is counted, its failure told as a SpanvaultError, expired credentials renewed. */
export class S3Bucket {
  readonly name: string;
  readonly policy: S3ObjectPolicy;
  readonly #connection: S3Connection;
  readonly #count: (kind: string) => void;

  constructor(name: string, policy: S3ObjectPolicy, connection: S3Connection, count: (kind: string) => void) {
    this.name = name;
    this.policy = policy;
    this.#connection = connection;
    this.#count = count;
  }

  /** Makes one request; `kind` is the store's name for it. */
  async request<T>(
    kind: string,
    what: string,
    signal: AbortSignal | undefined,
    send: (session: S3Session) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    let session: S3Session | undefined;
    try {
      session = await this.#connection.session();
      this.#count(kind);
      return await send(session);
    } catch (error) {
      const fault = s3Fault(error, what, signal);
      if (session === undefined || fault.details.expired !== true) throw fault;
      throw (await this.#renewed(session, what)) ?? fault;
    }
  }

  /** Makes one request that carries an object's bytes; an answer that is no success is thrown, but for a range that is not there. */
  async exchange(kind: string, what: string, call: S3Call): Promise<HttpAnswer> {
    return await this.request(kind, what, call.signal, async (session) => {
      const route = await session.route(this.name);
      if (route === undefined) return await s3LibraryExchange(session, this.name, call);
      const answer = await s3Exchange(session, route, call);
      const { status, headers } = answer;
      if ((status >= 200 && status <= 299) || status === RANGE_NOT_THERE) return answer;
      const elsewhere =
        status === 301 || status === 307 || (status === 400 && headers['x-amz-bucket-region'] !== undefined);
      if (!elsewhere) throw remoteFault(s3AnswerFailure(answer), what);
      session.leaveToLibrary(this.name);
      this.#count(kind);
      return await s3LibraryExchange(session, this.name, call);
    });
  }

  /** The fault of a call that is to be made again with new credentials; undefined when there are none. */
  async #renewed(session: S3Session, what: string): Promise<SpanvaultError | undefined> {
    try {
      if (!(await this.#connection.renew(session))) return undefined;
    } catch (error) {
      return s3Fault(error, what);
    }
    return remoteFault({ kind: 'transient', reason: 'the credentials had expired' }, what);
  }

  /** @throws SpanvaultError SV_STORAGE_NOT_FOUND */
  async head(key: string, what: string, signal?: AbortSignal): Promise<S3Head> {
    const answer = await this.request('HeadObject', what, signal, ({ sdk, client }) =>
      client.send(new sdk.HeadObjectCommand({ Bucket: this.name, Key: key }), optionsOf(signal)),
    );
    return { bytes: answer.ContentLength ?? 0, writeId: answer.Metadata?.[WRITE_ID] };
  }

  /** True when the object that exists is what this write made: an answer that was lost may have said so. */
  async isOurs(
    key: string,
    bytes: number,
    writeId: string | undefined,
    what: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return await isOurs({ bytes, writeId }, () => this.head(key, what, signal));
  }

  /** Writes an object in one request. @throws SpanvaultError SV_STORAGE_EXISTS with ifAbsent */
  async put(key: string, bytes: Uint8Array, what: string, options: S3WriteOptions): Promise<void> {
    const { ifAbsent, signal, writeId } = options;
    const write = async (): Promise<void> => {
      await this.request('PutObject', what, signal, ({ sdk, client }) =>
        client.send(
          new sdk.PutObjectCommand({
            Bucket: this.name,
            Key: key,
            Body: bytes,
            ...this.checksumFields(this.crcOf(bytes)),
            ...this.keptAs(writeId),
            ...(ifAbsent === true ? { IfNoneMatch: '*' } : {}),
          }),
          optionsOf(signal),
        ),
      );
    };
    await unlessOurs({ bytes: bytes.length, writeId }, write, () => this.head(key, what, signal));
  }

  /** The CRC-32C of a body; 0 for stores that know none. */
  crcOf(bytes: Uint8Array): number {
    return this.policy.skipChecksum ? 0 : native.crc32c(bytes, 0);
  }

  /** The checksum fields of a body with this CRC-32C. */
  checksumFields(crc: number): { readonly ChecksumAlgorithm?: 'CRC32C'; readonly ChecksumCRC32C?: string } {
    return this.policy.skipChecksum ? {} : { ChecksumAlgorithm: 'CRC32C', ChecksumCRC32C: crcText(crc) };
  }

  /** The same as headers. */
  checksumHeaders(crc: number): Record<string, string> {
    return this.policy.skipChecksum
      ? {}
      : { 'x-amz-sdk-checksum-algorithm': 'CRC32C', 'x-amz-checksum-crc32c': crcText(crc) };
  }

  /** How a new object is kept: storage class, encryption, whose it is. */
  keptAs(writeId: string | undefined) {
    const { storageClass, encryption } = this.policy;
    return {
      ...(writeId === undefined ? {} : { Metadata: { [WRITE_ID]: writeId } }),
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
      ...(encryption === undefined ? {} : { ServerSideEncryption: encryption.mode }),
      ...(encryption?.kmsKeyId === undefined ? {} : { SSEKMSKeyId: encryption.kmsKeyId }),
    };
  }
}

/** What of WriteOptions a request needs. */
export interface S3WriteOptions {
  readonly ifAbsent?: boolean;
  readonly writeId?: string;
  readonly signal?: AbortSignal;
}
