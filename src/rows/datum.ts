import { isJsonArray, type Json } from './json.js';

/*
 * One SQL value, exact. Plain JavaScript values stand for the common types, tagged objects for the rest:
 * null NULL · boolean BOOL · bigint INT · number FLOAT · string STRING · Uint8Array BYTES.
 */

/** coefficient × 10^exponent; trailing zeros and the sign of zero are kept. NaN and infinities have coefficient 0. */
export interface Decimal {
  readonly kind: 'decimal';
  readonly form: 'finite' | 'infinite' | 'nan';
  readonly negative: boolean;
  readonly coefficient: bigint;
  readonly exponent: number;
}

/** Days since 1970-01-01; any value outside the calendar (DATE_INFINITY) is ±infinity. */
export interface DateDatum {
  readonly kind: 'date';
  readonly days: bigint;
}

/** Microseconds since midnight; 86,400,000,000 is 24:00:00. */
export interface TimeDatum {
  readonly kind: 'time';
  readonly micros: bigint;
}

/** Local time of day and its zone, as seconds west of UTC (CockroachDB's sign). */
export interface TimeTzDatum {
  readonly kind: 'timetz';
  readonly micros: bigint;
  readonly offsetWest: number;
}

/** TIMESTAMP and TIMESTAMPTZ: nanoseconds since 1970 in UTC; SQL values are whole microseconds. */
export interface TimestampDatum {
  readonly kind: 'timestamp' | 'timestamptz';
  readonly nanos: bigint;
}

export interface IntervalDatum {
  readonly kind: 'interval';
  readonly months: bigint;
  readonly days: bigint;
  readonly nanos: bigint;
}

export interface UuidDatum {
  readonly kind: 'uuid';
  readonly bytes: Uint8Array;
}

/** Address of 4 or 16 bytes with the length of its network mask. */
export interface InetDatum {
  readonly kind: 'inet';
  readonly mask: number;
  readonly address: Uint8Array;
}

export interface JsonDatum {
  readonly kind: 'json';
  readonly value: Json;
}

export interface ArrayDatum {
  readonly kind: 'array';
  readonly elements: readonly Datum[];
}

export interface TupleDatum {
  readonly kind: 'tuple';
  readonly elements: readonly Datum[];
}

/** `logical` is undefined when the type does not know the physical bytes. */
export interface EnumDatum {
  readonly kind: 'enum';
  readonly physical: Uint8Array;
  readonly logical: string | undefined;
}

/** Bits as a string of 0 and 1. */
export interface BitsDatum {
  readonly kind: 'bits';
  readonly bits: string;
}

/** A marshalled SpatialObject, the EWKB inside it, and the space-filling-curve index that an ordered key carries. */
export interface GeoDatum {
  readonly kind: 'geo';
  readonly spatialObject: Uint8Array;
  readonly ewkb: Uint8Array;
  readonly curveIndex: bigint | undefined;
}

export interface OidDatum {
  readonly kind: 'oid';
  readonly oid: bigint;
}

export interface Box2dDatum {
  readonly kind: 'box2d';
  readonly loX: number;
  readonly hiX: number;
  readonly loY: number;
  readonly hiY: number;
}

/** `sortKey` is the collation key found in an index key; it cannot be computed here. */
export interface CollatedDatum {
  readonly kind: 'collated';
  readonly text: string;
  readonly sortKey: Uint8Array | undefined;
}

export interface VoidDatum {
  readonly kind: 'void';
}

/** A value of a type that is not decoded: its tag (of the value encoding) and payload, as found. */
export interface UnknownDatum {
  readonly kind: 'unknown';
  readonly reason: string;
  readonly tag: number;
  readonly bytes: Uint8Array;
}

export type TaggedDatum =
  | Decimal
  | DateDatum
  | TimeDatum
  | TimeTzDatum
  | TimestampDatum
  | IntervalDatum
  | UuidDatum
  | InetDatum
  | JsonDatum
  | ArrayDatum
  | TupleDatum
  | EnumDatum
  | BitsDatum
  | GeoDatum
  | OidDatum
  | Box2dDatum
  | CollatedDatum
  | VoidDatum
  | UnknownDatum;

export type Datum = null | boolean | bigint | number | string | Uint8Array | TaggedDatum;

/** One datum per column of the table, in table order. */
export type Row = Datum[];

/** Days that CockroachDB writes for DATE ±infinity. */
export const DATE_INFINITY = 2n ** 63n - 1n;
export const DATE_NEGATIVE_INFINITY = -(2n ** 63n);
/** First and last finite DATE, 4714-11-24 BC and 5874897-12-31, in days since 1970. */
export const DATE_MIN = -2440588n;
export const DATE_MAX = 2145042905n;

/** True for objects with a `kind`. */
export function isTagged(datum: Datum): datum is TaggedDatum {
  return typeof datum === 'object' && datum !== null && !(datum instanceof Uint8Array);
}

/**
 * True when an ordered key does not hold this value exactly, so that it is repeated in the row's value (crdb-format.md
 * 5.4): decimals whose coefficient ends in 0, -0, collated strings, JSON with numbers, and arrays of these.
 */
export function isComposite(datum: Datum): boolean {
  if (typeof datum === 'number') return Object.is(datum, -0);
  if (!isTagged(datum)) return false;
  switch (datum.kind) {
    case 'decimal':
      return datum.coefficient % 10n === 0n;
    case 'collated':
      return true;
    case 'array':
    case 'tuple':
      return datum.elements.some(isComposite);
    case 'json':
      return jsonIsComposite(datum.value);
    default:
      return false;
  }
}

function jsonIsComposite(value: Json): boolean {
  if (value === null || typeof value !== 'object') return false;
  if (isJsonArray(value)) return value.some(jsonIsComposite);
  if (value.kind === 'decimal') return value.coefficient % 10n === 0n;
  return value.entries.some(([, member]) => jsonIsComposite(member));
}
