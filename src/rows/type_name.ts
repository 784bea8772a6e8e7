import { type ColumnType, TYPE_FAMILY, TYPE_OID } from './schema.js';

const PLAIN: ReadonlyMap<number, string> = new Map([
  [TYPE_FAMILY.bool, 'BOOL'],
  [TYPE_FAMILY.date, 'DATE'],
  [TYPE_FAMILY.interval, 'INTERVAL'],
  [TYPE_FAMILY.bytes, 'BYTES'],
  [TYPE_FAMILY.name, 'NAME'],
  [TYPE_FAMILY.oid, 'OID'],
  [TYPE_FAMILY.uuid, 'UUID'],
  [TYPE_FAMILY.inet, 'INET'],
  [TYPE_FAMILY.json, 'JSONB'],
  [TYPE_FAMILY.tuple, 'TUPLE'],
  [TYPE_FAMILY.geometry, 'GEOMETRY'],
  [TYPE_FAMILY.geography, 'GEOGRAPHY'],
  [TYPE_FAMILY.enum, 'ENUM'],
  [TYPE_FAMILY.box2d, 'BOX2D'],
  [TYPE_FAMILY.void, 'VOID'],
  [TYPE_FAMILY.tsquery, 'TSQUERY'],
  [TYPE_FAMILY.tsvector, 'TSVECTOR'],
  [TYPE_FAMILY.ltree, 'LTREE'],
  [TYPE_FAMILY.int2vector, 'INT2VECTOR'],
  [TYPE_FAMILY.oidvector, 'OIDVECTOR'],
]);

const TIMES: ReadonlyMap<number, string> = new Map([
  [TYPE_FAMILY.time, 'TIME'],
  [TYPE_FAMILY.timetz, 'TIMETZ'],
  [TYPE_FAMILY.timestamp, 'TIMESTAMP'],
  [TYPE_FAMILY.timestamptz, 'TIMESTAMPTZ'],
]);

/** Name of a type as SHOW CREATE prints it; an ENUM's own name is in the catalog. */
export function typeName(type: ColumnType): string {
  const sized = (name: string, width: number): string => (width > 0 ? `${name}(${width})` : name);
  switch (type.family) {
    case TYPE_FAMILY.int:
      return type.width === 16 || type.width === 32 ? `INT${type.width / 8}` : 'INT8';
    case TYPE_FAMILY.float:
      return type.width === 32 ? 'FLOAT4' : 'FLOAT8';
    case TYPE_FAMILY.decimal:
      if (type.precision === 0) return 'DECIMAL';
      return type.width === 0 ? `DECIMAL(${type.precision})` : `DECIMAL(${type.precision},${type.width})`;
    case TYPE_FAMILY.string:
      return stringName(type);
    case TYPE_FAMILY.collatedString:
      return `${stringName(type)} COLLATE ${type.locale}`;
    case TYPE_FAMILY.bit:
      if (type.oid === TYPE_OID.varbit) return sized('VARBIT', type.width);
      return type.width === 1 ? 'BIT' : sized('BIT', type.width);
    case TYPE_FAMILY.array:
      return type.arrayContents === undefined ? 'ARRAY' : `${typeName(type.arrayContents)}[]`;
    default: {
      const time = TIMES.get(type.family);
      if (time === undefined) return PLAIN.get(type.family) ?? `TYPE ${type.family}`;
      return type.precision > 0 || type.timePrecisionIsSet === true ? `${time}(${type.precision})` : time;
    }
  }
}

/** A type's name in CockroachDB's messages: `int`, `varchar(3)`, `float[]`. */
export function typeWord(type: ColumnType): string {
  return typeName(type)
    .toLowerCase()
    .replace(/^(int|float)8\b/, '$1');
}

function stringName({ oid, width }: ColumnType): string {
  if (oid === TYPE_OID.char) return '"char"';
  const name = oid === TYPE_OID.varchar ? 'VARCHAR' : oid === TYPE_OID.bpchar ? 'CHAR' : 'STRING';
  if (name === 'CHAR' && width === 1) return name;
  return width > 0 ? `${name}(${width})` : name;
}
