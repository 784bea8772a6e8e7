import { hasCode, SpanvaultError } from '../fault/index.js';
import { native } from '../native/index.js';
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
import { crcText } from './crc32c.js';
import { type GsCall, type GsClient, gsClient, parseJson } from './gs_client.js';
import { parseGsAccount } from './gs_credentials.js';
import { createGsObject, putGsObject } from './gs_writer.js';
import type { HttpAnswer } from './http_exchange.js';
import { readRange } from './http_range.js';
import { type ListedPage, listPages, storeDelimiter } from './listed.js';
import { checkName } from './names.js';
import { PageMarkers } from './page_markers.js';
import { remoteFault } from './remote_faults.js';
import type { StorageUri } from './uri.js';
import { printUri } from './uri.js';

/** Names fetched per request: the most that the store gives. */
const LIST_PAGE = 1000;

/** Objects in a bucket of Google Cloud Storage: `gs://<bucket>/<path>?AUTH=…&CREDENTIALS=…&ASSUME_ROLE=…`. */
export class GsStorage implements ExternalStorage {
  readonly display: string;
  readonly remote = true;
  readonly #client: GsClient;
  readonly #count: (kind: string) => void;
  readonly #bucket: string;
  /** Path of the location as the beginning of every object's name in the bucket. */
  readonly #under: string;

  /**
   * @param count counts a request that goes out, by the name of its method in the JSON API
   * @throws SpanvaultError SV_URI for a URI without a bucket or with wrong credentials
   */
  constructor(uri: StorageUri, count: (kind: string) => void = () => {}) {
    this.display = printUri({ ...uri, parameters: [] });
    if (uri.host === '')
      throw new SpanvaultError('SV_URI', `storage URI ${JSON.stringify(this.display)} names no bucket`);
    this.#client = gsClient(parseGsAccount(uri));
    this.#count = count;
    this.#bucket = encodeURIComponent(uri.host);
    this.#under = uri.path === '' ? '' : `${uri.path.slice(1)}/`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    const path = this.#object(name);
    const what = `reading ${this.display}/${name}`;
    const { into, signal } = options;
    const { bytes, totalBytes, answer } = await readRange(
      {
        get: (headers, keep) =>
          this.#request('objects.get', what, `${path}?alt=media`, {
            headers,
            keep,
            signal,
            expected: [416],
            ...(into === undefined ? {} : { into }),
          }),
        size: () => this.size(name, signal === undefined ? {} : { signal }),
      },
      what,
      options,
    );
    if (answer?.status === 200 && bytes.length === totalBytes) checkCrc(answer, bytes, what);
    return { bytes, totalBytes };
  }

  async size(name: string, { signal }: CallOptions = {}): Promise<number> {
    const what = `reading ${this.display}/${name}`;
    const answer = await this.#request('objects.get', what, `${this.#object(name)}?fields=size`, { signal });
    const bytes = Number(parseJson(answer.body, what).size);
    if (Number.isSafeInteger(bytes)) return bytes;
    throw remoteFault({ kind: 'transient', reason: 'the answer holds no size' }, what);
  }

  async write(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkName(name);
    await putGsObject(this.#target(name), bytes, options);
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name);
    return createGsObject(this.#target(name), options);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    return listPages(this.#pages(prefix, options), this.#under, prefix, options.delimiter);
  }

  async *#pages(prefix: string, options: ListOptions): AsyncIterable<ListedPage> {
    const what = `listing ${this.display}/${prefix}`;
    const delimiter = storeDelimiter(options.delimiter);
    const query = new URLSearchParams({
      prefix: this.#under + prefix,
      maxResults: String(LIST_PAGE),
      fields: 'items(name,size,updated),prefixes,nextPageToken',
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(options.after === undefined ? {} : { startOffset: this.#under + options.after }),
    });
    const markers = new PageMarkers(what);
    for (;;) {
      const path = `/storage/v1/b/${this.#bucket}/o?${query}`;
      const answer = await this.#request('objects.list', what, path, { signal: options.signal });
      const page = parseJson(answer.body, what) as {
        readonly items?: readonly { readonly name: string; readonly size: string; readonly updated?: string }[];
        readonly prefixes?: readonly string[];
        readonly nextPageToken?: string;
      };
      yield {
        objects: (page.items ?? []).map(({ name, size, updated }) => ({
          name,
          bytes: Number(size),
          ...(updated === undefined ? {} : { modified: new Date(updated) }),
        })),
        cutNames: page.prefixes ?? [],
      };
      const token = markers.next(page.nextPageToken);
      if (token === undefined) return;
      query.set('pageToken', token);
    }
  }

  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    const path = this.#object(name);
    try {
      this.#count('objects.delete');
      await this.#client.request(`deleting ${this.display}/${name}`, 'DELETE', path, { signal });
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
    }
  }

  async close(): Promise<void> {}

  #request(kind: string, what: string, path: string, call: GsCall): Promise<HttpAnswer> {
    this.#count(kind);
    return this.#client.request(what, 'GET', path, call);
  }

  #object(name: string): string {
    checkName(name);
    return `/storage/v1/b/${this.#bucket}/o/${encodeURIComponent(this.#under + name)}`;
  }

  #target(name: string) {
    return {
      client: this.#client,
      count: this.#count,
      bucket: this.#bucket,
      object: this.#under + name,
      what: `writing ${this.display}/${name}`,
    };
  }
}

/** Compares a whole object with the CRC-32C that the store tells of it. */
function checkCrc(answer: HttpAnswer, bytes: Uint8Array, what: string): void {
  const told = [answer.headers['x-goog-hash'] ?? []].flat().join(',');
  const expected = /crc32c=([A-Za-z0-9+/]{6}==)/.exec(told)?.[1];
  if (expected === undefined) return;
  const actual = crcText(native.crc32c(bytes, 0));
  if (actual !== expected)
    throw remoteFault({ kind: 'transient', reason: `CRC-32C is ${actual}, the store says ${expected}` }, what);
}
