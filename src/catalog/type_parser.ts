import { SpanvaultError } from '../fault/index.js';
import { TYPE_FAMILY } from '../rows/schema.js';
import type { InternalType } from './generated/descriptors.js';
import { DURATIONS, VISIBLE_TYPE } from './types.js';

/*
 * SQL type names parsed into what 21.1 stores: the inverse of sqlTypeName, with the aliases that CREATE TABLE takes.
 */

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
const VARCHAR: NamedType = { ...STRING, oid: 1043, arrayOid: 1015, visibleType: VISIBLE_TYPE.varchar };
const CHAR: NamedType = { ...STRING, oid: 1042, arrayOid: 1014, visibleType: VISIBLE_TYPE.char, width: 1 };
const INT8: NamedType = { family: TYPE_FAMILY.int, oid: 20, arrayOid: 1016, width: 64 };
const INT4: NamedType = { family: TYPE_FAMILY.int, oid: 23, arrayOid: 1007, width: 32 };
const INT2: NamedType = { family: TYPE_FAMILY.int, oid: 21, arrayOid: 1005, width: 16 };
const FLOAT8: NamedType = { family: TYPE_FAMILY.float, oid: 701, arrayOid: 1022, width: 64 };
const FLOAT4: NamedType = {
  family: TYPE_FAMILY.float,
  oid: 700,
  arrayOid: 1021,
  width: 32,
  visibleType: VISIBLE_TYPE.real,
};
const DECIMAL: NamedType = { family: TYPE_FAMILY.decimal, oid: 1700, arrayOid: 1231, arguments: 'decimal' };
const BYTES: NamedType = { family: TYPE_FAMILY.bytes, oid: 17, arrayOid: 1001 };
const BOOL: NamedType = { family: TYPE_FAMILY.bool, oid: 16, arrayOid: 1000 };
const JSONB: NamedType = { family: TYPE_FAMILY.json, oid: 3802, arrayOid: 3807 };
const TIME: NamedType = { family: TYPE_FAMILY.time, oid: 1083, arrayOid: 1183, arguments: 'precision' };
const TIMETZ: NamedType = { family: TYPE_FAMILY.timetz, oid: 1266, arrayOid: 1270, arguments: 'precision' };
const TIMESTAMP: NamedType = { family: TYPE_FAMILY.timestamp, oid: 1114, arrayOid: 1115, arguments: 'precision' };
const TIMESTAMPTZ: NamedType = { family: TYPE_FAMILY.timestamptz, oid: 1184, arrayOid: 1185, arguments: 'precision' };
const VARBIT: NamedType = {
  family: TYPE_FAMILY.bit,
  oid: 1562,
  arrayOid: 1563,
  visibleType: VISIBLE_TYPE.varbit,
  arguments: 'width',
};

const NAMED: ReadonlyMap<string, NamedType> = new Map(
  Object.entries({
    INT: INT8,
    INTEGER: INT8,
    INT8,
    INT64: INT8,
    BIGINT: INT8,
    INT4,
    INT2,
    SMALLINT: INT2,
    STRING,
    TEXT: STRING,
    VARCHAR,
    'CHARACTER VARYING': VARCHAR,
    'CHAR VARYING': VARCHAR,
    CHAR,
    CHARACTER: CHAR,
    NAME: { family: TYPE_FAMILY.name, oid: 19, arrayOid: 1003 },
    BYTES,
    BYTEA: BYTES,
    BLOB: BYTES,
    BOOL,
    BOOLEAN: BOOL,
    DECIMAL,
    DEC: DECIMAL,
    NUMERIC: DECIMAL,
    FLOAT: FLOAT8,
    FLOAT8,
    'DOUBLE PRECISION': FLOAT8,
    FLOAT4,
    REAL: FLOAT4,
    DATE: { family: TYPE_FAMILY.date, oid: 1082, arrayOid: 1182 },
    TIME,
    'TIME WITHOUT TIME ZONE': TIME,
    TIMETZ,
    'TIME WITH TIME ZONE': TIMETZ,
    TIMESTAMP,
    'TIMESTAMP WITHOUT TIME ZONE': TIMESTAMP,
    TIMESTAMPTZ,
    'TIMESTAMP WITH TIME ZONE': TIMESTAMPTZ,
    INTERVAL: { family: TYPE_FAMILY.interval, oid: 1186, arrayOid: 1187, arguments: 'precision' },
    UUID: { family: TYPE_FAMILY.uuid, oid: 2950, arrayOid: 2951 },
    INET: { family: TYPE_FAMILY.inet, oid: 869, arrayOid: 1041 },
    JSON: JSONB,
    JSONB,
    BIT: { family: TYPE_FAMILY.bit, oid: 1560, arrayOid: 1561, width: 1, arguments: 'width' },
    VARBIT,
    'BIT VARYING': VARBIT,
    OID: { family: TYPE_FAMILY.oid, oid: 26, arrayOid: 1028 },
  }),
);

