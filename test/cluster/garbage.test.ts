import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { backup } from '#src/backup/index.js';
import { BANK_TABLE, type Table, tableSpan } from '#src/catalog/index.js';
import { readVersions } from '#src/cluster/embedded/entries.js';
import { type EmbeddedCluster, openCluster } from '#src/cluster/index.js';
import { compareTimestamps, EMPTY_TIMESTAMP, MAX_TIMESTAMP, type Timestamp } from '#src/keys/index.js';
import { collect, temporaryCluster } from './temporary_cluster.js';

/*
 * gc.ttlseconds on versions: what goes, what stays, who is told that it went, and who holds it back.
 */

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

const TOO_EARLY = /^batch timestamp \d+\.\d{9},\d+ must be after replica GC threshold \d+\.\d{9},\d+$/;
const TTL_MS = 1100;

interface Bank {
  cluster: EmbeddedCluster;
  readonly directory: string;
  readonly table: Table;
}

/** A table whose versions live for a second: ten accounts, of which one changed twice, one is gone and one came back. */
async function bank(): Promise<Bank & { readonly before: Timestamp; readonly between: Timestamp }> {
  const { cluster, directory, dispose } = await temporaryCluster(['']);
  disposals.push(dispose);
  await cluster.createDatabase('bank');
  const [table] = await cluster.createTables('bank', [BANK_TABLE]);
  await ttl(cluster, { kind: 'table', table: 'bank.bank' });
  for (let id = 0n; id < 10n; id++) cluster.rows.insert(table!, [[id, 0n, 'x']]);
  const before = cluster.now();
  cluster.rows.update(table!, [1n], new Map([['balance', 1n]]));
  cluster.rows.remove(table!, [2n]);
  cluster.rows.remove(table!, [3n]);
  const between = cluster.now();
  cluster.rows.update(table!, [1n], new Map([['balance', 2n]]));
  cluster.rows.insert(table!, [[3n, 3n, 'again']]);
  return { cluster, directory, table: table!, before, between };
}

async function ttl(cluster: EmbeddedCluster, target: Parameters<EmbeddedCluster['configureZone']>[0]): Promise<void> {
  await cluster.configureZone(target, { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 1 }] });
}

const versions = ({ cluster, table }: Bank): number =>
  [...readVersions(cluster.core.store, tableSpan(table.id), EMPTY_TIMESTAMP, MAX_TIMESTAMP)].length;
const rows = ({ cluster, table }: Bank, asOf?: Timestamp): Promise<unknown[]> =>
  collect(cluster.rows.select(table, asOf === undefined ? {} : { asOf }));
const threshold = ({ cluster, table }: Bank): Timestamp | undefined =>
  cluster.ranges([tableSpan(table.id)]).find(({ gcThreshold }) => gcThreshold !== undefined)?.gcThreshold;

