import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, fromHex, toHex } from '#src/keys/index.js';
import {
  CHECKSUM_SUFFIX,
  decodeIndexMetadata,
  decodeManifest,
  decodePartitionDescriptor,
  decodeStatistics,
  EMPTY_FILE,
  EMPTY_MANIFEST,
  encodeFile,
  encodeIndexMetadata,
  encodeManifest,
  encodePartitionDescriptor,
  encodeStatistics,
  manifestChecksum,
} from '#src/manifest/index.js';

const FIXTURES = fileURLToPath(new URL('../../../shared/fixtures/cockroach-backups/', import.meta.url));
const there = existsSync(FIXTURES);
if (!there) console.warn('skipped: manifests of real CockroachDB backups; ../shared/fixtures does not exist');

const all = there ? readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' }) : [];
const clear = all.filter((name) => !name.includes('encrypted'));
const manifests = clear.filter((name) => /\/(BACKUP|BACKUP_MANIFEST)$/.test(name));
const parts = clear.filter((name) => /\/BACKUP_PART_[^/]*$/.test(name));
const statistics = clear.filter((name) => name.endsWith('/BACKUP-STATISTICS'));

function load(name: string): Uint8Array {
  const stored = readFileSync(join(FIXTURES, name));
  return stored[0] === 0x1f ? gunzipSync(stored) : stored;
}

/** Top-level fields of a message, in order, without those in `skip`. */
function withoutFields(bytes: Uint8Array, skip: readonly number[]): Uint8Array {
  const reader = protobuf.Reader.create(bytes);
  const kept: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    reader.skipType(tag & 7);
    if (!skip.includes(tag >>> 3)) kept.push(bytes.subarray(start, reader.pos));
  }
  return concatBytes(...kept);
}

/** Of the 21.1 chain, only the full is CockroachDB's own writing; the incrementals and the revisions were arranged later. */
const own = manifests.filter(
  (name) => name.includes('v21.1') && !name.includes('revisions') && !/\/\d{8}\//.test(name),
);

describe.skipIf(!there)('real manifests', () => {
  it('are there', () => {
    expect([manifests.length, parts.length, statistics.length]).toEqual([16, 3, 6]);
  });

  it.each(manifests)('%s decodes and encodes to the same bytes', (name) => {
    const bytes = load(name);
    const manifest = decodeManifest(bytes, name);
    expect(equalBytes(encodeManifest(manifest), bytes)).toBe(true);
    // Lists replaced by equal ones go through our own encoder but for each file's own message.
    const replaced = {
      ...manifest,
      files: manifest.files.map((file) => ({ ...file })),
      spans: [...manifest.spans],
      descriptors: [...manifest.descriptors],
    };
    expect(equalBytes(encodeManifest(replaced), bytes)).toBe(true);
  });

  it.each(own)('%s is what our encoder makes of its plain values', (name) => {
    const bytes = load(name);
    // structuredClone drops the remembered message.
    const made = encodeManifest(structuredClone(decodeManifest(bytes, name)));
    // 7 (dir) is informative and empty with us; 25 (cluster_version) came after this build of 21.1.
    expect(toHex(withoutFields(made, [7, 25]))).toBe(toHex(withoutFields(bytes, [7])));
  });

  it.each(parts)('%s decodes and encodes to the same bytes', (name) => {
    const bytes = load(name);
    const part = decodePartitionDescriptor(bytes, name);
    expect(part.localityKv).toBe('region=us-west');
    expect(part.files.every((file) => file.localityKv === 'region=us-west')).toBe(true);
    expect(equalBytes(encodePartitionDescriptor(part), bytes)).toBe(true);
  });

  it.each(statistics)('%s decodes and encodes to the same bytes', (name) => {
    const bytes = load(name);
    const decoded = decodeStatistics(bytes, name);
    expect(decoded.length > 0).toBe(bytes.length > 0);
    expect(toHex(encodeStatistics(decoded))).toBe(toHex(bytes));
  });

  const summed = all.filter(
    (name) => name.endsWith(CHECKSUM_SUFFIX) && all.includes(name.slice(0, -CHECKSUM_SUFFIX.length)),
  );
  it.each(summed)('%s holds', (name) => {
    const stored = readFileSync(join(FIXTURES, name.slice(0, -CHECKSUM_SUFFIX.length)));
    expect(toHex(manifestChecksum(stored))).toBe(toHex(readFileSync(join(FIXTURES, name))));
  });
});

