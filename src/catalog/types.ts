import { TYPE_FAMILY } from '../rows/schema.js';
import type { Catalog } from './catalog.js';
import { typeIdOfOid } from './dependencies.js';
import type { InternalType } from './generated/descriptors.js';
import { quoteName } from './names.js';

/*
 * SQL type names as SHOW CREATE TABLE of 21.1 prints them.
 */

/** visible_type of releases up to 19.1, which newer ones still fill. */
export const VISIBLE_TYPE = {
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

/** Units of an interval's fields by duration type. */
export const DURATIONS: readonly string[] = ['', 'YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND', 'MILLISECOND'];

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
  const oid = type.oid || (visible === VISIBLE_TYPE.varchar ? 1043 : visible === VISIBLE_TYPE.char ? 1042 : 25);
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
      if (width === 16 || visible === VISIBLE_TYPE.smallint) return 'INT2';
      return width === 32 || (type.oid === 0 && visible === VISIBLE_TYPE.integer) ? 'INT4' : 'INT8';
    case TYPE_FAMILY.float:
      return width === 32 || visible === VISIBLE_TYPE.real ? 'FLOAT4' : 'FLOAT8';
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
  const varying = type.oid === 1562 || type.visibleType === VISIBLE_TYPE.varbit;
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
