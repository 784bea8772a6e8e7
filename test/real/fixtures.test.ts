import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type Catalog, type Descriptor, rewriteDescriptors } from '#src/catalog/index.js';
import type { EmbeddedCluster, Targets } from '#src/cluster/index.js';
import { openBackup } from '#src/collection/index.js';
import { EMPTY_TIMESTAMP } from '#src/keys/index.js';
import { restore } from '#src/restore/index.js';
import { datumText } from '#src/rows/index.js';
import { type ShownObject, showBackup } from '#src/verify/index.js';
import {
  BARE,
  BUCKETS,
  closeAll,
  fillBucket,
  fingerprintLines,
  newCluster,
  printedRows,
  storageOf,
  tablesOf,
} from '../e2e/test_cluster.js';

/** Backups that real CockroachDB clusters took, and what those clusters said of their rows. */
const FIXTURES = new URL('../../../shared/fixtures/', import.meta.url).pathname;
const PRESENT = existsSync(FIXTURES);
if (!PRESENT) console.warn('test/real: ../shared/fixtures is absent, the tests over real backups are SKIPPED');

const T_ROWS = [
  ['1', '1', '1'],
  ['2', '2', '2'],
  ['3', '3', '3'],
];
/** t1 to t4 of v1.0.7, v2.0.7 and v19.1.4; t3 has only its key, and t4 is interleaved in it. */
const T_TABLES = {
  'test.public.t1': T_ROWS,
  'test.public.t2': T_ROWS,
  'test.public.t3': [['1'], ['2'], ['3']],
  'test.public.t4': T_ROWS,
};

interface Case {
  readonly name: string;
  readonly from: string | undefined;
  /** Databases to restore; undefined: the whole cluster. */
  readonly databases?: readonly string[];
  readonly newDbName?: string;
  /** Rows that the fixtures' README tells; column `a` only where a column is still being added. */
  readonly rows?: Readonly<Record<string, readonly (readonly string[])[]>>;
}

const ABC = [['1'], ['2'], ['3']];
const CASES: readonly Case[] = [
  { name: 'v1.0.7', from: undefined, databases: ['test'], rows: T_TABLES },
  { name: 'v2.0.7', from: undefined, databases: ['test'], rows: T_TABLES },
  { name: 'v19.1.4', from: undefined, databases: ['test'], rows: T_TABLES },
  {
    name: 'v19.2-midaddindex-after',
    from: undefined,
    databases: ['defaultdb'],
    newDbName: 'd19',
    rows: { 'd19.public.midaddindex': ABC },
  },
  {
    name: 'v20.1-midmultitable-after',
    from: undefined,
    rows: { 'defaultdb.public.midmultitable1': ABC, 'defaultdb.public.midmultitable2': ABC },
  },
  { name: 'v20.1.7-cluster', from: undefined },
  { name: 'v20.2-midmany-before', from: undefined, rows: { 'defaultdb.public.midmany': ABC } },
  { name: 'v20.2-midaddcol-after', from: undefined, rows: { 'defaultdb.public.midaddcol': ABC } },
  {
    name: 'v20.2-midprimarykeyswap-after',
    from: undefined,
    rows: { 'defaultdb.public.midprimarykeyswap': ABC },
  },
  { name: 'v21.1-bank', from: 'LATEST', databases: ['bank'] },
  { name: 'v21.1-types', from: 'LATEST', databases: ['tt'] },
  { name: 'v21.1-cluster', from: 'LATEST' },
];

