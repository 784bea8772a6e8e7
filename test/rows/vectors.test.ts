import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '#src/keys/index.js';
import { ByteReader } from '#src/rows/byte_reader.js';
import { ByteWriter } from '#src/rows/byte_writer.js';
import { parseDecimal } from '#src/rows/decimal.js';
import {
  readOrderedDecimal,
  readValueDecimal,
  writeOrderedDecimal,
  writeValueDecimal,
} from '#src/rows/decimal_codec.js';
import {
  type ColumnType,
  type Datum,
  datumText,
  frameValue,
  type KeyDirection,
  parseDatum,
  TYPE_FAMILY,
} from '#src/rows/index.js';
import { readKeyDatum, writeKeyDatum } from '#src/rows/key_codec.js';

function type(family: number, more: Partial<ColumnType> = {}): ColumnType {
  return { family, width: 0, precision: 0, oid: 0, locale: '', ...more };
}

/** Type, SQL text, direction, bytes: crdb-format.md A.2 and 5.2. */
const KEYS: [number, string, KeyDirection, string][] = [
  [TYPE_FAMILY.int, '0', 'asc', '88'],
  [TYPE_FAMILY.int, '109', 'asc', 'f5'],
  [TYPE_FAMILY.int, '110', 'asc', 'f66e'],
  [TYPE_FAMILY.int, '256', 'asc', 'f70100'],
  [TYPE_FAMILY.int, '-1', 'asc', '87ff'],
  [TYPE_FAMILY.int, '-256', 'asc', '86ff00'],
  [TYPE_FAMILY.int, '-9223372036854775808', 'asc', '808000000000000000'],
  [TYPE_FAMILY.int, '9223372036854775807', 'asc', 'fd7fffffffffffffff'],
  [TYPE_FAMILY.int, '0', 'desc', '87ff'],
  [TYPE_FAMILY.bytes, '\\x62000061', 'asc', '126200ff00ff610001'],
  [TYPE_FAMILY.string, 'hello', 'asc', '1268656c6c6f0001'],
  [TYPE_FAMILY.bytes, '\\x00ff61', 'desc', '13ff00009efffe'],
  [TYPE_FAMILY.float, '1', 'asc', '053ff0000000000000'],
  [TYPE_FAMILY.float, '-1', 'asc', '03400fffffffffffff'],
  [TYPE_FAMILY.float, '0', 'asc', '04'],
  [TYPE_FAMILY.float, 'NaN', 'asc', '02'],
  [TYPE_FAMILY.float, 'NaN', 'desc', '06'],
  [TYPE_FAMILY.interval, '00:00:00', 'asc', '16888888'],
  [TYPE_FAMILY.interval, '1 day', 'asc', '16fb4e94914f00008889'],
  [TYPE_FAMILY.interval, '1 mon', 'asc', '16fc093569074200008988'],
  [TYPE_FAMILY.interval, '40 days', 'asc', '16fc0c4736b458000088b0'],
  [TYPE_FAMILY.bit, '', 'asc', '3a0088'],
  [TYPE_FAMILY.bit, '0', 'asc', '3a880089'],
  [TYPE_FAMILY.bit, '1', 'asc', '3afd80000000000000000089'],
  [TYPE_FAMILY.bit, '11', 'asc', '3afdc000000000000000008a'],
  [TYPE_FAMILY.bit, '0'.repeat(65), 'asc', '3a88880089'],
];

const ORDERED_DECIMALS: [string, string][] = [
  ['1', '2a0200'],
  ['1.1', '2a031400'],
  ['0.1', '291400'],
  ['0.8', '29a000'],
  ['13', '2a1a00'],
  ['13E+1000', '34f701f51a00'],
  ['-1', '24fd00'],
  ['-1.1', '24fceb00'],
  ['-0.8', '255f00'],
  ['-0.0011', '2689e900'],
  ['-13E+1000', '1a86fe0ae500'],
  ['0.0011', '2887fe1600'],
  ['0', '27'],
  ['NaN', '18'],
  ['-Infinity', '19'],
  ['Infinity', '35'],
];

const VALUE_DECIMALS: [string, string][] = [
  ['1', '348901'],
  ['11', '348a0b'],
  ['0.8', '2908'],
  ['0.12345', '293039'],
  ['11E-4', '288a0b'],
  ['-13', '1a8a0d'],
  ['-0', '1a89'],
  ['0', '27'],
  ['0.00', '2889'],
  ['256', '348b0100'],
  ['1300E+998', '34f703ea0514'],
  ['10.000000000000000', '348a2386f26fc10000'],
];

