import type { PlacementReport } from '../backup/index.js';
import type { SinkReport } from '../cluster/contract.js';
import type { Timestamp } from '../keys/index.js';
import type { BackupTree } from '../verify/index.js';
import type { Column, Row } from './result.js';
import type { SchemaStatement, UpsertStatement } from './schema_statement.js';
import type {
  BackupSource,
  ColumnValue,
  DropBehaviour,
  InsertStatement,
  Layer,
  Literal,
  Name,
  StatementTargets,
  ZoneChange,
  ZoneTarget,
} from './statement.js';

/*
 * Exactly what the statements call. The embedded cluster with the backup and restore rooms is the one Engine of this
 * project (embedded_engine.ts); tests give their own. Every method fails with a SpanvaultError.
 */

/** How far an operation is. Counts are of this run; `total*` 0 = not known yet. */
export interface Progress {
  /** Between 0 and 1. */
  readonly fraction: number;
  /** Key and value bytes done. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** What is being done, one or two words: `exporting`, `restoring data`. */
  readonly phase: string;
}

/** What every long call takes. */
export interface Control {
  /** Id that the operation's job is known by; names the lock of a backup. */
  readonly jobId: bigint;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** What was written or read, as BACKUP and RESTORE report it. */
export interface WorkCounts {
  readonly rows: number;
  readonly indexEntries: number;
  /** Key and value bytes. */
  readonly bytes: number;
}

export interface BackupRequest {
  readonly targets: StatementTargets;
  readonly currentDatabase: string;
  /** With their COCKROACH_LOCALITY parameters. */
  readonly uris: readonly string[];
  /** The chain that an incremental is added to; undefined for a full backup. */
  readonly appendTo: Exclude<Layer, { readonly kind: 'blank' }> | undefined;
  /** Where the incrementals of the chain lie when not in the collection. */
  readonly incrementalUris: readonly string[] | undefined;
  readonly revisionHistory: boolean;
  readonly asOf: Timestamp;
}

export interface BackupOutcome extends WorkCounts {
  /** Directory of the full: `/2023/02/23-150925.62` */
  readonly subdir: string;
  /** Directory of the layer; a full's is its subdir. */
  readonly directory: string;
  readonly placement: PlacementReport;
}

export interface RestoreRequest {
  readonly targets: StatementTargets;
  readonly currentDatabase: string;
  readonly from: Layer | { readonly kind: 'directory' };
  readonly uris: readonly string[];
  /** The old form's further layers, each by its own locations. */
  readonly incrementals?: readonly (readonly string[])[] | undefined;
  /** Where the incrementals lie when not in the collection. */
  readonly incrementalUris?: readonly string[] | undefined;
  /** Undefined: the end of the newest layer. */
  readonly asOf: Timestamp | undefined;
  readonly options: {
    readonly intoDb?: string;
    readonly newDbName?: string;
    readonly skipMissingForeignKeys?: boolean;
    readonly skipMissingSequences?: boolean;
    readonly skipMissingSequenceOwners?: boolean;
    readonly skipMissingViews?: boolean;
    readonly skipLocalitiesCheck?: boolean;
    readonly schemaOnly?: boolean;
  };
}

export interface RestoreOutcome extends WorkCounts {
  readonly warnings: readonly string[];
  readonly sink: SinkReport;
}

/** What SHOW BACKUP is asked for. */
export interface ShowRequest extends BackupSource {
  /** Where the incrementals lie when not in the collection. */
  readonly incrementalUris?: readonly string[] | undefined;
  readonly schemas: boolean;
  readonly checkFiles: boolean;
  readonly privileges: boolean;
}

/** What SHOW BACKUP found. */
export interface Shown<T> {
  readonly found: readonly T[];
  readonly notices: readonly string[];
}

/** One object of a backup as SHOW BACKUP prints it; fields that were not asked for may be absent. */
export interface ShownObject {
  readonly databaseName: string | null;
  readonly parentSchemaName: string | null;
  readonly objectName: string;
  readonly objectType: string;
  readonly backupType: 'full' | 'incremental';
  /** Null for a full backup. */
  readonly startTime: Timestamp | null;
  readonly endTime: Timestamp;
  /** Key and value bytes; null for what has no rows. */
  readonly sizeBytes: number | null;
  readonly rows: number | null;
  readonly isFullCluster: boolean;
  readonly regions: string | null;
  readonly databaseId: number | null;
  readonly parentSchemaId: number | null;
  readonly objectId: number;
  readonly createStatement?: string | null;
  readonly fileBytes?: number | null;
  readonly privileges?: string | null;
  readonly owner?: string | null;
}

/** A zone configuration with the statement that would make it. */
export interface ShownZone {
  /** `TABLE movr.public.rides` */
  readonly target: string;
  readonly rawConfigSql: string | null;
}

export interface ShownTable {
  readonly schema: string;
  readonly name: string;
  readonly type: string;
  readonly owner: string;
}

export interface ShownRange {
  /** As SQL prints a key: `/"amsterdam"`; null for the table's edge. */
  readonly startKey: string | null;
  readonly endKey: string | null;
  readonly rangeId: number;
  readonly bytes: number;
  readonly leaseholder: number;
  readonly leaseholderLocality: string;
  readonly replicas: readonly number[];
  readonly replicaLocalities: readonly string[];
}

/** A table as a statement names it. */
export interface TableRef {
  readonly name: Name;
  readonly currentDatabase: string;
}

export interface SelectRequest {
  readonly asOf: Timestamp | undefined;
  readonly where: readonly ColumnValue[];
  readonly limit: number | undefined;
}

/** Rows to insert: constants, or what a SELECT * gives. */
export type InsertSource =
  | { readonly kind: 'values'; readonly tuples: readonly (readonly Literal[])[] }
  | { readonly kind: 'select'; readonly table: TableRef; readonly request: SelectRequest };

/** An external connection. */
export interface ShownConnection {
  readonly name: string;
  /** Secrets redacted. */
  readonly uri: string;
}

/** What CHECK EXTERNAL CONNECTION transfers. */
export interface CheckConnectionRequest {
  readonly uri: string;
  /** Bytes written and read again by each of the concurrent transfers. */
  readonly transferBytes: number;
  /** Transfers again and again for so long; undefined: once. */
  readonly milliseconds: number | undefined;
  readonly concurrently: number;
}

/** How one node reaches a location. */
export interface CheckedConnection {
  readonly node: number;
  readonly locality: string;
  readonly error: string | undefined;
  /** Bytes written, and read again. */
  readonly transferred: number;
  /** Bytes per second; undefined when the transfer did not get so far. */
  readonly readSpeed: number | undefined;
  readonly writeSpeed: number | undefined;
  readonly canDelete: boolean;
}

export interface Engine {
  /** Newer than everything that was written before. */
  now(): Timestamp;
  /** `region=us-east,az=a`; empty for a node without locality. @throws SV_UNDEFINED */
  nodeLocality(nodeId: number): string;