describe('manifest codec', () => {
  it('writes a file entry as CockroachDB does (crdb-format.md A.4)', () => {
    const file = {
      ...EMPTY_FILE,
      span: { key: fromHex('bd89'), endKey: fromHex('bd8a') },
      path: '599877416596144131.sst',
      sha512: new Uint8Array(64).fill(0xab),
      entryCounts: { dataSize: 19n, rows: 1n, indexEntries: 0n },
    };
    const path = toHex(Buffer.from(file.path));
    expect(toHex(encodeFile(file))).toBe(`0a081a02bd892202bd8a1216${path}2240${'ab'.repeat(64)}3204081310013a004200`);
  });

  it('keeps 64-bit numbers exact', () => {
    const file = { ...EMPTY_FILE, path: 'x', backingFileSize: 2n ** 64n - 1n, approximatePhysicalSize: 2n ** 53n + 1n };
    const manifest = {
      ...EMPTY_MANIFEST,
      startTime: { wall: 2n ** 63n - 1n, logical: 2 ** 31 - 1 },
      endTime: { wall: -1n, logical: 0 },
      files: [file],
      entryCounts: { dataSize: 2n ** 62n + 3n, rows: 1n, indexEntries: 0n },
    };
    const back = decodeManifest(encodeManifest(manifest), 'm');
    expect(back.startTime).toEqual(manifest.startTime);
    expect(back.endTime).toEqual(manifest.endTime);
    expect(back.entryCounts).toEqual(manifest.entryCounts);
    expect(back.files[0]).toMatchObject({ backingFileSize: 2n ** 64n - 1n, approximatePhysicalSize: 2n ** 53n + 1n });
  });

  it('keeps unknown fields of the manifest and of its files through changes', () => {
    const unknown = fromHex('fa07 03 010203');
    const file = concatBytes(encodeFile({ ...EMPTY_FILE, path: 'a' }), unknown);
    const bytes = concatBytes(encodeManifest(EMPTY_MANIFEST), Uint8Array.of(0x22, file.length), file, unknown);
    const manifest = decodeManifest(bytes, 'm');
    const changed = encodeManifest({
      ...manifest,
      nodeId: 5,
      files: manifest.files.map((entry) => ({ ...entry, path: 'b' })),
    });
    expect(toHex(changed).split('fa0703010203').length - 1).toBe(2);
    expect(decodeManifest(changed, 'm')).toMatchObject({ nodeId: 5, files: [{ path: 'b' }] });
  });

  it('tells a deleted descriptor from an empty one', () => {
    const time = { wall: 5n, logical: 0 };
    const descriptorChanges = [
      { time, id: 1, desc: undefined },
      { time, id: 2, desc: new Uint8Array(0) },
    ];
    const back = decodeManifest(encodeManifest({ ...EMPTY_MANIFEST, descriptorChanges }), 'm');
    expect(back.descriptorChanges.map(({ desc }) => desc?.length)).toEqual([undefined, 0]);
  });

  it('encodes index entries', () => {
    const index = {
      startTime: { wall: 1n, logical: 2 },
      endTime: { wall: 3n, logical: 0 },
      path: '/2025/08/13-120000.00',
      isCompacted: true,
      mvccFilter: 'all' as const,
      revisionStartTime: { wall: 0n, logical: 0 },
    };
    expect(decodeIndexMetadata(encodeIndexMetadata(index), 'i')).toMatchObject(index);
  });

  it('names what does not decode', () => {
    const bytes = encodeManifest({ ...EMPTY_MANIFEST, id: new Uint8Array(16) });
    expect(() => decodeManifest(bytes.subarray(0, -1), 'BACKUP_MANIFEST')).toThrow(
      expect.objectContaining({
        code: 'SV_CORRUPT_MANIFEST',
        message: expect.stringMatching(/^BACKUP_MANIFEST does not decode: byte \d+ of \d+/) as string,
      }),
    );
    expect(() => decodeManifest(fromHex('e00109'), 'm')).toThrow(
      expect.objectContaining({ code: 'SV_UNSUPPORTED_FORMAT' }),
    );
  });
});
