import fc from 'fast-check';
import { type ColumnType, type Datum, type Json, makeDecimal, makeJsonObject, TYPE_FAMILY } from '#src/rows/index.js';

/** A column type with an arbitrary of its non-NULL datums. */
export interface TypeCase {
  readonly name: string;
  readonly type: ColumnType;
  readonly datum: fc.Arbitrary<Datum>;
  /** False for types that keys do not hold, or whose key cannot be computed here. */
  readonly inKeys: boolean;
  /** False for types without literals. */
  readonly literal: boolean;
}

function type(family: number, more: Partial<ColumnType> = {}): ColumnType {
  return { family, width: 0, precision: 0, oid: 0, locale: '', ...more };
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 40 });
const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 });
const decimal = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 40n }), fc.integer({ min: -400, max: 400 }))
  .map(([negative, coefficient, exponent]) => makeDecimal(negative, coefficient, exponent));
const micros = fc.bigInt({ min: -210866803200000000n, max: 9224318015999999999n });
const bits = fc.string({ unit: fc.constantFrom('0', '1'), maxLength: 200 });
const interval = fc
  .tuple(
    fc.integer({ min: -2400, max: 2400 }),
    fc.integer({ min: -9999, max: 9999 }),
    fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n }),
  )
  .map(([m, d, us]): Datum => ({ kind: 'interval', months: BigInt(m), days: BigInt(d), nanos: us * 1000n }));
const inet = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), sixteen)
  .chain((address) =>
    fc.integer({ min: 0, max: address.length * 8 }).map((mask): Datum => ({ kind: 'inet', mask, address })),
  );

export const json: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    text,
    decimal,
    fc.array(tie('json'), { maxLength: 40 }),
    fc.array(fc.tuple(text, tie('json')), { maxLength: 40 }).map(makeJsonObject),
  ),
})).json;

const members = ['sad', 'ok', 'happy'].map((logical, i) => ({ logical, physical: Uint8Array.of(0x40 * (i + 1)) }));
const int8 = type(TYPE_FAMILY.int, { width: 64 });
const arrayOf = (element: fc.Arbitrary<Datum>): fc.Arbitrary<Datum> =>
  fc
    .array(fc.option(element, { nil: null }), { maxLength: 20 })
    .map((elements): Datum => ({ kind: 'array', elements }));

export const TYPES: readonly TypeCase[] = [
  { name: 'bool', type: type(TYPE_FAMILY.bool), datum: fc.boolean(), inKeys: true, literal: true },
  { name: 'int', type: int8, datum: int64, inKeys: true, literal: true },
  { name: 'float', type: type(TYPE_FAMILY.float, { width: 64 }), datum: fc.double(), inKeys: true, literal: true },
  { name: 'decimal', type: type(TYPE_FAMILY.decimal), datum: decimal, inKeys: true, literal: true },
  { name: 'string', type: type(TYPE_FAMILY.string), datum: text, inKeys: true, literal: true },
  { name: 'bytes', type: type(TYPE_FAMILY.bytes), datum: bytes, inKeys: true, literal: true },
  {
    name: 'date',
    type: type(TYPE_FAMILY.date),
    datum: fc.integer({ min: -2440588, max: 2145042905 }).map((d): Datum => ({ kind: 'date', days: BigInt(d) })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'time',
    type: type(TYPE_FAMILY.time),
    datum: fc.bigInt({ min: 0n, max: 86400000000n }).map((us): Datum => ({ kind: 'time', micros: us })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'timetz',
    type: type(TYPE_FAMILY.timetz),
    datum: fc
      .tuple(fc.bigInt({ min: 0n, max: 86400000000n }), fc.integer({ min: -57540, max: 57540 }))
      .map(([us, offsetWest]): Datum => ({ kind: 'timetz', micros: us, offsetWest })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'timestamp',
    type: type(TYPE_FAMILY.timestamp),
    datum: micros.map((us): Datum => ({ kind: 'timestamp', nanos: us * 1000n })),
    inKeys: true,
    literal: false,
  },
  {
    name: 'timestamptz after 1 AD',
    type: type(TYPE_FAMILY.timestamptz),
    datum: fc
      .bigInt({ min: -62135596800000000n, max: 253402300799999999n })
      .map((us): Datum => ({ kind: 'timestamptz', nanos: us * 1000n })),
    inKeys: true,
    literal: true,
  },
  { name: 'interval', type: type(TYPE_FAMILY.interval), datum: interval, inKeys: true, literal: true },
  {
    name: 'uuid',
    type: type(TYPE_FAMILY.uuid),
    datum: sixteen.map((b): Datum => ({ kind: 'uuid', bytes: b })),
    inKeys: true,
    literal: true,
  },
  { name: 'inet', type: type(TYPE_FAMILY.inet), datum: inet, inKeys: true, literal: true },
  {
    name: 'varbit',
    type: type(TYPE_FAMILY.bit, { oid: 1562 }),
    datum: bits.map((b): Datum => ({ kind: 'bits', bits: b })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'enum',
    type: type(TYPE_FAMILY.enum, { enumMembers: members }),
    datum: fc.constantFrom(...members).map((m): Datum => ({ kind: 'enum', ...m })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'oid',
    type: type(TYPE_FAMILY.oid),
    datum: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((o): Datum => ({ kind: 'oid', oid: BigInt(o) })),
    inKeys: true,
    literal: true,
  },
  {
    name: 'box2d',
    type: type(TYPE_FAMILY.box2d),
    datum: fc
      .tuple(fc.double(), fc.double(), fc.double(), fc.double())
      .map(
        ([loX, hiX, loY, hiY]): Datum => ({ kind: 'box2d', loX: loX + 0, hiX: hiX + 0, loY: loY + 0, hiY: hiY + 0 }),
      ),
    inKeys: false,
    literal: false,
  },
  {
    name: 'json',
    type: type(TYPE_FAMILY.json),
    datum: json.map((value): Datum => ({ kind: 'json', value })),
    inKeys: false,
    literal: true,
  },
  {
    name: 'collated',
    type: type(TYPE_FAMILY.collatedString, { locale: 'de' }),
    datum: text.map((t): Datum => ({ kind: 'collated', text: t, sortKey: undefined })),
    inKeys: false,
    literal: true,
  },
  {
    name: 'int[]',
    type: type(TYPE_FAMILY.array, { arrayContents: int8 }),
    datum: arrayOf(int64),
    inKeys: true,
    literal: true,
  },
  {
    name: 'bool[]',
    type: type(TYPE_FAMILY.array, { arrayContents: type(TYPE_FAMILY.bool) }),
    datum: arrayOf(fc.boolean()),
    inKeys: false,
    literal: true,
  },
  {
    name: 'string[]',
    type: type(TYPE_FAMILY.array, { arrayContents: type(TYPE_FAMILY.string) }),
    datum: arrayOf(text),
    inKeys: true,
    literal: true,
  },
  {
    name: 'bytes[]',
    type: type(TYPE_FAMILY.array, { arrayContents: type(TYPE_FAMILY.bytes) }),
    datum: arrayOf(bytes),
    inKeys: true,
    literal: true,
  },
];
