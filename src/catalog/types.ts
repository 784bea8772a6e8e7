import { SpanvaultError } from '../fault/index.js';
import { TYPE_FAMILY } from '../rows/schema.js';
import type { Catalog } from './catalog.js';
import { typeIdOfOid } from './dependencies.js';
import type { InternalType } from './generated/descriptors.js';
import { quoteName } from './names.js';

/*
 * SQL type names: printed as SHOW CREATE TABLE of 21.1 prints them, and parsed into what 21.1 stores.
 */

/** visible_type of releases up to 19.1, which newer ones still fill. */
const VISIBLE = {
  integer: 1,
  smallint: 2,
  bigint: 3,
  bit: 4,
  real: 5,
  double: 6,
  varchar: 7,
  char: 8,
  qchar: 9,
  varbit: 10,
} as const;

const OID_NAMES: Readonly<Record<number, string>> = {
  26: 'OID',
  24: 'REGPROC',
  2202: 'REGPROCEDURE',
  2205: 'REGCLASS',
  2206: 'REGTYPE',
  4089: 'REGNAMESPACE',
  4096: 'REGROLE',
};

const SHAPES: readonly string[] = [
  '',
  'POINT',
  'LINESTRING',
  'POLYGON',
  'MULTIPOINT',
  'MULTILINESTRING',
  'MULTIPOLYGON',
  'GEOMETRYCOLLECTION',
  'GEOMETRY',
];
/** Shapes with further dimensions are the plain ones plus these. */
const SHAPE_SUFFIXES: readonly string[] = ['', 'Z', 'M', 'ZM'];

const DURATIONS: readonly string[] = ['', 'YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND', 'MILLISECOND'];

/** Families whose name needs nothing else. */
const PLAIN_NAMES: Readonly<Record<number, string>> = {
  [TYPE_FAMILY.bool]: 'BOOL',
  [TYPE_FAMILY.date]: 'DATE',
  [TYPE_FAMILY.bytes]: 'BYTES',
  [TYPE_FAMILY.name]: 'NAME',
  [TYPE_FAMILY.unknown]: 'unknown',
  [TYPE_FAMILY.uuid]: 'UUID',
  [TYPE_FAMILY.inet]: 'INET',
  [TYPE_FAMILY.json]: 'JSONB',
  [TYPE_FAMILY.box2d]: 'BOX2D',
  [TYPE_FAMILY.void]: 'VOID',
  [TYPE_FAMILY.tsquery]: 'TSQUERY',
  [TYPE_FAMILY.tsvector]: 'TSVECTOR',
  [TYPE_FAMILY.ltree]: 'LTREE',
  [TYPE_FAMILY.int2vector]: 'INT2VECTOR',
  [TYPE_FAMILY.oidvector]: 'OIDVECTOR',
  30: 'PG_LSN',
  31: 'REFCURSOR',
  32: 'VECTOR',
  33: 'TRIGGER',
  34: 'JSONPATH',
};

function stringName(type: InternalType.$Properties): string {
  const visible = type.visibleType ?? 0;
  const oid = type.oid || (visible === VISIBLE.varchar ? 1043 : visible === VISIBLE.char ? 1042 : 25);
  const name =
    oid === 1043 ? 'VARCHAR' : oid === 1042 ? 'CHAR' : oid === 18 ? '"char"' : oid === 19 ? 'NAME' : 'STRING';
  const width = type.width ?? 0;
  const defaultWidth = width === 1 && (oid === 1042 || oid === 18);
  return width > 0 && !defaultWidth ? `${name}(${width})` : name;
}

function numberName(type: InternalType.$Properties): string {
  const width = type.width ?? 0;
  const visible = type.visibleType ?? 0;
  switch (type.family) {
    case TYPE_FAMILY.int:
      if (width === 16 || visible === VISIBLE.smallint) return 'INT2';
      return width === 32 || (type.oid === 0 && visible === VISIBLE.integer) ? 'INT4' : 'INT8';
    case TYPE_FAMILY.float:
      return width === 32 || visible === VISIBLE.real ? 'FLOAT4' : 'FLOAT8';
    default: {
      const precision = type.precision ?? 0;
      if (precision === 0) return 'DECIMAL';
      return width > 0 ? `DECIMAL(${precision},${width})` : `DECIMAL(${precision})`;
    }
  }
}

function timeName(name: string, type: InternalType.$Properties): string {
  const precision = type.precision ?? 0;
  return precision > 0 || type.timePrecisionIsSet ? `${name}(${precision})` : name;
}

function intervalName(type: InternalType.$Properties): string {
  const to = DURATIONS[type.intervalDurationField?.durationType ?? 0] ?? '';
  const from = DURATIONS[type.intervalDurationField?.fromDurationType ?? 0] ?? '';
  const precision = (type.precision ?? 0) > 0 || type.timePrecisionIsSet ? `(${type.precision ?? 0})` : '';
  if (to === '') return `INTERVAL${precision}`;
  return `INTERVAL ${from === '' ? '' : `${from} TO `}${to}${precision}`;
}