describe('garbage collection', () => {
  test('erases what no later read sees, and refuses earlier ones', async () => {
    const it = await bank();
    expect(versions(it)).toBe(15);
    const now = await rows(it);
    expect(await it.cluster.collectGarbage(), 'before the time is over').toMatchObject({ versions: 0, finished: true });
    expect(await rows(it, it.before)).toHaveLength(10);
    await sleep(TTL_MS);
    // 1: two of three versions, 2: row and tombstone, 3: row and tombstone under the one that came back.
    expect(await it.cluster.collectGarbage()).toMatchObject({ versions: 6, finished: true });
    expect(versions(it)).toBe(9);
    expect(await rows(it)).toEqual(now);
    await expect(rows(it, it.between)).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(TOO_EARLY),
    });
    const first = threshold(it)!;
    expect(compareTimestamps(it.between, first)).toBeLessThan(0);
    await sleep(20);
    expect((await it.cluster.collectGarbage()).versions).toBe(0);
    expect(compareTimestamps(first, threshold(it)!), 'the threshold only rises').toBeLessThan(0);
    expect(await rows(it)).toEqual(now);
  });

  test('happens when a cluster is opened, and what it did stays', async () => {
    const it = await bank();
    await sleep(TTL_MS);
    await it.cluster.close();
    it.cluster = await openCluster(it.directory, { mapBytes: 2 ** 32 });
    disposals.unshift(() => it.cluster.close());
    expect(versions(it)).toBe(9);
    const reader = await openCluster(it.directory, { mapBytes: 2 ** 32, readOnly: true });
    const late = collect(reader.rows.select(it.table, { asOf: it.between }));
    await expect(late).rejects.toMatchObject({ code: 'SV_COVERAGE' });
    await reader.close();
  });

  test('takes system tables by their own time', async () => {
    const { cluster, dispose } = await temporaryCluster(['']);
    disposals.push(dispose);
    await ttl(cluster, { kind: 'database', name: 'system' });
    const then = cluster.now();
    await cluster.createDatabase('d');
    for (let round = 0; round < 3; round++) {
      const [table] = await cluster.createTables('d', [BANK_TABLE]);
      await cluster.dropTables([table!]);
    }
    expect(cluster.catalog(then).database('d')).toBeUndefined();
    await sleep(TTL_MS);
    expect((await cluster.collectGarbage()).versions).toBeGreaterThanOrEqual(12);
    expect(cluster.catalog().database('d')).toBeDefined();
    expect(() => cluster.catalog(then)).toThrow(TOO_EARLY);
    const { knownSince } = await cluster
      .source()
      .history({ kind: 'databases', names: ['d'] }, EMPTY_TIMESTAMP, cluster.now());
    expect(compareTimestamps(knownSince, then)).toBeGreaterThan(0);
  });

  test('is held back by a running operation, and by protected timestamps over restarts', async () => {
    const it = await bank();
    const release = await it.cluster.source().protect(it.before);
    const { id } = it.cluster.protectTimestamp({ time: it.between, what: 'a chain', spans: [tableSpan(it.table.id)] });
    await sleep(TTL_MS);
    await it.cluster.collectGarbage();
    expect(await rows(it, it.before)).toHaveLength(10);
    await release();
    await it.cluster.close();
    it.cluster = await openCluster(it.directory, { mapBytes: 2 ** 32 });
    disposals.unshift(() => it.cluster.close());
    await it.cluster.collectGarbage();
    await expect(rows(it, it.before)).rejects.toThrow(TOO_EARLY);
    expect(await rows(it, it.between)).toHaveLength(8);
    expect(it.cluster.protectedTimestamps()).toMatchObject([{ id, what: 'a chain', time: it.between }]);
    expect(() =>
      it.cluster.protectTimestamp({ time: it.before, what: 'another', spans: [tableSpan(it.table.id)] }),
    ).toThrow(/^protected ts verification error: cannot protect .* for another, range span: \/Table\/\d+/);
    it.cluster.releaseTimestamp(id);
    expect(() => it.cluster.releaseTimestamp(id)).toThrow(`there is no protected timestamp with id ${id}`);
    await it.cluster.collectGarbage();
    await expect(rows(it, it.between)).rejects.toThrow(TOO_EARLY);
  });

  test('makes an incremental that comes too late impossible, unless its start is protected', async () => {
    const it = await bank();
    await ttl(it.cluster, { kind: 'range', name: 'default' });
    const take = (appendTo?: 'LATEST') =>
      backup({
        source: it.cluster.source(),
        into: ['nodelocal://1/b'],
        targets: { kind: 'databases', names: ['bank'] },
        storage: { externalIODir: it.cluster.externalIODir },
        workers: 1,
        ...(appendTo === undefined ? {} : { appendTo }),
      });
    const full = await take();
    const { id } = it.cluster.protectTimestamp({ time: full.endTime, what: 'the chain', spans: [] });
    it.cluster.rows.remove(it.table, [5n]);
    await sleep(TTL_MS);
    await it.cluster.collectGarbage();
    const second = await take('LATEST');
    expect(second.rows).toBe(1);
    it.cluster.releaseTimestamp(id);
    await sleep(TTL_MS);
    await it.cluster.collectGarbage();
    await expect(take('LATEST')).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(/^protected ts verification error/),
    });
    expect((await take()).rows).toBe(8);
  });
});
