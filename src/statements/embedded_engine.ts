import { parseLocations } from '../backup/index.js';
import {
  type Catalog,
  type ZoneChange as CatalogZoneChange,
  type ZoneTarget as CatalogZoneTarget,
  createStatement,
  isSequence,
  isView,
  type Table,
  type ZoneSetting,
} from '../catalog/index.js';
import { type EmbeddedCluster, type OpenOptions, openCluster } from '../cluster/index.js';
import { hasCode, SpanvaultError } from '../fault/index.js';
import { printLocality, type Timestamp } from '../keys/index.js';
import type { StorageSettings } from '../storage/index.js';
import type { BackupTree } from '../verify/index.js';
import { type BackupSettings, EmbeddedBackups, locationOptions } from './embedded_backups.js';
import { EmbeddedConnections } from './embedded_connections.js';
import { EmbeddedRows } from './embedded_rows.js';
import { EmbeddedSchema } from './embedded_schema.js';
import type {
  BackupOutcome,
  BackupRequest,
  CheckConnectionRequest,
  CheckedConnection,
  Control,
  Engine,
  InsertSource,
  RestoreOutcome,
  RestoreRequest,
  SelectRequest,
  Shown,
  ShownConnection,
  ShownObject,
  ShownRange,
  ShownTable,
  ShownZone,
  ShowRequest,
  TableRef,
} from './engine.js';
import { ownerOf } from './grants.js';
import type { SchemaStatement, UpsertStatement } from './schema_statement.js';
import { shownRanges } from './shown_range.js';
import type { ColumnValue, DropBehaviour, InsertStatement, ZoneChange, ZoneTarget } from './statement.js';
import { printName } from './words.js';

/** How an engine on an embedded cluster is opened. */
export interface EngineOptions extends Omit<BackupSettings, 'storage'> {
  /** Directory behind nodelocal://; default: `extern` in the cluster's directory. */
  readonly externalIODir?: string;
  /** Node that the session is connected to, and that nodelocal://self means; default 1. */
  readonly node?: number;
  /** How calls of stores are repeated, limited, signed and traced. */
  readonly calls?: Pick<StorageSettings, 'retry' | 'limits' | 'trace' | 'unsignedPayload'>;
  readonly open?: OpenOptions;
}

/** Opens the cluster in a directory for statements; closing the engine closes it. */
export async function openEngine(directory: string, options: EngineOptions = {}): Promise<Engine> {
  const cluster = await openCluster(directory, options.open ?? {});
  return new EmbeddedEngine(cluster, options);
}

/** Statements on the embedded cluster: names become objects, results become text. The work is done by the rooms below. */
class EmbeddedEngine implements Engine {
  readonly #cluster: EmbeddedCluster;
  readonly #backups: EmbeddedBackups;
  readonly #rows: EmbeddedRows;
  readonly #schema: EmbeddedSchema;
  readonly #connections: EmbeddedConnections;
  readonly #storage: () => StorageSettings;