function geoName(name: string, type: InternalType.$Properties): string {
  const number = type.geoMetadata?.shape ?? 0;
  const shape = `${SHAPES[number % 1000] ?? ''}${SHAPE_SUFFIXES[Math.floor(number / 1000)] ?? ''}`;
  const srid = type.geoMetadata?.srid ?? 0;
  if (shape === '' && srid === 0) return name;
  return `${name}(${[shape === '' ? 'GEOMETRY' : shape, ...(srid === 0 ? [] : [srid])].join(',')})`;
}

function bitName(type: InternalType.$Properties): string {
  const width = type.width ?? 0;
  const varying = type.oid === 1562 || type.visibleType === VISIBLE.varbit;
  if (varying) return width > 0 ? `VARBIT(${width})` : 'VARBIT';
  return width > 1 ? `BIT(${width})` : 'BIT';
}

function enumName(catalog: Catalog, type: InternalType.$Properties): string {
  const id = typeIdOfOid(type.oid ?? 0) ?? 0;
  const descriptor = catalog.typeById(id);
  if (descriptor === undefined) return `@${type.oid ?? 0}`;
  return `${quoteName(catalog.schemaName(descriptor))}.${quoteName(descriptor.name)}`;
}

function arrayName(catalog: Catalog, type: InternalType.$Properties): string {
  if (type.oid === 22) return 'INT2VECTOR';
  if (type.oid === 30) return 'OIDVECTOR';
  const element = type.arrayContents ?? { ...type, family: type.arrayElemType ?? 0, oid: 0 };
  if (element.family === TYPE_FAMILY.collatedString) return `${stringName(element)}[] COLLATE ${element.locale ?? ''}`;
  return `${sqlTypeName(catalog, element)}[]`;
}

/** A type as 21.1's SHOW CREATE TABLE prints it; names of user-defined types come from `catalog`. */
export function sqlTypeName(catalog: Catalog, type: InternalType.$Properties): string {
  const family = type.family ?? 0;
  switch (family) {
    case TYPE_FAMILY.int:
    case TYPE_FAMILY.float:
    case TYPE_FAMILY.decimal:
      return numberName(type);
    case TYPE_FAMILY.string:
      return stringName(type);
    case TYPE_FAMILY.collatedString:
      return `${stringName(type)} COLLATE ${type.locale ?? ''}`;
    case TYPE_FAMILY.timestamp:
      return timeName('TIMESTAMP', type);
    case TYPE_FAMILY.timestamptz:
      return timeName('TIMESTAMPTZ', type);
    case TYPE_FAMILY.time:
      return timeName('TIME', type);
    case TYPE_FAMILY.timetz:
      return timeName('TIMETZ', type);
    case TYPE_FAMILY.interval:
      return intervalName(type);
    case TYPE_FAMILY.oid:
      return OID_NAMES[type.oid ?? 26] ?? 'OID';
    case TYPE_FAMILY.bit:
      return bitName(type);
    case TYPE_FAMILY.geometry:
      return geoName('GEOMETRY', type);
    case TYPE_FAMILY.geography:
      return geoName('GEOGRAPHY', type);
    case TYPE_FAMILY.enum:
      return enumName(catalog, type);
    case TYPE_FAMILY.array:
      return arrayName(catalog, type);
    case TYPE_FAMILY.tuple:
      return `(${(type.tupleContents ?? []).map((element) => sqlTypeName(catalog, element)).join(', ')})`;
    default:
      return PLAIN_NAMES[family] ?? `UNKNOWN_${family}`;
  }
}

interface NamedType {
  readonly family: number;
  readonly oid: number;
  /** oid of the array of this type. */
  readonly arrayOid: number;
  readonly width?: number;
  readonly visibleType?: number;
  /** What numbers in parentheses mean. */
  readonly arguments?: 'width' | 'precision' | 'decimal';
}

const STRING: NamedType = { family: TYPE_FAMILY.string, oid: 25, arrayOid: 1009, arguments: 'width' };
const INT8: NamedType = { family: TYPE_FAMILY.int, oid: 20, arrayOid: 1016, width: 64 };
const FLOAT8: NamedType = { family: TYPE_FAMILY.float, oid: 701, arrayOid: 1022, width: 64 };
const DECIMAL: NamedType = { family: TYPE_FAMILY.decimal, oid: 1700, arrayOid: 1231, arguments: 'decimal' };
const BYTES: NamedType = { family: TYPE_FAMILY.bytes, oid: 17, arrayOid: 1001 };
const BOOL: NamedType = { family: TYPE_FAMILY.bool, oid: 16, arrayOid: 1000 };
const JSONB: NamedType = { family: TYPE_FAMILY.json, oid: 3802, arrayOid: 3807 };
const TIMESTAMPTZ: NamedType = { family: TYPE_FAMILY.timestamptz, oid: 1184, arrayOid: 1185, arguments: 'precision' };

