import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Catalog,
  configureZone,
  type Database,
  findTable,
  PUBLIC_SCHEMA_ID,
  parseNamePattern,
  showZone,
  showZones,
  type Table,
  type TableSpec,
  type ZoneChange,
  type ZoneTarget,
  type ZoneText,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { type Locality, type Span, type Timestamp, toHex } from '../../keys/index.js';
import type { StorageSettings } from '../../storage/index.js';
import type { RangeInfo } from '../contract.js';
import { CatalogChanges } from './catalog_changes.js';
import type { DropBehaviour } from './catalog_store.js';
import { collectGarbage, type GarbageReport } from './collect.js';
import { ConnectionStore } from './connections.js';
import type { ClusterCore } from './core.js';
import type { ClusterNode, NodeStatus } from './nodes.js';
import { packPairs } from './packed_batch.js';
import type { RebalanceReport } from './placement.js';
import { type ProtectedTimestamp, protectedTimestamps, protectTimestamp, releaseTimestamp } from './protected.js';
import { SchemaChanges } from './schema_changes.js';
import { EmbeddedSink } from './sink.js';
import { EmbeddedSource, rangeInfos } from './source.js';
import { TableAccess } from './table_access.js';
import { zonesTable } from './zone_store.js';

/** An open cluster: nodes, ranges, catalog, zone configurations and rows; a source and a sink of backups. */
export class EmbeddedCluster {
  readonly directory: string;
  readonly clusterId: Uint8Array;
  /** What an earlier process had left unfinished and this opener erased, for messages. */
  readonly recovered: readonly string[];
  readonly rows: TableAccess;
  /** Statements that change databases, tables, columns and indexes. */
  readonly schema: SchemaChanges;
  /** What external://name stands for. */
  readonly connections: ConnectionStore;
  /** For the rooms inside of the cluster; callers have no use for it. */
  readonly core: ClusterCore;
  readonly #changes: CatalogChanges;
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
    this.#changes = new CatalogChanges(core);
    this.schema = new SchemaChanges(core, this.#changes);
    this.connections = new ConnectionStore(core.store);
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

  /** What locations of this cluster need: pass it as `storage` to backup, restore and the rest. May hold secrets. */
  storage(): StorageSettings {
    const { directory, mapBytes, readOnly } = this.core.store;
    return {
      externalIODir: this.externalIODir,
      selfNode: this.coordinator,
      connections: this.connections.all(),
      userfile: { directory, mapBytes, readOnly },
    };
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
    await this.schema.createDatabase(name);
    return this.catalog().requireDatabase(name);
  }

  /** Creates tables that may refer to each other. @throws SpanvaultError SV_EXISTS `relation "t" already exists` */
  async createTables(database: string, specs: readonly TableSpec[], schemaId = PUBLIC_SCHEMA_ID): Promise<Table[]> {
    const ids = await this.schema.createTables(this.catalog().requireDatabase(database), schemaId, specs);
    return ids.flatMap((id) => this.catalog().tableById(id) ?? []);
  }

  /** @throws SpanvaultError SV_CONSTRAINT when others depend on a table and `behaviour` is not 'cascade' */
  dropTables(tables: readonly Table[], behaviour: DropBehaviour = null): Promise<void> {
    return this.schema.dropTables(tables, behaviour);
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT under 'restrict' when the database is not empty */
  dropDatabase(name: string, behaviour: DropBehaviour = null): Promise<void> {
    return this.schema.dropDatabase(name, behaviour);
  }

  /** Collects versions that no read within gc.ttlseconds, or at a protected time, can see; in steps that let others work. */
  async collectGarbage(): Promise<GarbageReport> {
    return collectGarbage(this.core);
  }

  /**
   * Keeps a time readable over restarts, and incremental backups from it possible, until it is released.
   * @throws SpanvaultError SV_COVERAGE `protected ts verification error …` when garbage collection was faster
   */
  protectTimestamp(protection: Omit<ProtectedTimestamp, 'id'>): ProtectedTimestamp {
    return protectTimestamp(this.core, protection);
  }

  /** @throws SpanvaultError SV_UNDEFINED */
  releaseTimestamp(id: string): void {
    releaseTimestamp(this.core, id);
  }

  /** Times that are protected, oldest first; those of running operations are not among them. */
  protectedTimestamps(): ProtectedTimestamp[] {
    return protectedTimestamps(this.core);
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

  #writeRows(table: Table, fill: Parameters<ConstructorParameters<typeof TableAccess>[0]['write']>[1]): void {
    this.#changes.assertIdle(table);
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
