import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Catalog,
  createStatement,
  decodeDescriptor,
  editMessage,
  indexSpans,
  keepingReader,
  readFields,
  resolvePattern,
  resolveTargets,
  rewriteDescriptors,
  setVarint,
  tableDependencies,
  tableSchema,
} from '#src/catalog/index.js';
import { toHex } from '#src/keys/index.js';
import { everyDescriptor, fixtureCatalog, HAS_FIXTURES, manifests } from './fixtures.js';
import { Descriptor as Wrapper } from './messages.js';

function reencode(raw: Uint8Array): Uint8Array {
  return Wrapper.encode(Wrapper.decode(keepingReader(raw))).finish();
}

describe('wire', () => {
  const message = Uint8Array.from([
    0x08, 0x96, 0x01, 0x12, 0x02, 0x61, 0x62, 0x1a, 0x02, 0x08, 0x05, 0x22, 0x02, 0x07, 0x08,
  ]);

  it('reads fields with their places', () => {
    expect(readFields(message).map(({ number, wireType, start, end }) => [number, wireType, start, end])).toEqual([
      [1, 0, 0, 3],
      [2, 2, 3, 7],
      [3, 2, 7, 11],
      [4, 2, 11, 15],
    ]);
  });

  it('edits varints, text, messages and packed lists and keeps the rest', () => {
    const edited = editMessage(message, {
      1: { varint: (value) => value + 150 },
      2: { text: (text) => `${text}c` },
      3: { message: { 1: { varint: () => undefined } } },
      4: { varint: (value) => (value === 7 ? 300 : value) },
    });
    expect(toHex(edited)).toBe('08ac02' + '1203616263' + '1a00' + '2203ac0208');
  });

  it('returns the same bytes when rules change nothing', () => {
    expect(editMessage(message, { 1: { varint: (value) => value }, 3: { message: { 1: { varint: (v) => v } } } })).toBe(
      message,
    );
  });

  it('sets a varint in field order, replaces it and removes it', () => {
    expect(toHex(setVarint(Uint8Array.from([0x08, 1, 0x18, 3]), 2, 9))).toBe('080110091803');
    expect(toHex(setVarint(Uint8Array.from([0x08, 1, 0x10, 3]), 2, 9))).toBe('08011009');
    expect(toHex(setVarint(Uint8Array.from([0x08, 1, 0x10, 3]), 2, 0, false))).toBe('0801');
  });

  it('refuses cut messages at every length and never reads past the end', () => {
    for (const length of [1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]) {
      expect(() => readFields(message.subarray(0, length))).toThrowError(/malformed or cut/);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          for (const { end, valueStart } of readFields(bytes))
            expect(valueStart <= end && end <= bytes.length).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SV_CORRUPT_MANIFEST' });
        }
      }),
    );
  });
});

describe('decodeDescriptor', () => {
  it('refuses bytes that are no descriptor', () => {
    expect(() => decodeDescriptor(new Uint8Array(0))).toThrowError(/is empty/);
    expect(() => decodeDescriptor(Uint8Array.from([0x7a, 0]))).toThrowError(/unknown kind 15/);
    expect(() => decodeDescriptor(Uint8Array.from([0x0a, 2, 0x0a, 5]))).toThrowError(/does not decode/);
  });

  it('never throws anything but a SpanvaultError on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeDescriptor(bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: 'SpanvaultError' });
        }
      }),
    );
  });
});

