import type { AsOf } from './as_of.js';
import type { BackupOptions, CheckConnectionOptions, RestoreOptions, ShowBackupOptions } from './options.js';
import type { SchemaStatement, UpsertStatement } from './schema_statement.js';

/** A dotted name, outermost first: `['movr', 'public', 'rides']`. */
export type Name = readonly string[];

/** A constant as written. `number` keeps its text, so that decimals lose nothing. */
export type Literal =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  /** `b'…'` or `x'…'`; lower-case hexadecimal. */
  | { readonly kind: 'bytes'; readonly hex: string };

/** What BACKUP or RESTORE is of. A pattern's last part may be `*`. */
export type StatementTargets =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'databases'; readonly names: readonly string[] }
  | { readonly kind: 'tables'; readonly patterns: readonly Name[] };

/** Which layer of a collection. `blank` is the documentation's `{subdirectory}`, copied without filling it in. */
export type Layer =
  | { readonly kind: 'latest' }
  | { readonly kind: 'subdir'; readonly subdir: string }
  | { readonly kind: 'blank'; readonly name: string };

/** Where RESTORE and SHOW BACKUP read: a layer of a collection, or a directory that is a backup itself (the form before collections). */
export interface BackupSource {
  readonly from: Layer | { readonly kind: 'directory' };
  readonly uris: readonly string[];
  /** The old form's further locations, each an incremental. */
  readonly incrementals?: readonly (readonly string[])[] | undefined;
}

export interface BackupStatement {
  readonly kind: 'backup';
  readonly targets: StatementTargets;
  readonly destination: Layer | { readonly kind: 'new' };
  readonly uris: readonly string[];
  readonly asOf: AsOf | null;
  readonly options: BackupOptions;
}

export interface RestoreStatement extends BackupSource {
  readonly kind: 'restore';
  readonly targets: StatementTargets;
  readonly asOf: AsOf | null;
  readonly options: RestoreOptions;
}

export interface ShowBackupStatement extends BackupSource {
  readonly kind: 'showBackup';
  readonly schemas: boolean;
  readonly options: ShowBackupOptions;
}

export interface ShowBackupsStatement {
  readonly kind: 'showBackups';
  readonly uris: readonly string[];
}

/** What a zone configuration applies to. */
export type ZoneTarget =
  | { readonly kind: 'range'; readonly name: string }
  | { readonly kind: 'database'; readonly name: string }
  | { readonly kind: 'table'; readonly table: Name }
  | { readonly kind: 'index'; readonly table: Name; readonly index: string }
  /** `index` is null for `OF TABLE`, `*` for every index. */
  | { readonly kind: 'partition'; readonly partition: string; readonly table: Name; readonly index: string | null };

export interface ZoneSetting {
  /** `gc.ttlseconds`, `constraints` … */
  readonly name: string;
  readonly value: Literal | { readonly kind: 'copyFromParent' };
}

export type ZoneChange =
  | { readonly kind: 'discard' }
  | { readonly kind: 'default' }
  | { readonly kind: 'set'; readonly settings: readonly ZoneSetting[] };

/** `column = value`, in WHERE and SET. */
export interface ColumnValue {
  readonly column: string;
  readonly value: Literal;
}

export interface SelectStatement {
  readonly kind: 'select';
  readonly table: Name;
  readonly asOf: AsOf | null;
  /** All must hold. */
  readonly where: readonly ColumnValue[];
  readonly limit: number | null;
}

export interface InsertStatement {
  readonly kind: 'insert';
  readonly table: Name;
  /** Null: every visible column, in order. */
  readonly columns: readonly string[] | null;
  readonly rows: { readonly kind: 'values'; readonly tuples: readonly (readonly Literal[])[] } | SelectStatement;
}

export interface UpdateStatement {
  readonly kind: 'update';
  readonly table: Name;
  readonly set: readonly ColumnValue[];
  /** All must hold; empty: every row. */
  readonly where: readonly ColumnValue[];
}

export interface DeleteStatement {
  readonly kind: 'delete';
  readonly table: Name;
  readonly where: readonly ColumnValue[];
}

/** Statements on external connections. */
export type ConnectionStatement =
  | {
      readonly kind: 'createConnection';
      readonly name: string;
      readonly uri: string;
      readonly ifNotExists: boolean;
    }
  | { readonly kind: 'alterConnection'; readonly name: string; readonly uri: string; readonly ifExists: boolean }
  | { readonly kind: 'dropConnection'; readonly name: string }
  /** Null: all of them. `create`: as the statements that would make them. */
  | { readonly kind: 'showConnections'; readonly name: string | null; readonly create: boolean }
  | { readonly kind: 'checkConnection'; readonly uri: string; readonly options: CheckConnectionOptions };

export type DropBehaviour = 'cascade' | 'restrict' | null;

/** Every statement the grammar knows. */
export type Statement =
  | BackupStatement
  | RestoreStatement
  | ShowBackupsStatement
  | ShowBackupStatement
  | ConnectionStatement
  | { readonly kind: 'showLocality' }
  | { readonly kind: 'showZones' }
  | { readonly kind: 'showZone'; readonly target: ZoneTarget }
  | { readonly kind: 'showFingerprints'; readonly table: Name }
  | { readonly kind: 'showDatabases' }
  | { readonly kind: 'showTables'; readonly from: Name | null }
  | { readonly kind: 'showCreate'; readonly table: Name }
  | { readonly kind: 'showRanges'; readonly table: Name; readonly index: string | null }
  | { readonly kind: 'configureZone'; readonly target: ZoneTarget; readonly change: ZoneChange }
  | { readonly kind: 'createDatabase'; readonly name: string; readonly ifNotExists: boolean }
  | {
      readonly kind: 'dropDatabase';
      readonly name: string;
      readonly ifExists: boolean;
      readonly behaviour: DropBehaviour;
    }
  | {
      readonly kind: 'dropTables';
      readonly tables: readonly Name[];
      readonly ifExists: boolean;
      readonly behaviour: DropBehaviour;
    }
  | SchemaStatement
  | SelectStatement
  | InsertStatement
  | UpsertStatement
  | UpdateStatement
  | DeleteStatement
  | { readonly kind: 'use'; readonly database: string }
  /** Of the documentation, but not run yet; `statement` names it. */
  | { readonly kind: 'unsupported'; readonly statement: string };

/** The statement of one kind. */
export type StatementOf<K extends Statement['kind']> = Extract<Statement, { readonly kind: K }>;
