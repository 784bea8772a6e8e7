import { describe, expect, it } from 'vitest';
import { assembleManifest, type ManifestFacts, type PlacedExport } from '#src/backup/assemble.js';
import { EMPTY_TIMESTAMP } from '#src/keys/index.js';

const key = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const span = (from: string, to: string) => ({ key: key(from), endKey: key(to) });

const facts = (major: number, more: Partial<ManifestFacts> = {}): ManifestFacts => ({
  scope: {
    spans: [span('a', 'z')],
    descriptors: [Uint8Array.of(1), Uint8Array.of(2)],
    completeDatabases: [52],
    coverage: 'cluster',
  },
  spans: [span('a', 'z')],
  introducedSpans: [],
  descriptorChanges: [],
  revisionStartTime: EMPTY_TIMESTAMP,
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
  startTime: EMPTY_TIMESTAMP,
  endTime: { wall: 10n, logical: 2 },
});

const FILES = [file('m', 'z', '', 3), file('a', 'c', 'region=us-west', 1), file('c', 'm', '', 2)];

describe('assembleManifest', () => {
  it('sorts files by span and sums the counts', () => {
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
    const more = { allRevisions: true, startTime, revisionStartTime: startTime };
    const manifest = assembleManifest(facts(23, more), FILES);
    expect([manifest.mvccFilter, manifest.revisionStartTime]).toEqual(['all', startTime]);
  });

  it('tells the times of files that hold introduced spans, and of no others', () => {
    const startTime = { wall: 4n, logical: 0 };
    const introduced = { ...file('c', 'f', '', 4), startTime: EMPTY_TIMESTAMP, endTime: startTime };
    const own = { ...file('c', 'f', '', 5), startTime };
    const { files } = assembleManifest(facts(23, { startTime, introducedSpans: [span('c', 'f')] }), [own, introduced]);
    expect(files.map(({ path, startTime: from, endTime: to }) => [path, from, to])).toEqual([
      ['data/5.sst', EMPTY_TIMESTAMP, EMPTY_TIMESTAMP],
      ['data/4.sst', EMPTY_TIMESTAMP, startTime],
    ]);
  });

  it('makes a manifest of nothing', () => {
    const manifest = assembleManifest(facts(23), []);
    expect([manifest.files, manifest.entryCounts.rows]).toEqual([[], 0n]);
  });
});