const TYPE_TEXT =
  /^\s*([A-Za-z0-9]+(?:\s+[A-Za-z]+)*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?((?:\s+[A-Za-z]+)*?)\s*(\[\s*\])?\s*(?:\bCOLLATE\s+([A-Za-z0-9_-]+))?\s*$/i;

const INTERVAL_FIELDS = /^INTERVAL\s+(?:([A-Z]+)\s+TO\s+)?([A-Z]+)$/;

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

/** INTERVAL with fields: `INTERVAL DAY`, `INTERVAL HOUR TO MINUTE`; undefined when the name is none. */
function intervalFields(name: string): InternalType.$Properties['intervalDurationField'] | undefined {
  const [, from, to] = INTERVAL_FIELDS.exec(name) ?? [];
  const durationType = DURATIONS.indexOf(to ?? '');
  const fromDurationType = DURATIONS.indexOf(from ?? '');
  return durationType > 0 && fromDurationType >= 0 ? { durationType, fromDurationType } : undefined;
}

function arrayOf(named: NamedType, element: InternalType.$Properties): InternalType.$Properties {
  return {
    family: TYPE_FAMILY.array,
    width: element.width ?? 0,
    precision: element.precision ?? 0,
    ...(element.locale === undefined ? {} : { locale: element.locale }),
    visibleType: element.visibleType ?? 0,
    arrayElemType: element.family ?? 0,
    oid: named.arrayOid,
    arrayContents: element,
    timePrecisionIsSet: element.timePrecisionIsSet ?? false,
  };
}

/**
 * The type that 21.1 stores for a SQL type name: `INT8`, `VARCHAR(20)`, `DECIMAL(10,2)`, `TIMESTAMP(3) WITH TIME ZONE`,
 * `INTERVAL HOUR TO MINUTE`, `STRING COLLATE de`, `STRING[]`…
 * @throws SpanvaultError SV_NOT_SUPPORTED
 */
export function parseSqlType(text: string): InternalType.$Properties {
  const [, head = '', first, second, tail = '', array, locale] = TYPE_TEXT.exec(text) ?? [];
  const name = `${head}${tail}`.toUpperCase().replace(/\s+/g, ' ').trim();
  const duration = intervalFields(name);
  const named = NAMED.get(duration === undefined ? name : 'INTERVAL');
  if (named === undefined) throw unknownType(text);
  if (first !== undefined && name === 'FLOAT')
    return parseSqlType(text.replace(/float\s*\(\s*\d+\s*\)/i, floatOf(first)));
  if (first !== undefined && named.arguments === undefined) throw unknownType(text);
  if (second !== undefined && named.arguments !== 'decimal') throw unknownType(text);
  const scalar = scalarType(
    named,
    first === undefined ? undefined : Number(first),
    second === undefined ? undefined : Number(second),
  );
  if (duration !== undefined) scalar.intervalDurationField = duration;
  if (locale !== undefined) {
    if (named.family !== TYPE_FAMILY.string) throw unknownType(text);
    scalar.family = TYPE_FAMILY.collatedString;
    scalar.locale = locale;
  }
  return array === undefined ? scalar : arrayOf(named, scalar);
}

/** FLOAT(n) by its number of bits. */
function floatOf(bits: string): string {
  return Number(bits) <= 24 ? 'FLOAT4' : 'FLOAT8';
}