const NAMED: Readonly<Record<string, NamedType>> = {
  INT: INT8,
  INT8,
  BIGINT: INT8,
  INT4: { family: TYPE_FAMILY.int, oid: 23, arrayOid: 1007, width: 32 },
  INT2: { family: TYPE_FAMILY.int, oid: 21, arrayOid: 1005, width: 16 },
  STRING,
  TEXT: STRING,
  VARCHAR: { ...STRING, oid: 1043, arrayOid: 1015, visibleType: VISIBLE.varchar },
  CHAR: { ...STRING, oid: 1042, arrayOid: 1014, visibleType: VISIBLE.char, width: 1 },
  NAME: { family: TYPE_FAMILY.name, oid: 19, arrayOid: 1003 },
  BYTES,
  BYTEA: BYTES,
  BOOL,
  BOOLEAN: BOOL,
  DECIMAL,
  NUMERIC: DECIMAL,
  FLOAT: FLOAT8,
  FLOAT8,
  FLOAT4: { family: TYPE_FAMILY.float, oid: 700, arrayOid: 1021, width: 32, visibleType: VISIBLE.real },
  DATE: { family: TYPE_FAMILY.date, oid: 1082, arrayOid: 1182 },
  TIME: { family: TYPE_FAMILY.time, oid: 1083, arrayOid: 1183, arguments: 'precision' },
  TIMETZ: { family: TYPE_FAMILY.timetz, oid: 1266, arrayOid: 1270, arguments: 'precision' },
  TIMESTAMP: { family: TYPE_FAMILY.timestamp, oid: 1114, arrayOid: 1115, arguments: 'precision' },
  TIMESTAMPTZ,
  INTERVAL: { family: TYPE_FAMILY.interval, oid: 1186, arrayOid: 1187 },
  UUID: { family: TYPE_FAMILY.uuid, oid: 2950, arrayOid: 2951 },
  INET: { family: TYPE_FAMILY.inet, oid: 869, arrayOid: 1041 },
  JSON: JSONB,
  JSONB,
  BIT: { family: TYPE_FAMILY.bit, oid: 1560, arrayOid: 1561, width: 1, arguments: 'width' },
  VARBIT: { family: TYPE_FAMILY.bit, oid: 1562, arrayOid: 1563, visibleType: VISIBLE.varbit, arguments: 'width' },
  OID: { family: TYPE_FAMILY.oid, oid: 26, arrayOid: 1028 },
};

const TYPE_TEXT = /^\s*([A-Za-z0-9]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*(\[\s*\])?\s*$/;

function unknownType(text: string): SpanvaultError {
  return new SpanvaultError('SV_NOT_SUPPORTED', `type ${JSON.stringify(text)} is not supported in new tables`);
}

/** Fields that CockroachDB always writes, with the type's own values. */
function scalarType(named: NamedType, first: number | undefined, second: number | undefined): InternalType.$Properties {
  const isTime = named.arguments === 'precision';
  return {
    family: named.family,
    width:
      named.arguments === 'width'
        ? (first ?? named.width ?? 0)
        : named.arguments === 'decimal'
          ? (second ?? 0)
          : (named.width ?? 0),
    precision: named.arguments === 'decimal' || isTime ? (first ?? 0) : 0,
    visibleType: named.visibleType ?? 0,
    oid: named.oid,
    timePrecisionIsSet: isTime && first !== undefined,
    ...(named.family === TYPE_FAMILY.interval
      ? { intervalDurationField: { durationType: 0, fromDurationType: 0 } }
      : {}),
  };
}

/**
 * The type that 21.1 stores for a SQL type name: `INT8`, `VARCHAR(20)`, `DECIMAL(10,2)`, `STRING[]`…
 * @throws SpanvaultError SV_NOT_SUPPORTED
 */
export function parseSqlType(text: string): InternalType.$Properties {
  const [, name, first, second, array] = TYPE_TEXT.exec(text) ?? [];
  const named = name === undefined ? undefined : NAMED[name.toUpperCase()];
  if (named === undefined) throw unknownType(text);
  if (first !== undefined && named.arguments === undefined) throw unknownType(text);
  if (second !== undefined && named.arguments !== 'decimal') throw unknownType(text);
  const scalar = scalarType(
    named,
    first === undefined ? undefined : Number(first),
    second === undefined ? undefined : Number(second),
  );
  if (array === undefined) return scalar;
  const { family, width, precision } = scalar;
  return {
    family: TYPE_FAMILY.array,
    width: width ?? 0,
    precision: precision ?? 0,
    visibleType: scalar.visibleType ?? 0,
    arrayElemType: family ?? 0,
    oid: named.arrayOid,
    arrayContents: scalar,
    timePrecisionIsSet: scalar.timePrecisionIsSet ?? false,
  };
}
