import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  Catalog,
  type Database,
  type Table,
  type TableSpec,
  type ZoneChange,
  type ZoneTarget,
  type ZoneText,
  buildDatabase,
  buildTables,
  configureZone,
  decodeDescriptor,
  findTable,
  parseNamePattern,
  showZone,
  showZones,
  systemDescriptors,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { type Locality, type Span, type Timestamp, fromHex, toHex } from '../../keys/index.js';
import type { RangeInfo } from '../contract.js';
import { type CatalogChange, CatalogStore, DEFAULT_DATABASES, type DropBehaviour } from './catalog_store.js';
import { ClusterCore } from './core.js';
import { putDescriptor } from './descriptor_rows.js';
import { collectGarbage, garbageRecords } from './garbage.js';
import { HybridClock } from './hlc.js';
import { rollbackAll } from './journal.js';
import { lockDirectory } from './lock.js';
import { type ClusterNode, NodeRegistry, type NodeStatus, nodeRecord } from './nodes.js';
import { packPairs } from './packed_batch.js';
import type { RebalanceReport } from './placement.js';
import { RangeRegistry, firstRange } from './ranges.js';
import { EmbeddedSink } from './sink.js';
import { EmbeddedSource, forgetProtected, rangeInfos } from './source.js';
import { DEFAULT_MAP_BYTES, EmbeddedStore } from './store.js';
import { systemEntries } from './system_rows.js';
import { TableAccess } from './table_access.js';
import { ZoneStore, zonesTable } from './zone_store.js';

const CLUSTER_KEY = 'cluster';
const FORMAT = 1;

interface ClusterRecord {
  readonly format: number;
  /** Hexadecimal, 16 bytes. */
  readonly clusterId: string;
}

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

/**
 * Makes a cluster in `directory`: `data/` holds the store, `extern/<node id>/` what nodelocal:// shows.
 * @throws SpanvaultError SV_EXISTS, SV_USAGE, SV_LOCALITY
 */
export async function initCluster(directory: string, options: InitOptions): Promise<void> {
  const root = resolve(directory);
  if (options.nodes.length === 0) throw new SpanvaultError('SV_USAGE', 'a cluster needs at least one node');
  mkdirSync(dataDirectory(root), { recursive: true });
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
    for (const nodeId of options.nodes.keys()) mkdirSync(join(root, 'extern', String(nodeId + 1)), { recursive: true });
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
  const record: ClusterRecord = { format: FORMAT, clusterId: randomBytes(16).toString('hex') };
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
    forgetProtected(core);
    collectGarbage(core);
    core.reconcile({ balance: true });
  }
  return new EmbeddedCluster(root, fromHex(record.clusterId), core, recovered, release);
}

/** An open cluster: nodes, ranges, catalog, zone configurations and rows; a source and a sink of backups. */
export class EmbeddedCluster {
  readonly directory: string;
  readonly clusterId: Uint8Array;
  /** What an earlier process had left unfinished and this opener erased, for messages. */
  readonly recovered: readonly string[];
  readonly rows: TableAccess;
  /** For the rooms inside of the cluster; callers have no use for it. */
  readonly core: ClusterCore;
  readonly #release: () => void;
  #open = true;

  constructor(
    directory: string,
    clusterId: Uint8Array,
    core: ClusterCore,
    recovered: readonly string[],
    release: () => void,
  ) {
    this.directory = directory;
    this.clusterId = clusterId;
    this.core = core;
    this.recovered = recovered;
    this.#release = release;
    this.rows = new TableAccess({
      store: core.store,
      now: () => core.now(),
      catalogAt: (asOf) => core.catalog.at(asOf),
      write: (table, fill) => this.#writeRows(table, fill),
    });
  }

  /** Directory that holds one directory per node, for nodelocal:// (StorageSettings.externalIODir). */
  get externalIODir(): string {
    return join(this.directory, 'extern');
  }

  /** The node that plans and that nodelocal://self means: the live one with the least id. */
  get coordinator(): number {
    return this.core.nodes.live()[0]?.nodeId ?? 1;
  }

