import type { DropBehaviour, Literal, Name } from './statement.js';

/*
 * Statements that change the schema, as the grammar gives them.
 */

/** What may stand behind DEFAULT. */
export type DefaultExpression =
  | Literal
  /** `B'0101'` */
  | { readonly kind: 'bits'; readonly bits: string }
  | { readonly kind: 'call'; readonly name: string }
  | { readonly kind: 'array'; readonly elements: readonly DefaultExpression[] };

export interface KeyColumn {
  readonly name: string;
  readonly direction: 'asc' | 'desc';
}

/** What follows a column's type, in any order. */
export type ColumnQualifier =
  | { readonly kind: 'notNull' }
  | { readonly kind: 'null' }
  | { readonly kind: 'notVisible' }
  | { readonly kind: 'default'; readonly value: DefaultExpression }
  | { readonly kind: 'primaryKey' }
  | { readonly kind: 'unique' }
  | { readonly kind: 'family'; readonly name: string | null; readonly create: boolean; readonly ifNotExists: boolean };

export interface ColumnDefinition {
  readonly name: string;
  /** As written, words in upper case. */
  readonly type: string;
  readonly qualifiers: readonly ColumnQualifier[];
}

export interface IndexDefinition {
  /** Null: made of the table's and the columns' names. */
  readonly name: string | null;
  readonly unique: boolean;
  readonly columns: readonly KeyColumn[];
  readonly storing: readonly string[];
}

export type TableElement =
  | { readonly kind: 'column'; readonly column: ColumnDefinition }
  | { readonly kind: 'primaryKey'; readonly name: string | null; readonly columns: readonly KeyColumn[] }
  | { readonly kind: 'index'; readonly index: IndexDefinition }
  | { readonly kind: 'family'; readonly name: string | null; readonly columns: readonly string[] };

/** An index by `table@index`, or by its own name (`table` null). */
export interface IndexRef {
  readonly table: Name | null;
  readonly index: string;
}

export type SchemaStatement =
  | {
      readonly kind: 'createTable';
      readonly table: Name;
      readonly ifNotExists: boolean;
      readonly elements: readonly TableElement[];
      /** `WITH (exclude_data_from_backup = …)` */
      readonly excludeDataFromBackup?: boolean;
    }
  | {
      readonly kind: 'createIndex';
      readonly table: Name;
      readonly ifNotExists: boolean;
      readonly index: IndexDefinition;
    }
  | {
      readonly kind: 'dropIndexes';
      readonly indexes: readonly IndexRef[];
      readonly ifExists: boolean;
      readonly behaviour: DropBehaviour;
    }
  | {
      readonly kind: 'addColumns';
      readonly table: Name;
      readonly ifExists: boolean;
      readonly columns: readonly { readonly ifNotExists: boolean; readonly column: ColumnDefinition }[];
    }
  | { readonly kind: 'renameTable'; readonly table: Name; readonly ifExists: boolean; readonly to: Name }
  | {
      readonly kind: 'renameColumn';
      readonly table: Name;
      readonly ifExists: boolean;
      readonly column: string;
      readonly to: string;
    }
  | { readonly kind: 'renameIndex'; readonly index: IndexRef; readonly ifExists: boolean; readonly to: string }
  | { readonly kind: 'renameDatabase'; readonly database: string; readonly to: string }
  | { readonly kind: 'setSchema'; readonly table: Name; readonly ifExists: boolean; readonly schema: string }
  /** `SET (exclude_data_from_backup = …)` and `RESET` of it. */
  | { readonly kind: 'setExcluded'; readonly table: Name; readonly ifExists: boolean; readonly excluded: boolean }
  | { readonly kind: 'createSchema'; readonly schema: Name; readonly ifNotExists: boolean }
  | { readonly kind: 'truncate'; readonly tables: readonly Name[]; readonly behaviour: DropBehaviour };

/** UPSERT INTO t VALUES …: rows of the same primary key are replaced. */
export interface UpsertStatement {
  readonly kind: 'upsert';
  readonly table: Name;
  /** Null: every visible column, in order. */
  readonly columns: readonly string[] | null;
  readonly tuples: readonly (readonly Literal[])[];
}
