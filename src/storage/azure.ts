import { createHash } from 'node:crypto';
import type { BlobDownloadResponseParsed, BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { hasCode, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { type AzureAccount, openAzureContainer, parseAzureAccount } from './azure_account.js';
import { azureFailure, azureFault } from './azure_faults.js';
import { type AzureTarget, createAzureBlob, putAzureBlob } from './azure_writer.js';
import { SharedClients } from './clients.js';
import type {
  CallOptions,
  ExternalStorage,
  ListedObject,
  ListOptions,
  ObjectWriter,
  ReadOptions,
  ReadResult,
  WriteOptions,
} from './contract.js';
import { type ListedPage, listPages, storeDelimiter } from './listed.js';
import { checkName, clipRange } from './names.js';
import { PageMarkers } from './page_markers.js';
import { remoteFault } from './remote_faults.js';
import { printUri, type StorageUri } from './uri.js';

/** Names fetched per request: the most that the store gives. */
const LIST_PAGE = 5000;

const containers = new SharedClients<Promise<ContainerClient>>();

/** What is used of a page of either kind of listing. */
interface AzurePage {
  readonly continuationToken?: string | undefined;
  readonly segment: {
    readonly blobItems: readonly {
      readonly name: string;
      readonly properties: { readonly contentLength?: number | undefined; readonly lastModified: Date };
    }[];
    readonly blobPrefixes?: readonly { readonly name: string }[] | undefined;
  };
}

/** Block blobs in a container of Azure Blob Storage: `azure-blob://<container>/<path>?AZURE_ACCOUNT_NAME=…`. */
export class AzureStorage implements ExternalStorage {
  readonly display: string;
  readonly remote = true;
  readonly #account: AzureAccount;
  readonly #containerName: string;
  /** Path of the location as the beginning of every blob's name in the container. */
  readonly #under: string;

  readonly #count: (kind: string) => void;

  /**
   * @param count counts a request that goes out, by Azure's name for it
   * @throws SpanvaultError SV_URI for a URI without a container or with wrong credentials
   */
  constructor(uri: StorageUri, count: (kind: string) => void = () => {}) {
    this.#count = count;
    this.display = printUri({ ...uri, parameters: [] });
    if (uri.host === '')
      throw new SpanvaultError('SV_URI', `storage URI ${JSON.stringify(this.display)} names no container`);
    this.#account = parseAzureAccount(uri);
    this.#containerName = uri.host;
    this.#under = uri.path === '' ? '' : `${uri.path.slice(1)}/`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    const { offset = 0, length, signal } = options;
    throwIfAborted(signal);
    const blob = await this.#blob(name);
    const what = `reading ${this.display}/${name}`;
    clipRange(0, offset, length);
    // The store knows no ranges from the end, and none of no bytes.
    const known = offset < 0 || length === 0 ? await this.size(name, options) : undefined;
    const asked = known === undefined ? { start: offset, length } : clipRange(known, offset, length);
    if (asked.length === 0) return { bytes: new Uint8Array(0), totalBytes: known! };
    try {
      const whole = asked.start === 0 && asked.length === undefined;
      this.#count('GetBlob');
      const answer = await blob.download(asked.start, asked.length, {
        maxRetryRequests: 0,
        ...(signal === undefined ? {} : { abortSignal: signal }),
      });
      const bytes = await collect(answer);
      const totalBytes = totalOf(answer);
      const wanted = clipRange(totalBytes, asked.start, asked.length);
      if (bytes.length !== wanted.length)
        throw remoteFault(
          { kind: 'transient', reason: `${wanted.length} bytes were asked for and ${bytes.length} came` },
          what,
        );
      if (whole) checkMd5(answer, bytes, what);
      return { bytes, totalBytes };
    } catch (error) {
      // No byte of the blob lies in the range: 416.
      if (azureFailure(error)?.status === 416)
        return { bytes: new Uint8Array(0), totalBytes: await this.size(name, options) };
      throw azureFault(error, what, signal);
    }
  }

  async size(name: string, { signal }: CallOptions = {}): Promise<number> {
    const blob = await this.#blob(name);
    try {
      this.#count('GetBlobProperties');
      return (await blob.getProperties(signal === undefined ? {} : { abortSignal: signal })).contentLength ?? 0;
    } catch (error) {
      throw azureFault(error, `reading ${this.display}/${name}`, signal);
    }
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    await putAzureBlob(await this.#target(name), bytes, options);
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    return createAzureBlob(await this.#target(name), options);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    return listPages(this.#pages(prefix, options), this.#under, prefix, options.delimiter);
  }

  async *#pages(prefix: string, options: ListOptions): AsyncIterable<ListedPage> {
    const { signal } = options;
    const what = `listing ${this.display}/${prefix}`;
    throwIfAborted(signal);
    const container = await this.#open(what);
    const delimiter = storeDelimiter(options.delimiter);
    const query = { prefix: this.#under + prefix, ...(signal === undefined ? {} : { abortSignal: signal }) };
    const size = { maxPageSize: LIST_PAGE };
    const pages: AsyncIterable<AzurePage> =
      delimiter === undefined
        ? container.listBlobsFlat(query).byPage(size)
        : container.listBlobsByHierarchy(delimiter, query).byPage(size);
    const markers = new PageMarkers(what);
    try {
      this.#count('ListBlobs');
      for await (const { segment, continuationToken } of pages) {
        yield {
          objects: segment.blobItems.map(({ name, properties }) => ({
            name,
            bytes: properties.contentLength,
            modified: properties.lastModified,
          })),
          cutNames: (segment.blobPrefixes ?? []).map(({ name }) => name),
        };
        if (markers.next(continuationToken) !== undefined) this.#count('ListBlobs');
      }
    } catch (error) {
      throw azureFault(error, what, signal);
    }
  }

  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    const blob = await this.#blob(name);
    try {
      this.#count('DeleteBlob');
      await blob.delete(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      const fault = azureFault(error, `deleting ${this.display}/${name}`, signal);
      if (!hasCode(fault, 'SV_STORAGE_NOT_FOUND')) throw fault;
    }
  }

  async close(): Promise<void> {}

  async #blob(name: string): Promise<BlockBlobClient> {
    checkName(name);
    return (await this.#open(`opening ${this.display}`)).getBlockBlobClient(this.#under + name);
  }

  async #target(name: string): Promise<AzureTarget> {
    return { blob: await this.#blob(name), count: this.#count, what: `writing ${this.display}/${name}` };
  }

  async #open(what: string): Promise<ContainerClient> {
    const key = [this.#account, this.#containerName];
    const opening = containers.get(key, () => openAzureContainer(this.#account, this.#containerName));
    try {
      return await opening;
    } catch (error) {
      // The next call tries anew.
      containers.drop(key);
      throw azureFault(error, what);
    }
  }
}

/** The body of an answer in one allocation. */
async function collect(answer: BlobDownloadResponseParsed): Promise<Uint8Array> {
  const bytes = new Uint8Array(answer.contentLength ?? 0);
  let at = 0;
  for await (const chunk of (answer.readableStreamBody ?? []) as AsyncIterable<Buffer>) {
    if (at + chunk.length > bytes.length) return bytes.subarray(0, -1);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.subarray(0, at);
}

function totalOf(answer: BlobDownloadResponseParsed): number {
  const total = /\/(\d{1,15})$/.exec(answer.contentRange ?? '')?.[1];
  return total === undefined ? (answer.contentLength ?? 0) : Number(total);
}

/** Compares a whole blob with the MD5 that the store keeps of it; blobs written in blocks have none. */
function checkMd5(answer: BlobDownloadResponseParsed, bytes: Uint8Array, what: string): void {
  if (answer.contentMD5 === undefined) return;
  const md5 = createHash('md5').update(bytes).digest();
  if (!md5.equals(Buffer.from(answer.contentMD5)))
    throw remoteFault({ kind: 'transient', reason: `MD5 of the ${bytes.length} bytes differs from the store's` }, what);
}
