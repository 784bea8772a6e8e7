import type { EmbeddedCluster } from '../cluster/index.js';
import { SpanvaultError } from '../fault/index.js';
import { printLocality } from '../keys/index.js';
import { markLocation, transfer } from '../probe/index.js';
import { checkConnectionUri, redactUri, resolveUri, type StorageSettings } from '../storage/index.js';
import type { CheckConnectionRequest, CheckedConnection, ShownConnection } from './engine.js';

/** External connections of the embedded cluster. */
export class EmbeddedConnections {
  readonly #cluster: EmbeddedCluster;
  readonly #storage: () => StorageSettings;

  constructor(cluster: EmbeddedCluster, storage: () => StorageSettings) {
    this.#cluster = cluster;
    this.#storage = storage;
  }

  shown(): readonly ShownConnection[] {
    return Object.entries(this.#cluster.connections.all()).map(([name, uri]) => ({ name, uri: redactUri(uri) }));
  }

  async create(name: string, uri: string, ifNotExists: boolean): Promise<boolean> {
    const { connections } = this.#cluster;
    if (ifNotExists && connections.has(name)) return false;
    connections.assertFree(name);
    await this.#try(uri);
    connections.create(name, uri);
    return true;
  }

  async alter(name: string, uri: string, ifExists: boolean): Promise<boolean> {
    const { connections } = this.#cluster;
    if (ifExists && !connections.has(name)) return false;
    if (connections.has(name)) await this.#try(uri);
    connections.alter(name, uri);
    return true;
  }

  /** Each live node transfers by itself, one after the other, so that they do not share the line. */
  async check(request: CheckConnectionRequest, signal: AbortSignal): Promise<readonly CheckedConnection[]> {
    const settings = this.#storage();
    const uri = resolveUri(request.uri, settings);
    const { transferBytes: bytes, milliseconds, concurrently } = request;
    const checked: CheckedConnection[] = [];
    for (const { nodeId, locality, status } of this.#cluster.nodes()) {
      if (status !== 'live') continue;
      const config = { uri, settings: { ...settings, selfNode: nodeId } };
      const result = await transfer(config, { bytes, concurrently, milliseconds, signal });
      checked.push({ node: nodeId, locality: printLocality(locality), ...result });
    }
    return checked;
  }

  async #try(uri: string): Promise<void> {
    const config = { uri: checkConnectionUri(uri), settings: this.#storage() };
    try {
      await markLocation(config);
    } catch (error) {
      if (!(error instanceof SpanvaultError)) throw error;
      const { code, retry, details, hint, message } = error;
      throw new SpanvaultError(code, `failed to construct External Connection details: ${message}`, {
        cause: error,
        retry,
        details,
        ...(hint === undefined ? {} : { hint }),
      });
    }
  }
}