  constructor(cluster: EmbeddedCluster, { externalIODir, node = 1, calls, open: _open, ...settings }: EngineOptions) {
    this.#cluster = cluster;
    this.#storage = () => ({
      ...cluster.storage(),
      selfNode: node,
      ...calls,
      ...(externalIODir === undefined ? {} : { externalIODir }),
    });
    this.#backups = new EmbeddedBackups(cluster, { ...settings, storage: this.#storage });
    this.#connections = new EmbeddedConnections(cluster, this.#storage);
    this.#rows = new EmbeddedRows(cluster, node);
    this.#schema = new EmbeddedSchema(cluster);
  }

  now(): Timestamp {
    return this.#cluster.now();
  }

  nodeLocality(nodeId: number): string {
    const node = this.#cluster.nodes().find((one) => one.nodeId === nodeId);
    if (node === undefined) throw new SpanvaultError('SV_UNDEFINED', `node ${nodeId} does not exist`);
    return printLocality(node.locality);
  }

  checkLocations(locations: Parameters<Engine['checkLocations']>[0]): void {
    parseLocations({ ...locationOptions(locations), storage: this.#storage() });
  }

  backup(request: BackupRequest, control: Control): Promise<BackupOutcome> {
    return this.#backups.backup(request, control);
  }

  restore(request: RestoreRequest, control: Control): Promise<RestoreOutcome> {
    return this.#backups.restore(request, control);
  }

  listBackups(uris: readonly string[]): Promise<readonly string[]> {
    return this.#backups.listBackups(uris);
  }

  whyNoBackups(uris: readonly string[]): Promise<readonly string[]> {
    return this.#backups.whyNoBackups(uris);
  }

  showBackup(request: ShowRequest): Promise<Shown<ShownObject>> {
    return this.#backups.showBackup(request);
  }

  backupTree(request: ShowRequest): Promise<BackupTree> {
    return this.#backups.backupTree(request);
  }

  showManifests(request: ShowRequest): Promise<Shown<string>> {
    return this.#backups.showManifests(request);
  }

  async connections(): Promise<readonly ShownConnection[]> {
    return this.#connections.shown();
  }

  createConnection(name: string, uri: string, ifNotExists: boolean): Promise<boolean> {
    return this.#connections.create(name, uri, ifNotExists);
  }

  alterConnection(name: string, uri: string, ifExists: boolean): Promise<boolean> {
    return this.#connections.alter(name, uri, ifExists);
  }

  async dropConnection(name: string): Promise<void> {
    this.#cluster.connections.drop(name);
  }

  checkConnection(request: CheckConnectionRequest, signal: AbortSignal): Promise<readonly CheckedConnection[]> {
    return this.#connections.check(request, signal);
  }

  async zones(): Promise<readonly ShownZone[]> {
    return this.#cluster.zones();
  }

  async zone(target: ZoneTarget, currentDatabase: string): Promise<readonly ShownZone[]> {
    return this.#cluster.zone(zoneTarget(target), currentDatabase);
  }

  async configureZone(
    target: ZoneTarget,
    currentDatabase: string,
    change: ZoneChange,
  ): ReturnType<Engine['configureZone']> {
    const report = await this.#cluster.configureZone(zoneTarget(target), zoneChange(change), currentDatabase);
    return { changed: report.changed, notices: report.warnings };
  }

  async databases(): Promise<readonly { readonly name: string; readonly owner: string }[]> {
    const databases = this.#cluster.catalog().databases();
    return databases
      .map((database) => ({ name: database.name, owner: ownerOf(database) ?? 'node' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async tables(databaseName: string, schema: string | undefined): Promise<readonly ShownTable[]> {
    const catalog = this.#cluster.catalog();
    const database = catalog.requireDatabase(databaseName);
    if (schema !== undefined && catalog.schema(database.id, schema) === undefined) {
      throw new SpanvaultError('SV_UNDEFINED', `unknown schema ${JSON.stringify(schema)}`);
    }
    return catalog
      .tables(database.id)
      .map((table) => shownTable(catalog, table))
      .filter((table) => schema === undefined || table.schema === schema)
      .sort((a, b) => (`${a.schema}\0${a.name}` < `${b.schema}\0${b.name}` ? -1 : 1));
  }

  async createStatement(ref: TableRef): Promise<{ readonly name: string; readonly text: string }> {
    const table = this.#table(ref);
    const text = createStatement(this.#cluster.catalog(), table, {
      qualified: true,
      zones: this.#cluster.core.zones.current(),
    });
    return { name: printName(ref.name), text };
  }

  async ranges(ref: TableRef, index: string | undefined): Promise<readonly ShownRange[]> {
    return shownRanges(this.#cluster, this.#table(ref), index);
  }

  async fingerprints(ref: TableRef): ReturnType<Engine['fingerprints']> {
    return this.#cluster.rows.fingerprints(this.#table(ref));
  }

  async createDatabase(name: string, ifNotExists: boolean): Promise<boolean> {
    try {
      await this.#cluster.createDatabase(name);
      return true;
    } catch (error) {
      if (ifNotExists && hasCode(error, 'SV_EXISTS')) return false;
      throw error;
    }
  }

  async dropDatabase(name: string, ifExists: boolean, behaviour: DropBehaviour): Promise<void> {
    if (ifExists && this.#cluster.catalog().database(name) === undefined) return;
    await this.#cluster.dropDatabase(name, behaviour);
  }

  async dropTables(refs: readonly TableRef[], ifExists: boolean, behaviour: DropBehaviour): Promise<void> {
    const tables = refs.flatMap((ref) => {
      try {
        return [this.#table(ref)];
      } catch (error) {
        if (ifExists && hasCode(error, 'SV_UNDEFINED')) return [];
        throw error;
      }
    });
    if (tables.length > 0) await this.#cluster.dropTables(tables, behaviour);
  }

  changeSchema(statement: SchemaStatement, currentDatabase: string): Promise<readonly string[]> {
    return this.#schema.change(statement, currentDatabase);
  }

  async select(ref: TableRef, request: SelectRequest): ReturnType<Engine['select']> {
    return this.#rows.select(ref, request);
  }

  insert(ref: TableRef, columns: InsertStatement['columns'], source: InsertSource): Promise<number> {
    return this.#rows.insert(ref, columns, source);
  }

  upsert(ref: TableRef, columns: UpsertStatement['columns'], tuples: UpsertStatement['tuples']): Promise<number> {
    return this.#rows.upsert(ref, columns, tuples);
  }

  update(ref: TableRef, set: readonly ColumnValue[], where: readonly ColumnValue[]): Promise<number> {
    return this.#rows.update(ref, set, where);
  }

  remove(ref: TableRef, where: readonly ColumnValue[]): Promise<number> {
    return this.#rows.remove(ref, where);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  #table({ name, currentDatabase }: TableRef): Table {
    return this.#cluster.table(name, currentDatabase);
  }
}

function shownTable(catalog: Catalog, table: Table): ShownTable {
  const type = isView(table) ? 'view' : isSequence(table) ? 'sequence' : 'table';
  return { schema: catalog.schemaName(table), name: table.name, type, owner: ownerOf(table) ?? 'root' };
}

/** The catalog names tables by text. */
function zoneTarget(target: ZoneTarget): CatalogZoneTarget {
  if (target.kind === 'range' || target.kind === 'database') return target;
  const table = printName(target.table);
  if (target.kind === 'partition')
    return { kind: 'partition', partition: target.partition, table, index: target.index ?? undefined };
  return target.kind === 'index' ? { kind: 'index', table, index: target.index } : { kind: 'table', table };
}

function zoneChange(change: ZoneChange): CatalogZoneChange {
  if (change.kind !== 'set') return change;
  return { kind: 'set', settings: change.settings.map(zoneSetting) };
}

function zoneSetting({ name, value }: Extract<ZoneChange, { kind: 'set' }>['settings'][number]): ZoneSetting {
  switch (value.kind) {
    case 'copyFromParent':
      return { name, copyFromParent: true };
    case 'number':
      return { name, value: /^-?\d+$/.test(value.text) ? BigInt(value.text) : Number(value.text) };
    case 'string':
    case 'bool':
      return { name, value: value.value };
    default:
      throw new SpanvaultError('SV_USAGE', `zone variable ${name} takes a number, a string or a boolean`);
  }
}
