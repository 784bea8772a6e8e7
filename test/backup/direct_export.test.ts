import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type BackupOptions, backup } from '#src/backup/index.js';
import type { RangeScanner, RangeSource, ScanRequest, WorkerHalf } from '#src/cluster/contract.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import { openBackup } from '#src/collection/index.js';
import { compareBytes, printSpan, type Timestamp } from '#src/keys/index.js';
import { temporaryCluster } from '../cluster/temporary_cluster.js';

/*
 * The embedded source's short cut from the store into files: byte for byte what batches give, which any other source hands over.
 */

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

/** The same source as one without the short cut, and how many batches it gave. */
async function withoutShortCut(
  source: RangeSource,
): Promise<{ readonly source: RangeSource; readonly batches: () => number }> {
  const half = source.scanner as WorkerHalf;
  const { openScanner } = (await import(half.module)) as { openScanner(data: unknown): RangeScanner };
  const inner = openScanner(half.data);
  disposals.push(async () => inner.close());
  let batches = 0;
  const scanner: RangeScanner = {
    open(request: ScanRequest) {
      const { next, bytesVisited, indexed, close } = inner.open(request);
      const counted: typeof next = (bytes, offsets) => {
        batches++;
        return next(bytes, offsets);
      };
      return { next: counted, ...(bytesVisited && { bytesVisited }), ...(indexed && { indexed }), close };
    },
    close: () => undefined,
  };
  const plain = new Proxy(source, {
    get: (target, name) => {
      const value: unknown = name === 'scanner' ? scanner : Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { source: plain, batches: () => batches };
}

/** Two databases with rows that were overwritten and deleted, before and after the returned time. */
async function changedCluster(): Promise<{ readonly cluster: EmbeddedCluster; readonly between: Timestamp }> {
  const { cluster, dispose } = await temporaryCluster();
  disposals.push(dispose);
  await workloadInit(cluster, 'movr', { rows: 600 });
  await workloadInit(cluster, 'bank', { rows: 3000 });
  const table = cluster.table('bank.bank');
  const change = (from: number, balance: bigint): void => {
    for (let row = from; row < 3000; row += 41)
      cluster.rows.update(table, [BigInt(row)], new Map([['balance', balance]]));
    for (let row = from + 3; row < 3000; row += 173) cluster.rows.remove(table, [BigInt(row)]);
  };
  change(1, -1n);
  const between = cluster.now();
  change(7, -2n);
  return { cluster, between };
}

type Kept = Pick<BackupOptions, 'compression' | 'revisionHistory' | 'partBytes' | 'targetFileBytes' | 'blockBytes'>;

/** Files of a full as of `between` and of an incremental, as span and bytes; what was looked at; and the results. */
async function taken(cluster: EmbeddedCluster, source: RangeSource, between: Timestamp, end: Timestamp, kept: Kept) {
  const into = ['nodelocal://1/b'];
  const storage = { externalIODir: cluster.externalIODir };
  const common = { source, into, targets: { kind: 'cluster' } as const, storage, workers: 1, ...kept };
  const full = await backup({ ...common, asOf: between });
  const incremental = await backup({ ...common, asOf: end, appendTo: 'LATEST' });
  const { layers } = await openBackup({ uris: into, settings: storage, subdir: 'LATEST' });
  const manifests = await Promise.all(layers.map((layer) => layer.load()));
  const files = manifests.map((manifest, index) =>
    [...manifest.files]
      .sort((a, b) => compareBytes(a.span.key, b.span.key) || compareBytes(a.span.endKey, b.span.endKey))
      .map(({ span, path, entryCounts }) => ({
        span: printSpan(span),
        counts: entryCounts,
        bytes: readFileSync(join(cluster.externalIODir, '1/b', layers[index]!.directory, path)).toString('base64'),
      })),
  );
  rmSync(join(cluster.externalIODir, '1/b'), { recursive: true });
  const facts = [full, incremental].map(({ rows, indexEntries, bytes, reads }) => ({
    rows,
    indexEntries,
    bytes,
    reads,
  }));
  return { files, facts };
}

describe('files that the embedded source encodes itself', () => {
  const kinds: readonly (readonly [string, Kept])[] = [
    ['with the defaults', {}],
    ['uncompressed, every revision', { compression: 'none', revisionHistory: true }],
    [
      'with zstd, cut into many files and parts',
      { compression: 'zstd', partBytes: 64 << 10, targetFileBytes: 64 << 10, blockBytes: 1024 },
    ],
    ['with snappy, cut into many files, every revision', { targetFileBytes: 64 << 10, revisionHistory: true }],
  ];
  test.each(kinds)('%s are those that batches give', async (_, kept) => {
    const { cluster, between } = await changedCluster();
    const end = cluster.now();
    const direct = await taken(cluster, cluster.source(), between, end, kept);
    const plain = await withoutShortCut(cluster.source());
    const batched = await taken(cluster, plain.source, between, end, kept);
    expect(plain.batches()).toBeGreaterThan(10);
    expect(direct.facts.every(({ rows }) => rows > 0)).toBe(true);
    expect(direct.files.flat().length).toBeGreaterThan(kept.targetFileBytes === undefined ? 1 : 8);
    expect(direct.files).toEqual(batched.files);
    expect(direct.facts).toEqual(batched.facts);
  });
});
