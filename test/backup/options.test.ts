import { describe, expect, it } from 'vitest';
import { type BackupOptions, backup } from '#src/backup/index.js';
import { parseClusterVersion, resolveBackupOptions } from '#src/backup/options.js';
import { OwnStore } from '../e2e/own_store.js';

const BASE: BackupOptions = {
  source: new OwnStore().source(),
  into: ['memory://options'],
  targets: { kind: 'spans', spans: [] },
};
const refusal = (options: Partial<BackupOptions>): string => {
  try {
    resolveBackupOptions({ ...BASE, ...options });
    return 'accepted';
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
};

describe('options of a backup', () => {
  it('have defaults', () => {
    const { sst, partBytes, partsInFlight, batchBytes, taskBytes, clusterVersion } = resolveBackupOptions(BASE);
    expect(sst).toEqual({
      compression: 'snappy',
      level: 1,
      blockBytes: 32768,
      restartInterval: 16,
      targetFileBytes: 134217728,
      rowBoundary: 'key',
      clearValueChecksums: false,
    });
    expect([partBytes, partsInFlight, batchBytes, taskBytes]).toEqual([8388608, 4, 1048576, 134217728]);
    expect(clusterVersion).toEqual({ major: 23, minor: 1, patch: 0, internal: 0 });
  });

  it('keep the families of a row together where there are tables', () => {
    expect(resolveBackupOptions({ ...BASE, targets: { kind: 'cluster' } }).sst.rowBoundary).toBe('sql');
  });

  it('are bounded: the option, its value and its bounds are named', () => {
    expect(refusal({ blockBytes: 1023 })).toBe('SV_USAGE: blockBytes 1023 is not a whole number from 1024 to 1048576');
    expect(refusal({ blockBytes: 1048577 })).toContain('blockBytes 1048577');
    expect(refusal({ targetFileBytes: 65535 })).toBe(
      'SV_USAGE: targetFileBytes 65535 is not a whole number from 65536 to 4294967296',
    );
    expect(refusal({ partBytes: Number.NaN })).toContain('partBytes NaN');
    expect(refusal({ partsInFlight: 0 })).toBe('SV_USAGE: partsInFlight 0 is not a whole number from 1 to 64');
    expect(refusal({ partsInFlight: 65 })).toContain('partsInFlight 65');
    expect(refusal({ batchBytes: 16384.5 })).toContain('batchBytes 16384.5');
    for (const workers of [-1, 1.5, 257]) {
      expect(refusal({ workers })).toBe(`SV_USAGE: workers ${workers} is not a whole number from 0 to 256`);
    }
    for (const compressionLevel of [-8, 20, 1.5]) {
      expect(refusal({ compressionLevel })).toContain(`compressionLevel ${compressionLevel} is not a whole number`);
    }
    expect(refusal({ compression: 'lz4' as 'zstd' })).toBe('SV_USAGE: compression "lz4" is not none, snappy or zstd');
    expect(refusal({ blockBytes: 1024, targetFileBytes: 4294967296, workers: 0, compressionLevel: -7 })).toBe(
      'accepted',
    );
  });

  it('parse cluster versions', () => {
    expect(parseClusterVersion('21.2-4')).toEqual({ major: 21, minor: 2, patch: 0, internal: 4 });
    for (const text of ['', '23', 'v23.1', '23.1.2', '23.1-', ' 23.1', '-1.1']) {
      expect(() => parseClusterVersion(text), text).toThrow(/is not of the form 23\.1/);
    }
  });

  it('know what the version that is to restore it can read', () => {
    expect(refusal({ clusterVersion: '20.2', compression: 'snappy' })).toBe('accepted');
    expect(refusal({ clusterVersion: '20.1' })).toBe(
      'SV_USAGE: cluster version 20.1 is older than 20.2, the first that restores backups of this form',
    );
    expect(refusal({ clusterVersion: '19.2-4' })).toContain('is older than 20.2');
    expect(refusal({ clusterVersion: '20.2', compression: 'zstd' })).toBe(
      'SV_USAGE: cluster version 20.2 does not read zstd blocks, 21.1 does',
    );
    expect(refusal({ clusterVersion: '21.1', compression: 'zstd' })).toBe('accepted');
  });

  it('that are wrong, and a time in the future, are refused before the store is asked for anything', async () => {
    const asked: string[] = [];
    const store = new OwnStore().source();
    const source = new Proxy(store, {
      get(target, name) {
        if (name !== 'now') asked.push(String(name));
        return Reflect.get(target, name) as unknown;
      },
    });
    await expect(backup({ ...BASE, source, blockBytes: 1 })).rejects.toMatchObject({ code: 'SV_USAGE' });
    const future = { wall: store.now().wall + 1n, logical: 0 };
    await expect(backup({ ...BASE, source, asOf: future })).rejects.toMatchObject({
      code: 'SV_USAGE',
      message: expect.stringContaining('AS OF SYSTEM TIME: cannot specify timestamp in the future') as string,
    });
    expect(asked).toEqual([]);
  });
});