  now(): Timestamp {
    return this.core.now();
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.core.clock.close();
    } finally {
      this.core.store.close();
      this.#release();
    }
  }

  source(): EmbeddedSource {
    return new EmbeddedSource(this.core, this.clusterId, this.coordinator);
  }

  sink(): EmbeddedSink {
    return new EmbeddedSink(this.core, this.coordinator);
  }

  nodes(): ClusterNode[] {
    return this.core.nodes.all();
  }

  /** A node joins: zone configurations that wait for its locality take effect and ranges move to it. */
  async addNode(locality: Locality): Promise<RebalanceReport & { readonly nodeId: number }> {
    const { node, meta } = this.core.nodes.add(locality);
    mkdirSync(join(this.externalIODir, String(node.nodeId)), { recursive: true });
    this.core.write(undefined, { meta: [meta] });
    return { nodeId: node.nodeId, ...this.core.reconcile({ balance: true }) };
  }

  /** Marks a node dead, decommissioned or live again; its ranges move. @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT */
  async setNodeStatus(nodeId: number, status: NodeStatus): Promise<RebalanceReport> {
    this.core.write(undefined, { meta: [this.core.nodes.withStatus(nodeId, status).meta] });
    return this.core.reconcile({ balance: true });
  }

  /** Places every range anew, evening out the nodes. */
  async rebalance(): Promise<RebalanceReport> {
    await this.core.splitGrown();
    return this.core.reconcile({ balance: true });
  }

  /** Ranges that overlap `spans`, or all of them. */
  ranges(spans?: readonly Span[]): RangeInfo[] {
    return rangeInfos(this.core, spans ?? [{ key: new Uint8Array(0), endKey: Uint8Array.of(0xff, 0xff) }]);
  }

  /** Splits the range that holds `key` there; false when one begins there already. */
  async splitAt(key: Uint8Array): Promise<boolean> {
    return this.core.splitAt(key);
  }

  /** The catalog now or as it was. */
  catalog(asOf?: Timestamp): Catalog {
    return asOf === undefined ? this.core.catalog.current() : this.core.catalog.at(asOf);
  }

  /** A table by `t`, `db.t` or `db.schema.t`. @throws SpanvaultError SV_UNDEFINED `relation "t" does not exist` */
  table(name: string | readonly string[], currentDatabase = 'defaultdb', asOf?: Timestamp): Table {
    const parts = typeof name === 'string' ? parseNamePattern(name).parts : name;
    const table = findTable(this.catalog(asOf), parts, currentDatabase);
    if (table === undefined || table.state !== 'public') {
      throw new SpanvaultError('SV_UNDEFINED', `relation ${JSON.stringify(parts.join('.'))} does not exist`);
    }
    return table;
  }

  /** @throws SpanvaultError SV_EXISTS `database "x" already exists` */
  async createDatabase(name: string): Promise<Database> {
    const catalog = this.catalog();
    if (catalog.database(name) !== undefined)
      throw new SpanvaultError('SV_EXISTS', `database ${JSON.stringify(name)} already exists`);
    const id = this.core.catalog.nextId();
    const time = this.now();
    this.#applyCatalog(this.core.catalog.change([buildDatabase(name, id, time)], [], time), time);
    return this.catalog().requireDatabase(name);
  }

  /** Creates tables that may refer to each other. @throws SpanvaultError SV_EXISTS `relation "t" already exists` */
  async createTables(database: string, specs: readonly TableSpec[]): Promise<Table[]> {
    const catalog = this.catalog();
    const parent = catalog.requireDatabase(database);
    const time = this.now();
    const built = buildTables(specs, this.core.catalog.nextId(), { databaseId: parent.id, time });
    const tables = built.map(decodeDescriptor).filter((one): one is Table => one.kind === 'table');
    for (const table of tables) {
      if (catalog.object(parent.id, table.parentSchemaId, table.name) !== undefined) {
        throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(table.name)} already exists`);
      }
    }
    this.#applyCatalog(this.core.catalog.change(built, [], time), time);
    return tables.map(({ id }) => this.catalog().tableById(id)!);
  }

  /** @throws SpanvaultError SV_CONSTRAINT when others depend on a table and `behaviour` is not 'cascade' */
  async dropTables(tables: readonly Table[], behaviour: DropBehaviour = null): Promise<void> {
    const time = this.now();
    this.#applyCatalog(this.core.catalog.dropTables(tables, behaviour, time), time);
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT under 'restrict' when the database is not empty */
  async dropDatabase(name: string, behaviour: DropBehaviour = null): Promise<void> {
    const time = this.now();
    const database = this.catalog().requireDatabase(name);
    this.#applyCatalog(this.core.catalog.dropDatabase(database, behaviour, time), time);
  }

  /** SHOW ZONE CONFIGURATIONS. */
  zones(): ZoneText[] {
    return showZones(this.catalog(), this.core.zones.current());
  }

  /** SHOW ZONE CONFIGURATION FROM …: what applies to the target, complete. @throws SpanvaultError SV_UNDEFINED */
  zone(target: ZoneTarget, currentDatabase = 'defaultdb'): ZoneText[] {
    return showZone(this.catalog(), this.core.zones.current(), this.#known(target, currentDatabase), currentDatabase);
  }

  /**
   * ALTER … CONFIGURE ZONE; ranges move at once. Returns the number of rows of system.zones that changed.
   * @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT, SV_USAGE with CockroachDB's texts
   */
  async configureZone(
    target: ZoneTarget,
    change: ZoneChange,
    currentDatabase = 'defaultdb',
  ): Promise<RebalanceReport & { readonly changed: number }> {
    const context = { currentDatabase, nodes: this.core.nodes.live() };
    const known = this.#known(target, currentDatabase);
    const { zones, changedIds } = configureZone(this.catalog(), this.core.zones.current(), known, change, context);
    const { pairs, meta } = this.core.zones.change(zones, changedIds);
    this.core.write(packPairs(pairs, this.now()), { meta });
    return { changed: changedIds.length, ...this.core.reconcile({ balance: true }) };
  }

  /** Lets `t_pkey`, the name that primary indexes have since 22.1, stand for `primary`. */
  #known(target: ZoneTarget, currentDatabase: string): ZoneTarget {
    if ((target.kind !== 'index' && target.kind !== 'partition') || target.index === undefined) return target;
    const { message, name } = this.table(target.table, currentDatabase);
    const exists = message.indexes.some((index) => index.name === target.index);
    const alias = target.index === `${name}_pkey` && !exists && message.primaryIndex?.name === 'primary';
    return alias ? { ...target, index: 'primary' } : target;
  }

  #applyCatalog(change: CatalogChange, time: Timestamp): void {
    const garbage = garbageRecords(change.dropped, this.core, time);
    this.core.write(packPairs(change.pairs, time), { meta: [...change.meta, ...garbage] });
    this.core.reconcile({ balance: true });
  }

  #writeRows(table: Table, fill: Parameters<ConstructorParameters<typeof TableAccess>[0]['write']>[1]): void {
    const batch = this.core.newBatch();
    fill(batch);
    const isZones = table.id === zonesTable(this.catalog()).id;
    this.core.write(batch, { meta: isZones ? [this.core.zones.bump()] : [] });
    if (isZones) this.core.reconcile({ balance: true });
  }
}

/** Hexadecimal form of a cluster id. */
export function printClusterId(clusterId: Uint8Array): string {
  return toHex(clusterId).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
