import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { workloadInit } from '#src/cluster/index.js';
import { openBackup } from '#src/collection/index.js';
import { backup, initCluster, openCluster, openStorage } from '#src/index.js';
import { readStatistics } from '#src/manifest/index.js';

const scratch = mkdtempSync(join(tmpdir(), 'spanvault-statistics-'));
afterAll(() => rmSync(scratch, { recursive: true }));

test('a backup tells the row count of every table as statistics on its primary key', async () => {
  await initCluster(scratch, { nodes: [[]] });
  const cluster = await openCluster(scratch);
  const { tables } = await workloadInit(cluster, 'movr', { rows: 500 });
  const storage = { externalIODir: cluster.externalIODir };
  await backup({
    source: cluster.source(),
    into: ['nodelocal://1/b'],
    targets: { kind: 'databases', names: ['movr'] },
    storage,
  });
  const opened = await openBackup({ uris: ['nodelocal://1/b'], subdir: 'LATEST', settings: storage });
  const layer = opened.layers[0]!;
  const statistics = await readStatistics(openStorage(layer.defaultStore));
  const names = new Map(
    cluster
      .catalog()
      .tables()
      .map((table) => [table.id, table.name]),
  );
  const told = statistics.map(({ tableId, rowCount, distinctCount }) => [names.get(tableId), rowCount, distinctCount]);
  expect(told.sort()).toEqual(tables.map(({ name, rows }) => [name, BigInt(rows), BigInt(rows)]).sort());
  expect([...layer.head.statisticsFilenames.keys()]).toEqual(statistics.map(({ tableId }) => tableId));
  await cluster.close();
});
