import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSpanvaultError } from '#src/fault/index.js';
import { ByteReader } from '#src/rows/byte_reader.js';
import { ByteWriter } from '#src/rows/byte_writer.js';
import { type Datum, datumText, isComposite, parseDatum } from '#src/rows/index.js';
import { readKeyDatum, writeKeyDatum } from '#src/rows/key_codec.js';
import { readSingleValue, writeSingleValue } from '#src/rows/single_value.js';
import { readPayload, writeColumnValue } from '#src/rows/value_codec.js';
import { readValueTag, skipPayload } from '#src/rows/value_tag.js';
import { TYPES } from './arbitraries.js';

/** A property whose failure prints its seed. */
function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: 100, verbose: 1 });
}

function keyBytes(datum: Datum, type: (typeof TYPES)[number]['type'], direction: 'asc' | 'desc'): Uint8Array {
  const writer = new ByteWriter();
  writeKeyDatum(writer, datum, type, direction);
  return writer.finish();
}

describe.each(TYPES)('$name', ({ type, datum, inKeys, literal }) => {
  it('survives a tagged value, and skipping it takes the same bytes', () => {
    check(datum, (value) => {
      const writer = new ByteWriter();
      writeColumnValue(writer, 7, value, type);
      writer.byte(0xaa);
      const reader = new ByteReader(writer.finish());
      const tag = readValueTag(reader);
      expect(tag.delta).toBe(7);
      const start = reader.pos;
      expect(readPayload(reader, tag.type, type)).toEqual(value);
      const end = reader.pos;
      expect(reader.remaining).toBe(1);
      reader.pos = start;
      skipPayload(reader, tag.type);
      expect(reader.pos).toBe(end);
    });
  });

  it('survives a value of its own', () => {
    check(datum, (value) => {
      const { tag, data } = writeSingleValue(value, type);
      expect(readSingleValue(new ByteReader(data), tag, type)).toEqual(value);
    });
  });

  it.skipIf(!inKeys)('survives a key in both directions unless composite, and descending reverses the order', () => {
    check(fc.tuple(datum, datum), ([a, b]) => {
      for (const direction of ['asc', 'desc'] as const) {
        const bytes = keyBytes(a, type, direction);
        const reader = new ByteReader(Buffer.concat([bytes, Uint8Array.of(0x88)]));
        const read = readKeyDatum(reader, type, direction);
        expect(reader.remaining).toBe(1);
        if (!isComposite(a) && a !== 0) expect(read).toEqual(a);
        expect(keyBytes(read, type, direction)).toEqual(bytes);
      }
      const ascending = Buffer.compare(keyBytes(a, type, 'asc'), keyBytes(b, type, 'asc'));
      const descending = Buffer.compare(keyBytes(a, type, 'desc'), keyBytes(b, type, 'desc'));
      expect(Math.sign(descending) + Math.sign(ascending)).toBe(0);
    });
  });

  it.skipIf(!literal)('its text parses back to it', () => {
    check(datum, (value) => {
      expect(parseDatum(datumText(value), type)).toEqual(value);
    });
  });

  it('reads arbitrary bytes or says that they are damaged', () => {
    const tags = fc.integer({ min: 0, max: 50 });
    check(fc.tuple(fc.uint8Array({ maxLength: 60 }), tags), ([bytes, tag]) => {
      const attempts = [
        (): unknown => readPayload(new ByteReader(bytes), tag, type),
        (): unknown => readKeyDatum(new ByteReader(bytes), type, 'asc'),
        (): unknown => readKeyDatum(new ByteReader(bytes), type, 'desc'),
        (): unknown => readSingleValue(new ByteReader(bytes), tag, type),
        (): unknown => skipPayload(new ByteReader(bytes), tag),
      ];
      for (const attempt of attempts) {
        try {
          attempt();
        } catch (error) {
          expect(isSpanvaultError(error), String(error)).toBe(true);
        }
      }
    });
  });
});

describe('order of keys', () => {
  const compare = (a: bigint | number, b: bigint | number): number => (a < b ? -1 : a > b ? 1 : 0);
  it.each(['int', 'float'])('%s keys sort as numbers', (name) => {
    const { type, datum } = TYPES.find((candidate) => candidate.name === name)!;
    const numbers = datum.filter((value): value is number | bigint => !Number.isNaN(value as number)) as fc.Arbitrary<
      number | bigint
    >;
    check(fc.tuple(numbers, numbers), ([a, b]) => {
      expect(Buffer.compare(keyBytes(a, type, 'asc'), keyBytes(b, type, 'asc'))).toBe(compare(a, b));
    });
  });

  it('decimal keys sort as numbers', () => {
    const { type, datum } = TYPES.find((candidate) => candidate.name === 'decimal')!;
    const scaled = (value: Datum): bigint => {
      const { negative, coefficient, exponent } = value as Extract<Datum, { kind: 'decimal' }>;
      return (negative ? -1n : 1n) * coefficient * 10n ** BigInt(exponent + 400);
    };
    check(fc.tuple(datum, datum), ([a, b]) => {
      expect(Buffer.compare(keyBytes(a, type, 'asc'), keyBytes(b, type, 'asc'))).toBe(compare(scaled(a), scaled(b)));
    });
  });
});
