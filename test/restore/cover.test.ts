import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes, mergeSpans, type Span } from '#src/keys/index.js';
import { type CoverLayer, coverSpans } from '#src/restore/cover.js';
import { runScript } from '../support/datadriven.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (key: Uint8Array): string => Buffer.from(key).toString();
const time = (wall: number) => ({ wall: BigInt(wall), logical: 0 });

function span(pair: string): Span {
  const [key = '', endKey = ''] = pair.split('-');
  return { key: bytes(key), endKey: bytes(endKey) };
}

function layers(lines: readonly string[]): CoverLayer[] {
  const all: (CoverLayer & { files: CoverLayer['files'][number][] })[] = [];
  for (const line of lines) {
    const [kind, range = '', ...rest] = line.split(' ');
    if (kind === 'layer') {
      const [start, end] = range.split('-').map(Number);
      const option = (name: string) => rest.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
      all.push({
        startTime: time(start!),
        endTime: time(end!),
        spans: (option('spans') ?? '').split(',').map(span),
        introducedSpans: (option('introduced') ?? '').split(',').filter(Boolean).map(span),
        files: [],
        endInclusive: false,
      });
    } else {
      const layer = all.at(-1)!;
      layer.files.push({
        path: `${all.length - 1}/${range}`,
        localityKv: '',
        span: span(range),
        dataBytes: Number(rest[0]),
      });
    }
  }
  return all;
}

test('the covering script holds', () => {
  const wrong = runScript(join(import.meta.dirname, 'testdata/cover.txt'), ({ args, input }) => {
    const option = (name: string) => args.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
    const chain = layers(input);
    try {
      const units = coverSpans({
        spans: args[0]!.split(',').map(span),
        layers: chain,
        cutKeys: (option('cut') ?? '').split(',').filter(Boolean).map(bytes),
        targetBytes: Number(option('target')),
        maxFiles: 200,
      });
      return units
        .map(
          (unit) =>
            `[${text(unit.span.key)},${text(unit.span.endKey)}) ${unit.files.map(({ layer, file }) => chain[layer]!.files[file]!.path).join(' ')}`,
        )
        .join('\n');
    } catch (error) {
      return (error as Error).message;
    }
  });
  expect(wrong).toEqual([]);
});

test('units are disjoint, ordered, inside the request, and hold every file that overlaps it', () => {
  const key = fc.integer({ min: 0, max: 99 }).map((n) => String.fromCharCode(33 + n));
  const pair = fc
    .tuple(key, key)
    .filter(([a, b]) => a < b)
    .map(([a, b]) => ({ key: bytes(a), endKey: bytes(b) }));
  const files = fc.array(fc.tuple(pair, fc.integer({ min: 0, max: 100 })), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(pair, { minLength: 1, maxLength: 4 }),
      fc.array(files, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      (request, perLayer, targetBytes) => {
        const everything = [{ key: bytes(' '), endKey: Uint8Array.of(0xff) }];
        const chain = perLayer.map((list, index) => ({
          startTime: time(index),
          endTime: time(index + 1),
          spans: everything,
          introducedSpans: [],
          endInclusive: false,
          files: list
            .map(([fileSpan, dataBytes], n) => ({ path: `${index}/${n}`, localityKv: '', span: fileSpan, dataBytes }))
            .sort((a, b) => compareBytes(a.span.key, b.span.key)),
        }));
        const units = coverSpans({ spans: request, layers: chain, cutKeys: [], targetBytes, maxFiles: 5 });
        const merged = mergeSpans(request);
        units.forEach((unit, index) => {
          if (index > 0) expect(compareBytes(units[index - 1]!.span.endKey, unit.span.key)).toBeLessThanOrEqual(0);
          expect(
            merged.some(
              (span) => compareBytes(span.key, unit.span.key) <= 0 && compareBytes(unit.span.endKey, span.endKey) <= 0,
            ),
          ).toBe(true);
        });
        // Every single key of the request that a file covers is in exactly one unit that reads that file.
        for (let code = 33; code < 133; code++) {
          const probe = bytes(String.fromCharCode(code));
          const asked = merged.some(
            (span) => compareBytes(span.key, probe) <= 0 && compareBytes(probe, span.endKey) < 0,
          );
          const holding = chain.flatMap((layer, l) =>
            layer.files.flatMap((file, f) =>
              compareBytes(file.span.key, probe) <= 0 && compareBytes(probe, file.span.endKey) < 0 ? [`${l}/${f}`] : [],
            ),
          );
          const unit = units.filter(
            (one) => compareBytes(one.span.key, probe) <= 0 && compareBytes(probe, one.span.endKey) < 0,
          );
          if (!asked || holding.length === 0) continue;
          expect(unit.length).toBe(1);
          const read = new Set(unit[0]!.files.map(({ layer, file }) => `${layer}/${file}`));
          expect(holding.filter((file) => !read.has(file))).toEqual([]);
        }
      },
    ),
  );
});

test('as many files as a large cluster has before the first key of a restore are passed over', () => {
  const key = (value: number): Uint8Array => Buffer.from(value.toString().padStart(8, '0'));
  const count = 300_000;
  const files = Array.from({ length: count }, (_, index) => ({
    path: String(index),
    localityKv: '',
    span: { key: key(index), endKey: key(index + 1) },
    dataBytes: 1,
  }));
  const whole = { key: key(0), endKey: key(count) };
  const layer = { startTime: time(0), endTime: time(1), introducedSpans: [], endInclusive: false };
  const units = coverSpans({
    spans: [{ key: key(count - 1), endKey: key(count) }],
    layers: [{ ...layer, spans: [whole], files }],
    cutKeys: [],
    targetBytes: 100,
    maxFiles: 200,
  });
  expect(units.map((unit) => unit.files.map(({ file }) => file))).toEqual([[count - 1]]);
});
