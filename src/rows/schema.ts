/*
 * What a row codec must know of a table, as plain data. The catalog fills these shapes from descriptors (crdb-format.md
 * 5.5); nothing here is read from protobuf. Ids are numbers, byte strings are Uint8Array.
 */

/** InternalType.family numbers (crdb-format.md 5.5). */
export const TYPE_FAMILY = {
  bool: 0,
  int: 1,
  float: 2,
  decimal: 3,
  date: 4,
  timestamp: 5,
  interval: 6,
  string: 7,
  bytes: 8,
  timestamptz: 9,
  collatedString: 10,
  name: 11,
  oid: 12,
  unknown: 13,
  uuid: 14,
  array: 15,
  inet: 16,
  time: 17,
  json: 18,
  timetz: 19,
  tuple: 20,
  bit: 21,
  geometry: 22,
  geography: 23,
  enum: 24,
  box2d: 25,
  void: 26,
  tsquery: 28,
  tsvector: 29,
  ltree: 35,
  int2vector: 200,
  oidvector: 201,
} as const;

/** PostgreSQL object ids that change how a type of one family behaves. */
export const TYPE_OID = {
  char: 18,
  name: 19,
  int2vector: 22,
  oidvector: 30,
  bpchar: 1042,
  varchar: 1043,
  varbit: 1562,
  bit: 1560,
} as const;

/** One member of an enum, in the order of the physical bytes. */
export interface EnumMember {
  readonly physical: Uint8Array;
  readonly logical: string;
}

/**
 * A column's type. Zero and '' mean "not given", as in protobuf. For arrays written by releases up to 19.1 (element type
 * in array_elem_type) the catalog fills `arrayContents` as newer releases do.
 */
export interface ColumnType {
  /** InternalType.family; see TYPE_FAMILY. */
  readonly family: number;
  /** Bits of INT and FLOAT, scale of DECIMAL, characters of STRING, bits of BIT. */
  readonly width: number;
  /** Digits of DECIMAL, fractional digits of times. */
  readonly precision: number;
  readonly oid: number;
  /** Collation; '' for types without one. */
  readonly locale: string;
  /** True when `precision` of a time type counts even if it is 0. */
  readonly timePrecisionIsSet?: boolean | undefined;
  /** visible_type of releases up to 19.1; 0 later. */
  readonly visibleType?: number | undefined;
  readonly arrayContents?: ColumnType | undefined;
  readonly tupleContents?: readonly ColumnType[] | undefined;
  /** Members of an ENUM; an ENUM without them prints its physical bytes. */
  readonly enumMembers?: readonly EnumMember[] | undefined;
  /** Spatial reference of GEOMETRY and GEOGRAPHY columns that name one. */
  readonly srid?: number | undefined;
}

/** One public column. Columns of mutations are not listed: decoders skip the ids they do not know. */
export interface ColumnSchema {
  readonly id: number;
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly hidden: boolean;
  /** Computed when read, never stored. */
  readonly virtual: boolean;
  /** SQL text of the DEFAULT expression and of a computed column; '' when there is none. */
  readonly defaultExpression: string;
  readonly computeExpression: string;
}

export interface FamilySchema {
  readonly id: number;
  readonly columnIds: readonly number[];
  /** 0 when the family has no default column. */
  readonly defaultColumnId: number;
}

export type KeyDirection = 'asc' | 'desc';

/** One ancestor of an interleaved index (up to 21.1), outermost first. */
export interface InterleaveAncestor {
  readonly tableId: number;
  readonly indexId: number;
  /** Key columns shared with this ancestor, not counting those shared with the ones before it. */
  readonly sharedPrefixLength: number;
}

export interface IndexSchema {
  readonly id: number;
  readonly name: string;
  readonly unique: boolean;
  readonly keyColumnIds: readonly number[];
  readonly keyDirections: readonly KeyDirection[];
  /** key_suffix_column_ids (extra_column_ids): the primary key's columns that the key lacks. */
  readonly keySuffixColumnIds: readonly number[];
  readonly storeColumnIds: readonly number[];
  readonly compositeColumnIds: readonly number[];
  /** How entries are encoded; always 'primary' for the primary index. */
  readonly encoding: 'primary' | 'secondary';
  /** True for INVERTED and VECTOR indexes: their entries are not rows. */
  readonly inverted: boolean;
  /** SQL text of a partial index's predicate; '' for a whole one. */
  readonly predicate: string;
  readonly version: number;
  readonly ancestors: readonly InterleaveAncestor[];
}

/** A table as its rows are encoded. */
export interface TableSchema {
  readonly id: number;
  readonly name: string;
  /** Public columns in table order; a decoded row has one datum per entry. */
  readonly columns: readonly ColumnSchema[];
  readonly families: readonly FamilySchema[];
  readonly primaryIndex: IndexSchema;
  /** Public secondary indexes. */
  readonly indexes: readonly IndexSchema[];
  /** Bytes before the table id in every key: empty for the system tenant. */
  readonly tenantPrefix: Uint8Array;
}