describe('vectors of the format reference', () => {
  it.each(KEYS)('key of family %i %j %s', (family, text, direction, hex) => {
    const writer = new ByteWriter();
    writeKeyDatum(writer, parseDatum(text, type(family)), type(family), direction);
    expect(toHex(writer.finish())).toBe(hex);
    const reader = new ByteReader(fromHex(hex));
    expect(datumText(readKeyDatum(reader, type(family), direction))).toBe(text);
    expect(reader.remaining).toBe(0);
  });

  it.each(ORDERED_DECIMALS)('ordered decimal %s', (text, hex) => {
    const writer = new ByteWriter();
    writeOrderedDecimal(writer, parseDecimal(text), false);
    expect(toHex(writer.finish())).toBe(hex);
    const read = readOrderedDecimal(new ByteReader(fromHex(hex)), false);
    const again = new ByteWriter();
    writeOrderedDecimal(again, read, false);
    expect(toHex(again.finish())).toBe(hex);
  });

  it.each(VALUE_DECIMALS)('decimal value %s', (text, hex) => {
    const writer = new ByteWriter();
    writeValueDecimal(writer, parseDecimal(text));
    expect(toHex(writer.finish())).toBe(hex);
    const bytes = fromHex(hex);
    expect(readValueDecimal(new ByteReader(bytes), bytes.length)).toEqual(parseDecimal(text));
  });

  it('interval of 1 ns, which has no SQL literal', () => {
    const writer = new ByteWriter();
    writeKeyDatum(writer, { kind: 'interval', months: 0n, days: 0n, nanos: 1n }, type(TYPE_FAMILY.interval), 'asc');
    expect(toHex(writer.finish())).toBe('16898888');
  });

  it('descending unsigned integers', () => {
    const cases: [bigint, string][] = [
      [0n, '88'],
      [1n, '87fe'],
      [256n, '86feff'],
      [2n ** 64n - 1n, '800000000000000000'],
    ];
    for (const [value, hex] of cases) {
      const writer = new ByteWriter();
      writer.uvarintDescending(value);
      expect(toHex(writer.finish())).toBe(hex);
      expect(new ByteReader(fromHex(hex)).uvarintDescending()).toBe(value);
    }
  });

  it('value checksum of a real v1.0.7 row', () => {
    expect(toHex(frameValue(fromHex('bb898988'), 0x0a, fromHex('23021302')))).toBe('fb73012a0a23021302');
    expect(toHex(frameValue(null, 0x0a, fromHex('23021302')))).toBe('000000000a23021302');
  });
});

/** A datum or a literal with its type, and CockroachDB's text. */
const TEXTS: [Datum, string][] = [
  [1e15, '1000000000000000'],
  [1e16, '10000000000000000'],
  [1e17, '1e+17'],
  [0.1, '0.10000000000000001'],
  [0.0001, '0.0001'],
  [0.00001, '1.0000000000000001e-05'],
  [123456789.125, '123456789.125'],
  [2 ** -25, '2.9802322387695312e-08'],
  [-0, '-0'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NaN, 'NaN'],
  [{ kind: 'date', days: -719163n }, '0001-12-31 BC'],
  [{ kind: 'date', days: 2932897n }, '10000-01-01'],
  [{ kind: 'timestamp', nanos: -62167219200n * 1_000_000_000n }, '0000-01-01 00:00:00'],
  [{ kind: 'interval', months: -1n, days: 3n, nanos: 3_600_000_000_000n }, '-1 mons +3 days 01:00:00'],
  [{ kind: 'interval', months: 0n, days: -1n, nanos: 1_500_000n }, '-1 days +00:00:00.0015'],
  [{ kind: 'interval', months: 0n, days: 0n, nanos: 360_000_000_000_000n }, '100:00:00'],
  [{ kind: 'array', elements: [true, null, false] }, '{t,NULL,f}'],
  [{ kind: 'array', elements: [1, 1.5, 1e6] }, '{1.0,1.5,1e+06}'],
  [{ kind: 'array', elements: [Uint8Array.of(0, 255)] }, '{"\\\\x00ff"}'],
  [{ kind: 'tuple', elements: [1n, null, 'a"b', ''] }, '(1,,"a""b","")'],
  [{ kind: 'box2d', loX: -1, hiX: 2.5, loY: 0, hiY: 1e21 }, 'BOX(-1 0,2.5 1000000000000000000000)'],
  [{ kind: 'inet', mask: 96, address: fromHex('00000000000000000000ffff01020304') }, '::ffff:1.2.3.4/96'],
  [{ kind: 'inet', mask: 128, address: fromHex('20010db8000000010000000000000001') }, '2001:db8:0:1::1'],
  [{ kind: 'json', value: ['\b\u0001"\\', null] }, '["\\u0008\\u0001\\"\\\\", null]'],
];

describe('texts', () => {
  it.each(TEXTS)('%o prints as %s', (datum, text) => {
    expect(datumText(datum)).toBe(text);
  });
});
