import { SpanvaultError } from '../../fault/index.js';
import { checkConnectionUri, noConnection } from '../../storage/index.js';
import type { EmbeddedStore } from './store.js';

const PREFIX = 'connection/';

/**
 * External connections of a cluster. CockroachDB keeps them in system.external_connections, which came with 22.2; the system
 * tables here are those of 21.1 (catalog/system_table_specs.ts), so they are metadata records of the store, and a backup of the
 * cluster does not hold them. A record holds the URI with its secrets, as CockroachDB's does.
 */
export class ConnectionStore {
  readonly #store: EmbeddedStore;

  constructor(store: EmbeddedStore) {
    this.#store = store;
  }

  /** URI by name, in the order of names. May hold secrets. */
  all(): Readonly<Record<string, string>> {
    const entries = this.#store.metaList<string>(PREFIX).map(({ key, value }) => [key.slice(PREFIX.length), value]);
    return Object.fromEntries(entries) as Record<string, string>;
  }

  has(name: string): boolean {
    return this.#store.metaGet<string>(PREFIX + name) !== undefined;
  }

  /** @throws SpanvaultError SV_EXISTS, SV_USAGE for an empty name, SV_URI for what a connection cannot stand for */
  create(name: string, uri: string): void {
    if (name === '') throw new SpanvaultError('SV_USAGE', 'an external connection needs a name');
    this.assertFree(name);
    this.#put(name, checkConnectionUri(uri));
  }

  /** @throws SpanvaultError SV_EXISTS in CockroachDB's words */
  assertFree(name: string): void {
    if (!this.has(name)) return;
    throw new SpanvaultError('SV_EXISTS', `external connection with connection name ${name} already exists`, {
      details: { connection: name },
    });
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_URI */
  alter(name: string, uri: string): void {
    this.#assertKnown(name);
    this.#put(name, checkConnectionUri(uri));
  }

  /** @throws SpanvaultError SV_UNDEFINED */
  drop(name: string): void {
    this.#assertKnown(name);
    this.#put(name, undefined);
  }

  #assertKnown(name: string): void {
    if (!this.has(name)) throw noConnection(name);
  }

  #put(name: string, value: string | undefined): void {
    this.#store.commit({ meta: [{ key: PREFIX + name, value }] });
  }
}