  /** Checks the locations of a BACKUP by their texts alone. @throws what `backup` throws for them */
  checkLocations(locations: Pick<BackupRequest, 'uris' | 'appendTo' | 'incrementalUris'>): void;
  backup(request: BackupRequest, control: Control): Promise<BackupOutcome>;
  restore(request: RestoreRequest, control: Control): Promise<RestoreOutcome>;
  /** Subdirectories of full backups, oldest first. */
  listBackups(uris: readonly string[]): Promise<readonly string[]>;
  /** What each location holds, for a list in which no backup is found. */
  whyNoBackups(uris: readonly string[]): Promise<readonly string[]>;
  /** Objects of every layer, and what was left out and why. */
  showBackup(request: ShowRequest): Promise<Shown<ShownObject>>;
  /** The chain as one looks at it: layers, and what of them lies in which bucket. */
  backupTree(request: ShowRequest): Promise<BackupTree>;
  /** The manifest of each layer as JSON text. */
  showManifests(request: ShowRequest): Promise<Shown<string>>;

  /** By name. */
  connections(): Promise<readonly ShownConnection[]>;
  /** Tries the location before it is kept. False when the name existed and `ifNotExists`. */
  createConnection(name: string, uri: string, ifNotExists: boolean): Promise<boolean>;
  /** False when there is no such name and `ifExists`. */
  alterConnection(name: string, uri: string, ifExists: boolean): Promise<boolean>;
  dropConnection(name: string): Promise<void>;
  /** One answer for each live node. */
  checkConnection(request: CheckConnectionRequest, signal: AbortSignal): Promise<readonly CheckedConnection[]>;

  zones(): Promise<readonly ShownZone[]>;
  /** The configuration that holds for the target, its own or inherited; one for each index of a partition of `@*`. */
  zone(target: ZoneTarget, currentDatabase: string): Promise<readonly ShownZone[]>;
  /** Number of configurations changed, and what the user should know of their effect. */
  configureZone(
    target: ZoneTarget,
    currentDatabase: string,
    change: ZoneChange,
  ): Promise<{ readonly changed: number; readonly notices: readonly string[] }>;

  databases(): Promise<readonly { readonly name: string; readonly owner: string }[]>;
  /** @throws SV_UNDEFINED */
  tables(database: string, schema: string | undefined): Promise<readonly ShownTable[]>;
  createStatement(table: TableRef): Promise<{ readonly name: string; readonly text: string }>;
  ranges(table: TableRef, index: string | undefined): Promise<readonly ShownRange[]>;
  /** Null: an index without entries. Base-10 text of a signed 64-bit number. */
  fingerprints(table: TableRef): Promise<readonly { readonly index: string; readonly fingerprint: string | null }[]>;

  /** False when it existed and `ifNotExists`. */
  createDatabase(name: string, ifNotExists: boolean): Promise<boolean>;
  dropDatabase(name: string, ifExists: boolean, behaviour: DropBehaviour): Promise<void>;
  dropTables(tables: readonly TableRef[], ifExists: boolean, behaviour: DropBehaviour): Promise<void>;

  /**
   * Changes the schema and returns what the user should know. @throws SV_EXISTS, SV_UNDEFINED, SV_CONSTRAINT, SV_USAGE,
   * SV_NOT_SUPPORTED
   */
  changeSchema(statement: SchemaStatement, currentDatabase: string): Promise<readonly string[]>;

  select(
    table: TableRef,
    request: SelectRequest,
  ): Promise<{ readonly columns: readonly Column[]; readonly rows: readonly Row[] | AsyncIterable<Row> }>;
  /** Each returns the number of rows. */
  insert(table: TableRef, columns: InsertStatement['columns'], source: InsertSource): Promise<number>;
  upsert(table: TableRef, columns: UpsertStatement['columns'], tuples: UpsertStatement['tuples']): Promise<number>;
  update(table: TableRef, set: readonly ColumnValue[], where: readonly ColumnValue[]): Promise<number>;
  remove(table: TableRef, where: readonly ColumnValue[]): Promise<number>;

  close(): Promise<void>;
}
