import { describe, expect, it } from 'vitest';
import { assembleManifest, type ManifestFacts, type PlacedExport } from '#src/backup/assemble.js';
import { EMPTY_TIMESTAMP } from '#src/keys/index.js';

const key = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const span = (from: string, to: string) => ({ key: key(from), endKey: key(to) });

const facts = (major: number, more: Partial<ManifestFacts> = {}): ManifestFacts => ({
  scope: {
    spans: [span('m', 'z'), span('a', 'f'), span('f', 'm')],
    descriptors: [Uint8Array.of(1), Uint8Array.of(2)],
    completeDatabases: [52],
    coverage: 'cluster',
  },
  startTime: EMPTY_TIMESTAMP,
  endTime: { wall: 10n, logical: 2 },
  allRevisions: false,
  clusterId: new Uint8Array(16).fill(1),
  id: new Uint8Array(16).fill(2),
  coordinator: 3,
  clusterVersion: { major, minor: 1, patch: 0, internal: 0 },
  localities: ['region=us-west'],
  partitionNames: ['BACKUP_PART_1_region=us-west'],
  statisticsFilenames: new Map([[54, 'BACKUP-STATISTICS']]),
  ...more,
});

const file = (from: string, to: string, localityKv: string, n: number): PlacedExport => ({
  name: `data/${n}.sst`,
  span: span(from, to),
  rows: n,
  indexEntries: 2 * n,
  dataBytes: 10 * n,
  fileBytes: 5 * n,
  localityKv,
  nodeId: n,
});

const FILES = [file('m', 'z', '', 3), file('a', 'c', 'region=us-west', 1), file('c', 'm', '', 2)];

describe('assembleManifest', () => {
  it('sorts files by span, merges spans and sums the counts', () => {
    const manifest = assembleManifest(facts(23), FILES);
    expect(manifest.files.map((one) => [one.path, one.localityKv])).toEqual([
      ['data/1.sst', 'region=us-west'],
      ['data/2.sst', ''],
      ['data/3.sst', ''],
    ]);
    expect(manifest.spans).toEqual([span('a', 'z')]);
    expect(manifest.entryCounts).toEqual({ dataSize: 60n, rows: 6n, indexEntries: 12n });
    expect(manifest.files[1]!.entryCounts).toEqual({ dataSize: 20n, rows: 2n, indexEntries: 4n });
  });

  it('tells what crdb-format.md, section 15, asks of a full backup', () => {
    const manifest = assembleManifest(facts(23), FILES);
    expect(manifest).toMatchObject({
      startTime: EMPTY_TIMESTAMP,
      endTime: { wall: 10n, logical: 2 },
      formatVersion: 1,
      completeDbs: [52],
      mvccFilter: 'latest',
      elidedPrefix: 'none',
      descriptorCoverage: 'cluster',
      introducedSpans: [],
      revisionStartTime: EMPTY_TIMESTAMP,
      nodeId: 3,
      localityKvs: ['region=us-west'],
      partitionDescriptorFilenames: ['BACKUP_PART_1_region=us-west'],
    });
    expect([...manifest.statisticsFilenames]).toEqual([[54, 'BACKUP-STATISTICS']]);
    expect(manifest.descriptors).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
    expect(manifest.buildInfo.tag).toBe('spanvault');
  });

  it('tells physical sizes only to versions that have such a field', () => {
    expect(assembleManifest(facts(23), FILES).files[0]).toMatchObject({
      backingFileSize: 0n,
      approximatePhysicalSize: 0n,
    });
    expect(assembleManifest(facts(24), FILES).files[0]).toMatchObject({
      backingFileSize: 5n,
      approximatePhysicalSize: 5n,
    });
  });

  it('marks revision history', () => {
    const startTime = { wall: 4n, logical: 0 };
    const manifest = assembleManifest(facts(23, { allRevisions: true, startTime }), FILES);
    expect([manifest.mvccFilter, manifest.revisionStartTime]).toEqual(['all', startTime]);
  });

  it('makes a manifest of nothing', () => {
    const manifest = assembleManifest(facts(23), []);
    expect([manifest.files, manifest.entryCounts.rows]).toEqual([[], 0n]);
  });
});
