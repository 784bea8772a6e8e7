import type { Timestamp } from '../keys/index.js';
import type { PartitionValue } from './partitions.js';

/*
 * What a new table is built from: names and SQL types, no ids.
 */

/** A key column; bare text is ascending. */
export type KeyColumnSpec = string | { readonly name: string; readonly direction: 'asc' | 'desc' };

export interface ColumnSpec {
  readonly name: string;
  /** SQL type name, see parseSqlType. */
  readonly type: string;
  /** Default true; columns of the primary key are never nullable. */
  readonly nullable?: boolean;
  /** Serialized expression, `unique_rowid()` or `now():::TIMESTAMP`. */
  readonly default?: string;
  readonly hidden?: boolean;
}

export interface PartitioningSpec {
  readonly columns: readonly string[];
  readonly list?: readonly {
    readonly name: string;
    readonly values: readonly (readonly PartitionValue[])[];
    readonly subpartitioning?: PartitioningSpec;
  }[];
  readonly range?: readonly {
    readonly name: string;
    readonly from: readonly PartitionValue[];
    readonly to: readonly PartitionValue[];
  }[];
}

export interface IndexSpec {
  readonly name: string;
  readonly columns: readonly KeyColumnSpec[];
  readonly unique?: boolean;
  readonly storing?: readonly string[];
  readonly partitioning?: PartitioningSpec;
  /** True for an index that CREATE INDEX made, false for one of CREATE TABLE. */
  readonly createdExplicitly?: boolean;
  /** Encoding version; default: what 21.1 gives to new indexes. */
  readonly version?: number;
}

export interface FamilySpec {
  /** Default: `fam_<id>_<columns>`. */
  readonly name?: string;
  readonly columns: readonly string[];
  /** Default: the position in the list. */
  readonly id?: number;
}

export interface ForeignKeySpec {
  readonly name: string;
  readonly columns: readonly string[];
  /** Name of a table that is built in the same call. */
  readonly references: string;
  readonly referencedColumns: readonly string[];
}

export interface TableSpec {
  readonly name: string;
  readonly columns: readonly ColumnSpec[];
  readonly primaryKey: readonly KeyColumnSpec[];
  /** Default `primary`. */
  readonly primaryKeyName?: string;
  /** 0 for the hidden rowid of a table without a primary key. */
  readonly primaryIndexVersion?: number;
  readonly partitioning?: PartitioningSpec;
  readonly indexes?: readonly IndexSpec[];
  /** Default: one family `primary`. Columns that are in none join the first. */
  readonly families?: readonly FamilySpec[];
  readonly checks?: readonly {
    readonly name: string;
    readonly expression: string;
    readonly columns: readonly string[];
  }[];
  readonly foreignKeys?: readonly ForeignKeySpec[];
  /** Backups leave its rows out. */
  readonly excludeDataFromBackup?: boolean;
}

/** A user's privilege bits: 2 ALL, 4 CREATE, 8 DROP, 16 GRANT, 32 SELECT, 64 INSERT, 128 DELETE, 256 UPDATE. */
export interface PrivilegeSpec {
  readonly owner: string;
  readonly users: readonly { readonly user: string; readonly privileges: number }[];
}

/** Owner root, everything for admin and root: what CREATE gives to objects of a user. */
export const USER_PRIVILEGES: PrivilegeSpec = {
  owner: 'root',
  users: [
    { user: 'admin', privileges: 2 },
    { user: 'root', privileges: 2 },
  ],
};

export interface TablePlace {
  readonly databaseId: number;
  /** Default the public schema. */
  readonly schemaId?: number;
  /** Modification and creation time. */
  readonly time: Timestamp;
  readonly privileges?: PrivilegeSpec;
}
