import { SpanvaultError } from '../fault/index.js';
import type { CallOptions, ExternalStorage, ListedObject, ObjectWriter, ReadOptions, ReadResult } from './contract.js';
import { declaredLength, exchange, type HttpAnswer, type HttpCall } from './http_exchange.js';
import { readRange } from './http_range.js';
import { unlistable } from './listed.js';
import { checkName } from './names.js';
import {
  connectionFailure,
  kindOfStatus,
  type RemoteFailure,
  remoteFault,
  retryAfter,
  thrownFault,
} from './remote_faults.js';
import { printUri, type StorageUri } from './uri.js';

/** Redirects that one request follows. */
const MAX_REDIRECTS = 5;

/**
 * Files below a URL, for reading by name: whatever serves files over HTTP will do, best one that knows ranges. There is no
 * listing and no writing. The URL's own query and user:password go with every request and are never shown.
 */
export class HttpStorage implements ExternalStorage {
  readonly display: string;
  readonly remote = true;
  readonly #base: string;
  readonly #query: string;
  readonly #authorization: string | undefined;

  readonly #count: (kind: string) => void;

  /**
   * @param count counts a request that goes out, by its method
   * @throws SpanvaultError SV_URI without a host
   */
  constructor(uri: StorageUri, count: (kind: string) => void = () => {}) {
    this.#count = count;
    const at = uri.host.lastIndexOf('@');
    const host = uri.host.slice(at + 1);
    this.#base = printUri({ ...uri, host, parameters: [] });
    this.display = this.#base;
    if (host === '') throw new SpanvaultError('SV_URI', `storage URI ${JSON.stringify(this.display)} names no host`);
    this.#query = printUri({ ...uri, host, path: '' }).slice(`${uri.scheme}://${host}`.length);
    this.#authorization = at < 0 ? undefined : `Basic ${Buffer.from(uri.host.slice(0, at), 'utf8').toString('base64')}`;
  }

  async read(name: string, options: ReadOptions = {}): Promise<ReadResult> {
    checkName(name);
    const what = `reading ${this.display}/${name}`;
    const { bytes, totalBytes } = await readRange(
      {
        get: (headers, keep) =>
          this.#request('GET', name, { headers, keep, into: options.into, signal: options.signal }),
        size: () => this.size(name, options),
      },
      what,
      options,
    );
    return { bytes, totalBytes };
  }

  async size(name: string, { signal }: CallOptions = {}): Promise<number> {
    checkName(name);
    const { headers } = await this.#request('HEAD', name, { signal });
    const bytes = declaredLength(headers);
    if (bytes !== undefined) return bytes;
    throw remoteFault(
      { kind: 'permanent', reason: 'the server does not tell the size' },
      `reading ${this.display}/${name}`,
    );
  }

  async write(name: string): Promise<void> {
    checkName(name);
    throw this.#readOnly(`writing ${this.display}/${name}`);
  }

  async create(name: string): Promise<ObjectWriter> {
    checkName(name);
    throw this.#readOnly(`writing ${this.display}/${name}`);
  }

  // biome-ignore lint/correctness/useYield: there is nothing to list
  async *list(prefix: string): AsyncIterable<ListedObject> {
    throw unlistable(`listing ${this.display}/${prefix}`);
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    throw this.#readOnly(`deleting ${this.display}/${name}`);
  }

  async close(): Promise<void> {}

  get #scheme(): string {
    return this.#base.slice(0, this.#base.indexOf(':'));
  }

  #readOnly(what: string): SpanvaultError {
    return new SpanvaultError('SV_NOT_SUPPORTED', `${what} failed: ${this.#scheme} storage is for reading`, {
      hint: 'write the backup to another kind of storage and serve a copy of it',
    });
  }

  async #request(
    method: string,
    name: string,
    call: { readonly headers?: Readonly<Record<string, string>> } & {
      readonly keep?: HttpCall['keep'];
      readonly into?: Uint8Array | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<HttpAnswer> {
    const what = `reading ${this.display}/${name}`;
    const { keep, into, signal } = call;
    const first = new URL(`${this.#base}/${name.split('/').map(encodeURIComponent).join('/')}${this.#query}`);
    let url = first;
    try {
      for (let redirects = 0; ; redirects++) {
        // A password goes to the server that it was given for and to no other.
        const authorization = url.origin === first.origin ? this.#authorization : undefined;
        this.#count(method);
        const answer = await exchange({
          method,
          url,
          // A compressed answer would have other bytes and another size than the object.
          headers: {
            ...call.headers,
            'accept-encoding': 'identity',
            ...(authorization === undefined ? {} : { authorization }),
          },
          ...(keep === undefined ? {} : { keep }),
          ...(into === undefined ? {} : { into }),
          ...(signal === undefined ? {} : { signal }),
        });
        const { status, headers } = answer;
        if (status === 200 || status === 206 || status === 416) return answer;
        if (status < 300 || status > 399 || headers.location === undefined)
          throw remoteFault(answerFailure(answer), what);
        const next = new URL(headers.location, url);
        // File servers send the name of a directory on to its index page.
        if (next.pathname === `${url.pathname}/`) throw remoteFault({ kind: 'missing', reason: 'a directory' }, what);
        if (redirects === MAX_REDIRECTS || !/^https?:$/.test(next.protocol))
          throw remoteFault({ kind: 'permanent', reason: `${status} after ${redirects} redirects`, status }, what);
        url = next;
      }
    } catch (error) {
      throw thrownFault(error, what, signal, connectionFailure);
    }
  }
}

function answerFailure({ status, headers }: HttpAnswer): RemoteFailure {
  const wait = retryAfter(headers['retry-after']);
  return {
    kind: kindOfStatus(status),
    reason: `the server answered ${status}`,
    status,
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  };
}
