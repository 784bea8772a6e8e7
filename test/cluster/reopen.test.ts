import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { BANK_TABLE, indexPrefix, prefixSpan } from '#src/catalog/index.js';
import { initCluster, openCluster } from '#src/cluster/index.js';
import { compareTimestamps, fromHex, parseLocality, prefixEnd } from '#src/keys/index.js';
import { native } from '#src/native/index.js';
import { collect, temporaryCluster, temporaryDirectory } from './temporary_cluster.js';

const OPTIONS = { mapBytes: 2 ** 32 };
const disposals: (() => unknown)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

/** A closed cluster with an empty bank table. */
async function bankCluster(): Promise<string> {
  const directory = temporaryDirectory();
  disposals.push(() => directory.remove());
  await initCluster(directory.path, { nodes: [parseLocality('region=a')], ...OPTIONS });
  const cluster = await openCluster(directory.path, OPTIONS);
  await cluster.createDatabase('bank');
  await cluster.createTables('bank', [BANK_TABLE]);
  await cluster.close();
  return directory.path;
}

function startChild(mode: string, directory: string): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash_child.mjs'), mode, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  disposals.push(() => child.kill('SIGKILL'));
  return child;
}

/** Reads `count` lines of the child, kills it with SIGKILL and waits until it is gone. */
async function killAfter(child: ChildProcess, count: number): Promise<string[]> {
  const lines: string[] = [];
  const gone = new Promise((resolve) => child.once('exit', resolve));
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    if (lines.length === count) child.kill('SIGKILL');
  }
  await gone;
  return lines;
}

describe('a cluster that was killed', () => {
  test('has every row whose insert had returned, and time goes on', async () => {
    const directory = await bankCluster();
    const lines = await killAfter(startChild('insert', directory), 20);
    expect(lines.length).toBeGreaterThanOrEqual(20);
    const cluster = await openCluster(directory, OPTIONS);
    disposals.push(() => cluster.close());
    const rows = await collect(cluster.rows.select(cluster.table('bank.bank')));
    expect(rows.slice(0, lines.length).map(([id]) => Number(id))).toEqual(lines.map(Number));
    const before = cluster.now();
    cluster.rows.insert(cluster.table('bank.bank'), [[-1n, 0n, 'after']]);
    expect(compareTimestamps(cluster.now(), before)).toBeGreaterThan(0);
    expect(await collect(cluster.rows.select(cluster.table('bank.bank'), { key: [-1n] }))).toHaveLength(1);
    expect(await collect(cluster.rows.select(cluster.table('bank.bank'), { key: [-1n], asOf: before }))).toHaveLength(
      0,
    );
  });

  test('erases an unfinished restore', async () => {
    const directory = await bankCluster();
    const [prefix] = await killAfter(startChild('restore', directory), 1);
    const key = fromHex(prefix!);
    const count = async (store: number): Promise<number> =>
      (await native.storeStats(store, key, prefixEnd(key), 1e9, 1e9)).entries;
    const store = native.openStore(join(directory, 'data'), OPTIONS.mapBytes);
    expect(await count(store)).toBe(1);
    const cluster = await openCluster(directory, OPTIONS);
    disposals.push(() => cluster.close());
    expect(cluster.recovered).toEqual(['RESTORE']);
    expect(await count(store)).toBe(0);
    native.closeStore(store);
    expect(cluster.catalog().database('copy')).toBeUndefined();
    expect(cluster.catalog().database('bank')).toBeDefined();
  });
});

describe('a change of the schema that was killed', () => {
  test.each([
    ['index', 'CREATE INDEX'],
    ['column', 'ADD COLUMN'],
  ])('%s: nothing of it is left, and it works the next time', async (mode, what) => {
    const directory = await bankCluster();
    await killAfter(startChild(mode, directory), 2);
    const cluster = await openCluster(directory, OPTIONS);
    disposals.push(() => cluster.close());
    expect(cluster.recovered).toEqual([what]);
    const table = cluster.table('bank.bank');
    expect([table.version, table.message.nextIndexId, table.message.columns.length]).toEqual([1, 2, 3]);
    const filled = prefixSpan(indexPrefix(table.id, 2));
    expect((await cluster.core.store.stats(filled, 1e9, 1e9)).entries).toBe(0);
    const rows = await collect(cluster.rows.select(table));
    expect(rows).toHaveLength(40_000);
    await cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['balance'], createdExplicitly: true }));
    const spec = { name: 'note', type: 'STRING', default: "'x':::STRING", nullable: false };
    await cluster.schema.addColumns(table, [{ spec, family: null }]);
    const after = await collect(cluster.rows.select(cluster.table('bank.bank')));
    expect(after).toEqual(rows.map((row) => [...row, 'x']));
  });
});

describe('opening', () => {
  test('is refused while another process writes, but for readers', async () => {
    const directory = await bankCluster();
    const child = startChild('insert', directory);
    await new Promise((resolve) => createInterface({ input: child.stdout! }).once('line', resolve));
    await expect(openCluster(directory, OPTIONS)).rejects.toMatchObject({
      code: 'SV_EXISTS',
      message: `cluster ${directory} is in use by process ${child.pid}`,
    });
    const reader = await openCluster(directory, { ...OPTIONS, readOnly: true });
    disposals.push(() => reader.close());
    const first = await collect(reader.rows.select(reader.table('bank.bank')));
    expect(first.length).toBeGreaterThan(0);
    expect(() => reader.rows.insert(reader.table('bank.bank'), [[-1n, 0n, 'x']])).toThrow(/open read-only/);
  });

  test('is refused twice in one process', async () => {
    const { directory, dispose } = await temporaryCluster();
    disposals.push(dispose);
    await expect(openCluster(directory, OPTIONS)).rejects.toMatchObject({ code: 'SV_EXISTS' });
  });

  test('needs a cluster, and init an empty place', async () => {
    const directory = temporaryDirectory();
    disposals.push(() => directory.remove());
    await expect(openCluster(directory.path)).rejects.toMatchObject({ code: 'SV_UNDEFINED' });
    await expect(initCluster(directory.path, { nodes: [] })).rejects.toMatchObject({ code: 'SV_USAGE' });
    const mixed = { nodes: ['region=a', 'az=b'].map(parseLocality), ...OPTIONS };
    await expect(initCluster(directory.path, mixed)).rejects.toMatchObject({ code: 'SV_LOCALITY' });
    await initCluster(directory.path, { nodes: [[]], ...OPTIONS });
    await expect(initCluster(directory.path, { nodes: [[]], ...OPTIONS })).rejects.toMatchObject({ code: 'SV_EXISTS' });
  });
});