describe.skipIf(!HAS_FIXTURES)('real descriptors', () => {
  const all = HAS_FIXTURES ? everyDescriptor() : [];

  it('decode with id, name and state', () => {
    expect(all.length).toBeGreaterThan(130);
    for (const { descriptor } of all) {
      expect(descriptor.id).toBeGreaterThan(0);
      expect(descriptor.name).not.toBe('');
    }
  });

  it('keep their bytes; the typed message encodes to the same fields', () => {
    for (const { descriptor } of all) {
      const encoded = reencode(descriptor.raw);
      // Mutations and the oldest releases have another order of fields; the sum of bytes is the same.
      expect(encoded.length, descriptor.name).toBe(descriptor.raw.length);
      expect(Buffer.from(encoded).sort().equals(Buffer.from(descriptor.raw).sort()), descriptor.name).toBe(true);
    }
    const exact = all.filter(({ descriptor }) => Buffer.compare(reencode(descriptor.raw), descriptor.raw) === 0);
    expect(all.length - exact.length).toBe(12);
  });

  it('give a schema to the row codec, with enum members resolved', () => {
    for (const manifest of manifests()) {
      const catalog = fixtureCatalog(manifest.slice(0, manifest.indexOf('/')));
      for (const table of catalog.tables()) {
        const schema = tableSchema(catalog, table);
        expect(schema.columns.length).toBe(table.message.columns.length);
      }
    }
    const types = fixtureCatalog('v21.1-types');
    const schema = tableSchema(types, resolvePattern(types, 'tt.alltypes', 'defaultdb')[0]!);
    const column = (name: string) => schema.columns.find((one) => one.name === name)!.type;
    expect(column('m').enumMembers?.map(({ logical }) => logical)).toEqual(['sad', 'ok', 'happy']);
    expect(column('am').arrayContents?.enumMembers?.map(({ logical }) => logical)).toEqual(['sad', 'ok', 'happy']);
    expect(column('ai').arrayContents).toMatchObject({ family: 1, width: 64, oid: 20 });
  });

  it('resolve names as SQL does', () => {
    const catalog = fixtureCatalog('v21.1-types');
    const names = (text: string, current = 'tt') => resolvePattern(catalog, text, current).map(({ name }) => name);
    expect(names('idx')).toEqual(['idx']);
    expect(names('TT.idx', 'x')).toEqual(['idx']);
    expect(names('sc.inschema')).toEqual(['inschema']);
    expect(names('tt.sc."inschema"', 'x')).toEqual(['inschema']);
    expect(names('tt.sc.*', 'x')).toEqual(['inschema']);
    expect(names('sc.*')).toEqual(['inschema']);
    expect(names('tt.*', 'x')).toContain('alltypes');
    expect(() => names('nope')).toThrowError('table "nope" does not exist');
    expect(() => names('tt.nope')).toThrowError('table "tt.nope" does not exist');
    expect(() => names('nodb.*')).toThrowError('database "nodb" does not exist');
    expect(() => names('a.b.c.d')).toThrowError(/invalid table name/);
    expect(catalog.qualifiedName(catalog.tableById(63)!)).toBe('tt.sc.inschema');
  });

  it('resolve targets with everything that they stand on', () => {
    const catalog = fixtureCatalog('v21.1-types');
    const one = resolveTargets(catalog, { kind: 'tables', patterns: ['sc.inschema'], currentDatabase: 'tt' });
    expect(one.descriptors.map(({ name }) => name)).toEqual(['tt', 'mood', '_mood', 'sc', 'inschema']);
    const whole = resolveTargets(catalog, { kind: 'databases', names: ['tt'] });
    expect(whole.completeDatabases.map(({ id }) => id)).toEqual([52]);
    expect(whole.descriptors.length).toBe(catalog.descriptors.length);
    const cluster = fixtureCatalog('v21.1-cluster');
    const all = resolveTargets(cluster, { kind: 'cluster' });
    expect(all.tables.length).toBe(16);
    expect(all.descriptors.length).toBe(cluster.descriptors.length);
  });

  it('give the spans of public and being-added indexes', () => {
    const cluster = fixtureCatalog('v21.1-cluster');
    const spans = indexSpans(resolvePattern(cluster, 'movr.rides', ''));
    expect(spans.map(({ key, endKey }) => [toHex(key), toHex(endKey)])).toEqual([['bf89', 'bf8c']]);
    const types = fixtureCatalog('v21.1-types');
    expect(indexSpans(resolvePattern(types, 'tt.v', ''))).toEqual([]);
    expect(Catalog.decode([]).tables()).toEqual([]);
    const old = fixtureCatalog('v1.0.7');
    const t3 = old.tables().find(({ name }) => name === 't3')!;
    const t4 = old.tables().find(({ name }) => name === 't4')!;
    expect(indexSpans([t4])).toEqual(indexSpans([t3]));
  });

  it('damaged ones are refused with a SpanvaultError, or read as something else, but nothing crashes', () => {
    const catalog = fixtureCatalog('v21.1-types');
    const ids = new Map(catalog.descriptors.map(({ id }) => [id, id + 1000]));
    const use = (raw: Uint8Array): void => {
      const descriptor = decodeDescriptor(raw);
      rewriteDescriptors([descriptor], { ids, missing: 'drop' });
      if (descriptor.kind !== 'table') return;
      const damaged = catalog.with([descriptor]);
      indexSpans([descriptor]);
      tableSchema(damaged, descriptor);
      tableDependencies(descriptor);
      createStatement(damaged, descriptor, { qualified: true });
    };
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (pick, place, flip, cut) => {
        const { raw } = catalog.descriptors[pick % catalog.descriptors.length]!;
        const bytes = Uint8Array.from(cut ? raw.subarray(0, place % raw.length) : raw);
        if (!cut) bytes[place % bytes.length]! ^= flip;
        try {
          use(bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: 'SpanvaultError' });
        }
      }),
      { numRuns: 1500 },
    );
  });
});