/** A CSV line as the client wrote the truth: NUL escaped, quoted where it must be. */
function csvLine(fields: readonly string[]): string {
  return fields
    .map((field) => field.replaceAll('\0', '\\x00'))
    .map((field) => (/^ |^\\\.$|[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

const csvText = (rows: readonly (readonly string[])[]): string => rows.map((row) => `${csvLine(row)}\n`).join('');

const truthPath = (fixture: string, file: string): string => join(FIXTURES, 'truth', fixture, file);

function truth(fixture: string, file: string): string | undefined {
  const path = truthPath(fixture, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** Rows and fingerprints of every table that the truth knows; returns how many texts were compared. */
async function compareWithTruth(cluster: EmbeddedCluster, fixture: string): Promise<number> {
  let compared = 0;
  for (const [name, table] of tablesOf(cluster)) {
    const csv = truth(fixture, `${name}.csv`);
    if (csv !== undefined) {
      expect(csvText(await printedRows(cluster, table)), name).toBe(csv);
      compared++;
    }
    const fp = truth(fixture, `${name}.fp`);
    if (fp !== undefined) {
      const lines = ['index_name\tfingerprint', ...(await fingerprintLines(cluster, table))];
      expect(`${lines.join('\n')}\n`, name).toBe(fp);
      compared++;
    }
  }
  return compared;
}

/** The lines of show.csv, less the columns that later releases have. */
function shownCsv(objects: readonly ShownObject[], end: { readonly wall: bigint }, isFullCluster: boolean): string {
  const text = (value: string | number | null): string => (value === null ? 'NULL' : String(value));
  // The client that wrote the truth prints the seconds of a zone's offset too.
  const endTime = `${datumText({ kind: 'timestamptz', nanos: (end.wall / 1000n) * 1000n })}:00`;
  const lines = objects.map((one) => [
    text(one.databaseName),
    text(one.parentSchemaName),
    one.objectName,
    one.objectType,
    'NULL',
    endTime,
    text(one.sizeBytes),
    text(one.rows),
    String(isFullCluster),
  ]);
  const header =
    'database_name,parent_schema_name,object_name,object_type,start_time,end_time,size_bytes,rows,is_full_cluster';
  return csvText([header.split(','), ...lines]);
}

/** What restoring changes on purpose: version, time, and in database restores privileges. */
const NEUTRAL = {
  missing: 'keep',
  stamp: { version: 1, time: EMPTY_TIMESTAMP },
  privileges: { owner: 'root', users: [] },
} as const;

const neutral = (descriptor: Descriptor, ids: ReadonlyMap<number, number>, names?: ReadonlyMap<number, string>) =>
  Buffer.from(
    rewriteDescriptors([descriptor], { ...NEUTRAL, ids, ...(names === undefined ? {} : { databaseNames: names }) })[0]!,
  ).toString('hex');

/** Restored descriptors with their ids mapped back are those of the backup, byte for byte. Returns their number. */
function compareDescriptors(backupCatalog: Catalog, restored: Catalog, renamed: ReadonlyMap<string, string>): number {
  const back = new Map<number, number>();
  const pairs: [Descriptor, Descriptor][] = [];
  const newName = (name: string): string => renamed.get(name) ?? name;
  for (const table of backupCatalog.tables()) {
    const [database, ...rest] = backupCatalog.qualifiedName(table).split('.');
    const wanted = [newName(database!), ...rest].join('.');
    const found = restored.tables().find((one) => restored.qualifiedName(one) === wanted);
    if (found === undefined || database === 'system') continue;
    pairs.push([table, found]);
    const parent = backupCatalog.databaseById(table.parentId);
    const parentFound = restored.databaseById(found.parentId);
    if (parent !== undefined && parentFound !== undefined && !back.has(parentFound.id)) {
      back.set(parentFound.id, parent.id);
      pairs.push([parent, parentFound]);
    }
  }
  for (const [own, found] of pairs) back.set(found.id, own.id);
  for (const kind of ['schema', 'type'] as const) {
    for (const own of backupCatalog.descriptors.filter((one) => one.kind === kind)) {
      const found = restored.descriptors.find(
        (one) => one.kind === kind && one.name === own.name && back.get(one.parentId) === own.parentId,
      );
      if (found === undefined) continue;
      back.set(found.id, own.id);
      pairs.push([own, found]);
    }
  }
  const same = new Map([...back.values()].map((id) => [id, id]));
  for (const [own, found] of pairs) {
    const oldName = own.kind === 'database' ? new Map([[found.id, own.name]]) : undefined;
    expect(neutral(found, back, oldName), own.name).toBe(neutral(own, same));
  }
  return pairs.length;
}

afterEach(closeAll);

describe.skipIf(!PRESENT)('real backups (skipped where ../shared/fixtures is absent)', () => {
  it.each(CASES)('$name: restored, printed, backed up per region, restored again', async (one) => {
    const first = await newCluster();
    const storage = storageOf(first);
    fillBucket(first, 1, 'src', join(FIXTURES, 'cockroach-backups', one.name));
    const at = { from: one.from, in: ['nodelocal://1/src'], storage };
    const [layer] = (await showBackup({ ...at, checkFiles: true })).layers;
    const show = truth(one.name, 'show.csv');
    if (show !== undefined) expect(shownCsv(layer!.objects, layer!.endTime, layer!.isFullCluster)).toBe(show);

    const targets = (names: readonly string[] | undefined): Targets =>
      names === undefined ? { kind: 'cluster' } : { kind: 'databases', names };
    const renaming = one.newDbName === undefined ? {} : { newDbName: one.newDbName };
    const result = await restore({ ...at, sink: first.sink(), targets: targets(one.databases), ...renaming });
    expect(result.rows).toBeGreaterThan(0);

    const compared = await compareWithTruth(first, one.name);
    expect(compared > 0).toBe(existsSync(truthPath(one.name, '')));
    for (const [name, rows] of Object.entries(one.rows ?? {})) {
      const printed = await printedRows(first, tablesOf(first).get(name)!);
      expect(
        printed.slice(1).map((row) => row.slice(0, rows[0]!.length)),
        name,
      ).toEqual(rows);
    }
    const zones = truth(one.name, 'show-zone-configurations.csv');
    if (zones !== undefined) {
      const rows = first.zones().map(({ target, rawConfigSql }) => [target, rawConfigSql]);
      // Rows of system.zones for tables that the embedded cluster does not have are kept and have no name to print.
      const named = zones.replace(/^TABLE system\.public\.replication_\w+,"[^"]*"\n/gm, '');
      expect(csvText([['target', 'raw_config_sql'], ...rows])).toBe(named);
    }
    const renamed = new Map(one.newDbName === undefined ? [] : [[one.databases![0]!, one.newDbName]]);
    expect(compareDescriptors(layer!.catalog, first.catalog(), renamed)).toBeGreaterThan(1);

    // Again, locality-aware, into a second cluster.
    const again = targets(one.newDbName === undefined ? one.databases : [one.newDbName]);
    const taken = await backup({ source: first.source(), into: BUCKETS, targets: again, storage });
    expect(taken.rows).toBe(result.rows);
    expect(taken.indexEntries).toBe(result.indexEntries);
    const second = await newCluster();
    await restore({ sink: second.sink(), from: 'LATEST', in: [...BARE].reverse(), targets: again, storage });
    const copies = tablesOf(second);
    let equal = 0;
    for (const [name, table] of tablesOf(first)) {
      // Ids of the second cluster's own objects differ; the rest of the system's tables is restored only with a cluster.
      if (name.startsWith('system.') && (one.databases !== undefined || /descriptor|namespace|jobs/.test(name)))
        continue;
      expect(await fingerprintLines(second, copies.get(name)!), name).toEqual(await fingerprintLines(first, table));
      equal++;
    }
    expect(equal).toBeGreaterThan(0);
    compareDescriptors(first.catalog(), second.catalog(), new Map());
  });

  it('v21.1-chain: a locality-aware full and two incrementals, restored at the newest and at each layer', async () => {
    const ends = JSON.parse(truth('v21.1-chain', 'ends.json')!) as string[];
    for (const [index, end] of [...ends.entries()].reverse()) {
      const cluster = await newCluster();
      fillBucket(cluster, 1, 'c', join(FIXTURES, 'cockroach-backups/v21.1-chain/default'));
      fillBucket(cluster, 2, 'c', join(FIXTURES, 'cockroach-backups/v21.1-chain/region=us-west'));
      const [wall, logical] = end.split('.');
      const storage = storageOf(cluster);
      await restore({
        sink: cluster.sink(),
        from: 'LATEST',
        in: ['nodelocal://2/c', 'nodelocal://1/c'],
        targets: { kind: 'databases', names: ['ch'] },
        storage,
        ...(index === 2 ? {} : { asOf: { wall: BigInt(wall!), logical: Number(logical) } }),
      });
      for (const name of ['acct', 'late']) {
        const fp = truth('v21.1-chain', `t${index + 1}.${name}.fp`);
        const table = tablesOf(cluster).get(`ch.public.${name}`);
        expect(table === undefined, `${name} at t${index + 1}`).toBe(fp === undefined);
        if (table === undefined) continue;
        const lines = ['index_name\tfingerprint', ...(await fingerprintLines(cluster, table))];
        expect(`${lines.join('\n')}\n`).toBe(fp);
        const printed = await printedRows(cluster, table);
        const truthRows = truth('v21.1-chain', `t${index + 1}.${name}.csv`)!
          .trimEnd()
          .split('\n')
          .slice(1)
          .sort();
        expect(printed.slice(1).map(csvLine).sort()).toEqual(truthRows);
      }
    }
  });

  it('v21.1-chain without its second location is refused, and nothing is written', async () => {
    const cluster = await newCluster();
    fillBucket(cluster, 1, 'c', join(FIXTURES, 'cockroach-backups/v21.1-chain/default'));
    const storage = storageOf(cluster);
    await expect(
      restore({
        sink: cluster.sink(),
        from: 'LATEST',
        in: ['nodelocal://1/c'],
        targets: { kind: 'databases', names: ['ch'] },
        storage,
      }),
    ).rejects.toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west not found in backup locations',
    });
    expect(cluster.catalog().database('ch')).toBeUndefined();
    const opened = openBackup({ uris: ['nodelocal://1/c'], subdir: 'LATEST', settings: storage });
    await expect(opened).rejects.toMatchObject({ code: 'SV_MISSING_PART' });
  });
});
