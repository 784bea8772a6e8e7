import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildDatabase, Catalog, systemDescriptors } from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { fromHex, type Locality } from '../../keys/index.js';
import { UserfileRecords } from '../../storage/index.js';
import { CatalogStore, DEFAULT_DATABASES } from './catalog_store.js';
import { EmbeddedCluster } from './cluster.js';
import { collectGarbage } from './collect.js';
import { ClusterCore } from './core.js';
import { putDescriptor } from './descriptor_rows.js';
import { HybridClock } from './hlc.js';
import { rollbackAll } from './journal.js';
import { lockDirectory } from './lock.js';
import { type ClusterNode, NodeRegistry, nodeRecord } from './nodes.js';
import { packPairs } from './packed_batch.js';
import { forgetRunning } from './protected.js';
import { firstRange, RangeRegistry } from './ranges.js';
import { DEFAULT_MAP_BYTES, EmbeddedStore } from './store.js';
import { systemEntries } from './system_rows.js';
import { ZoneStore } from './zone_store.js';

const CLUSTER_KEY = 'cluster';
const FORMAT = 1;

interface ClusterRecord {
  readonly format: number;
  /** Hexadecimal, 16 bytes. */
  readonly clusterId: string;
  /** Wall nanoseconds; absent in clusters that are older than this field. */
  readonly createdAt?: string;
}

/** Opening collects garbage, but not for long, and not all the time: a command line opens a cluster for every command. */
const GARBAGE_AT_OPEN = { budgetMs: 100, atLeast: 0.1 };

export interface InitOptions {
  /** One locality per node; node ids count from 1. */
  readonly nodes: readonly Locality[];
  readonly mapBytes?: number;
}

export interface OpenOptions {
  /** No lock and no writes; other processes may write meanwhile. */
  readonly readOnly?: boolean;
  readonly mapBytes?: number;
}

/** Directory of the store below a cluster's directory. */
function dataDirectory(directory: string): string {
  return join(directory, 'data');
}

/** @throws SpanvaultError SV_STORAGE_DENIED or SV_STORAGE_IO where the file system refuses */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    const denied = ['EACCES', 'EPERM', 'EROFS'].includes(code);
    throw new SpanvaultError(
      denied ? 'SV_STORAGE_DENIED' : 'SV_STORAGE_IO',
      `the directory ${path} cannot be made: ${code}`,
      { cause, details: { directory: path } },
    );
  }
}

/**
 * Makes a cluster in `directory`: `data/` holds the store, `extern/<node id>/` what nodelocal:// shows.
 * @throws SpanvaultError SV_EXISTS, SV_USAGE, SV_LOCALITY, SV_STORAGE_DENIED, SV_STORAGE_IO
 */
export async function initCluster(directory: string, options: InitOptions): Promise<void> {
  const root = resolve(directory);
  if (options.nodes.length === 0) throw new SpanvaultError('SV_USAGE', 'a cluster needs at least one node');
  makeDirectory(dataDirectory(root));
  const release = lockDirectory(root);
  try {
    const store = new EmbeddedStore(dataDirectory(root), {
      mapBytes: options.mapBytes ?? DEFAULT_MAP_BYTES,
      readOnly: false,
    });
    try {
      if (store.metaGet(CLUSTER_KEY) !== undefined) {
        throw new SpanvaultError('SV_EXISTS', `a cluster exists already in ${directory}`, { details: { directory } });
      }
      await writeNewCluster(store, options.nodes);
    } finally {
      store.close();
    }
    for (const nodeId of options.nodes.keys()) makeDirectory(join(root, 'extern', String(nodeId + 1)));
  } finally {
    release();
  }
}

/** Everything of a new cluster in one transaction: it is there, or it is not. */
async function writeNewCluster(store: EmbeddedStore, localities: readonly Locality[]): Promise<void> {
  const clock = await HybridClock.open(store);
  const time = clock.now();
  const system = systemDescriptors(time);
  const databases = DEFAULT_DATABASES.map(({ name, id }) => buildDatabase(name, id, time));
  const pairs = [...[...system, ...databases].flatMap(putDescriptor), ...systemEntries(Catalog.decode(system), time)];
  const record: ClusterRecord = {
    format: FORMAT,
    clusterId: randomBytes(16).toString('hex'),
    createdAt: time.wall.toString(),
  };
  const nodes = localities.map((locality, index): ClusterNode => ({ nodeId: index + 1, locality, status: 'live' }));
  const tiers = new Set(localities.filter((one) => one.length > 0).map((one) => one.map(({ key }) => key).join(',')));
  if (tiers.size > 1) {
    throw new SpanvaultError('SV_LOCALITY', `nodes have different locality tiers: ${[...tiers].join(' and ')}`, {
      hint: 'give every node the same locality keys in the same order',
    });
  }
  store.commit({
    batch: packPairs(pairs, time).batch(),
    meta: [{ key: CLUSTER_KEY, value: record }, ...nodes.map(nodeRecord), ...firstRange()],
  });
  clock.close();
}

/**
 * Opens a cluster. A writing opener is alone, takes over after a killed one, and erases what that left unfinished.
 * @throws SpanvaultError SV_UNDEFINED when there is none, SV_EXISTS when another process writes, SV_CORRUPT_STORE
 */
export async function openCluster(directory: string, options: OpenOptions = {}): Promise<EmbeddedCluster> {
  const root = resolve(directory);
  if (!existsSync(join(dataDirectory(root), 'data.mdb'))) {
    throw new SpanvaultError('SV_UNDEFINED', `there is no cluster in ${directory}`, {
      details: { directory },
      hint: 'make one with: spanvault cluster init',
    });
  }
  const readOnly = options.readOnly === true;
  const release = readOnly ? () => undefined : lockDirectory(root);
  try {
    const store = new EmbeddedStore(dataDirectory(root), { mapBytes: options.mapBytes ?? DEFAULT_MAP_BYTES, readOnly });
    try {
      return await openStore(root, store, release);
    } catch (error) {
      store.close();
      throw error;
    }
  } catch (error) {
    release();
    throw error;
  }
}

async function openStore(root: string, store: EmbeddedStore, release: () => void): Promise<EmbeddedCluster> {
  const record = store.metaGet<ClusterRecord>(CLUSTER_KEY);
  if (record === undefined)
    throw new SpanvaultError('SV_UNDEFINED', `there is no cluster in ${root}: its init did not finish`);
  if (record.format !== FORMAT) {
    throw new SpanvaultError(
      'SV_UNSUPPORTED_FORMAT',
      `cluster ${root} has format ${record.format}, this version reads ${FORMAT}`,
    );
  }
  const catalog = new CatalogStore(store);
  const core = new ClusterCore({
    store,
    clock: await HybridClock.open(store),
    nodes: new NodeRegistry(store),
    ranges: new RangeRegistry(store),
    catalog,
    zones: new ZoneStore(store, catalog),
  });
  const recovered = store.readOnly ? [] : rollbackAll(core);
  if (!store.readOnly) {
    store.beginChanges(core.now());
    forgetRunning(core);
    new UserfileRecords({ directory: store.directory, mapBytes: store.mapBytes, readOnly: false }).abandonAll();
    await collectGarbage(core, { ...GARBAGE_AT_OPEN, since: BigInt(record.createdAt ?? '0') });
    core.reconcile({ balance: true });
  }
  return new EmbeddedCluster(root, fromHex(record.clusterId), core, recovered, release);
}
