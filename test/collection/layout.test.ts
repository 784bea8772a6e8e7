import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fullSubdir,
  goTimeText,
  incrementalDirectory,
  incrementalDirectoryWithStart,
  indexDirectory,
  indexName,
  latestName,
  latestTimeText,
  normalizeSubdir,
  parseIndexName,
  partName,
  splitSubdir,
  sstPath,
} from '#src/collection/index.js';
import { uniqueInt, uniqueTick } from '#src/keys/index.js';

const wall = (text: string, nanos = 0) => BigInt(Date.parse(text)) * 1_000_000n + BigInt(nanos);
const ts = (text: string, nanos = 0) => ({ wall: wall(text, nanos), logical: 0 });

describe('names (crdb-format.md 1.2 and A.1)', () => {
  it('takes directories from end times, truncating', () => {
    expect(fullSubdir(ts('2023-02-23T15:09:25.629Z', 999_999))).toBe('/2023/02/23-150925.62');
    expect(fullSubdir(ts('2023-12-31T23:59:59.999Z', 999_999))).toBe('/2023/12/31-235959.99');
    expect(incrementalDirectory(ts('2023-02-23T15:30:00Z'))).toBe('/20230223/153000.00');
    expect(incrementalDirectoryWithStart(ts('2023-02-23T15:30:00Z'), ts('2023-02-23T15:09:25.62Z'))).toBe(
      '/20230223/153000.00-20230223-150925.62',
    );
  });

  it('names LATEST files', () => {
    const name = 'LATEST-13cdcfcdccd2cfcdd2cdccdfcecac5cfc6c5cdcad1c9cdcac8c8c8dfd4cfcfcfcfdfaaabbcfffe';
    expect(goTimeText(wall('2023-02-23T15:09:25.625Z', 777_000))).toBe('2023-02-23 15:09:25.625777 +0000 UTC');
    expect(latestName(wall('2023-02-23T15:09:25.625Z', 777_000))).toBe(name);
    expect(latestTimeText(name)).toBe('2023-02-23 15:09:25.625777 +0000 UTC');
    expect([latestTimeText('LATEST'), latestTimeText('LATEST-13zz'), latestTimeText('LATEST-13fe')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(goTimeText(wall('2023-02-23T15:09:25Z'))).toBe('2023-02-23 15:09:25 +0000 UTC');
  });

  it('sorts later LATEST names first, down to the nanosecond', () => {
    const times = fc.bigInt({ min: wall('2015-01-01T00:00:00Z'), max: wall('2200-01-01T00:00:00Z') });
    fc.assert(
      fc.property(times, times, (a, b) => {
        fc.pre(a < b);
        expect(latestName(a) > latestName(b)).toBe(true);
      }),
      { verbose: true },
    );
  });

  it('names index entries', () => {
    const [noon, one] = [ts('2025-08-13T12:00:00Z'), ts('2025-08-13T13:00:00Z')];
    expect(indexDirectory(noon)).toBe('metadata/index/82fe675cb2d5ff_20250813-120000.00/');
    expect(indexName(noon, undefined)).toBe('82fe675cb2d5ff_0_20250813-120000.00_metadata.pb');
    expect(indexName(one, noon)).toBe('82fe675c7be77f_20250813-120000.00_20250813-130000.00_metadata.pb');
    expect(parseIndexName(indexName(one, noon))).toEqual({ start: '20250813-120000.00', end: '20250813-130000.00' });
    expect(parseIndexName(indexName(noon, undefined)).start).toBeUndefined();
    expect(() => parseIndexName('a_b_metadata.pb')).toThrow('invalid index filename format: a_b_metadata.pb');
  });

  it('numbers SSTs by ticks and node', () => {
    const nanos = 1_420_070_400n * 1_000_000_000n + 18_360_735_489_305n * 10_000n;
    expect(uniqueInt(uniqueTick(nanos), 1)).toBe(601644580513546241n);
    expect(sstPath(601644580513546241n)).toBe('data/601644580513546241.sst');
  });

  it('names partition descriptors', () => {
    expect(partName(1, 'region=us-west')).toBe('BACKUP_PART_1_region=us-west');
    expect(partName(12, 'az=a/b c.é')).toBe('BACKUP_PART_12_az=a_b_c___');
  });

  it('normalises subdirectories, or says how they look', () => {
    for (const text of [
      '2023/02/23-150925.62',
      '/2023/02/23-150925.62',
      '/2023/02/23-150925.62/',
      '2023/02/23-150925.62/',
    ]) {
      expect(normalizeSubdir(text)).toBe('/2023/02/23-150925.62');
    }
    for (const text of [
      '',
      'foo',
      '2023/02/23',
      '2023/02/23-150925',
      '//2023/02/23-150925.62',
      '2023/02/23-150925.621',
      '../2023/02/23-150925.62',
    ]) {
      expect(() => normalizeSubdir(text)).toThrow(
        `provided subdir "${text}" does not match expected format YYYY/MM/DD-HHMMSS.SS`,
      );
    }
    expect(splitSubdir('/a/b/2023/02/23-150925.62/')).toEqual({ root: '/a/b', subdir: '/2023/02/23-150925.62' });
    expect(splitSubdir('/a/b')).toBeUndefined();
  });
});
