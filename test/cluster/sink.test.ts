import { afterEach, describe, expect, test } from 'vitest';
import { BANK_TABLE } from '#src/catalog/index.js';
import { readEntries } from '#src/cluster/embedded/entries.js';
import { PackedBatch } from '#src/cluster/embedded/packed_batch.js';
import { openWriter } from '#src/cluster/embedded/write_worker.js';
import {
  type EmbeddedCluster,
  type RestoreScope,
  type RestoreStage,
  type RestoreTicket,
  type SinkReport,
  type Targets,
  workloadInit,
} from '#src/cluster/index.js';
import { concatBytes, hasPrefix, MAX_TIMESTAMP, parseLocality } from '#src/keys/index.js';
import { collect, THREE_REGIONS, temporaryCluster } from './temporary_cluster.js';

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

async function open(localities?: readonly string[]): Promise<EmbeddedCluster> {
  const { cluster, dispose } = await temporaryCluster(localities);
  disposals.push(dispose);
  return cluster;
}

function scopeOf(from: EmbeddedCluster, targets: Targets, options: RestoreScope['options'] = {}): RestoreScope {
  const coverage = targets.kind === 'cluster' ? 'cluster' : 'requested';
  const descriptors = from.catalog().descriptors.map(({ raw }) => raw);
  return { coverage, targets, descriptors, endTime: from.now(), options };
}

/** Copies the rows of a stage, as the restore room does out of SSTs. */
function writeStage(from: EmbeddedCluster, into: EmbeddedCluster, ticket: RestoreTicket, stage: RestoreStage): void {
  const writer = openWriter(into.sink().writer.data);
  for (const span of stage.spans) {
    const batch = new PackedBatch(ticket.writeTime);
    for (const { key, value } of readEntries(from.core.store, span, MAX_TIMESTAMP)) {
      const rule = ticket.rewrites.find((one) => hasPrefix(key, one.from));
      if (rule !== undefined) batch.add(concatBytes(rule.to, key.subarray(rule.from.length)), value);
    }
    if (batch.count > 0) writer.write(batch.batch());
  }
  writer.flush();
  writer.close();
}

async function copy(
  from: EmbeddedCluster,
  into: EmbeddedCluster,
  targets: Targets,
  options: RestoreScope['options'] = {},
  order: (stages: readonly RestoreStage[]) => readonly RestoreStage[] = (stages) => stages,
): Promise<{ readonly ticket: RestoreTicket; readonly report: SinkReport }> {
  const sink = into.sink();
  const ticket = await sink.begin(scopeOf(from, targets, options));
  for (const stage of order(ticket.stages)) {
    writeStage(from, into, ticket, stage);
    await sink.stageDone(ticket, stage.name);
  }
  return { ticket, report: await sink.publish(ticket) };
}

const CLUSTER: Targets = { kind: 'cluster' };
const BANK: Targets = { kind: 'databases', names: ['bank'] };
const BANK_ROWS: Targets = { kind: 'tables', patterns: ['bank.bank'], currentDatabase: 'defaultdb' };

describe('a restore is refused', () => {
  test('in CockroachDB’s words, before anything is written', async () => {
    const from = await open();
    await workloadInit(from, 'bank', { rows: 10 });
    await workloadInit(from, 'movr', { rows: 50 });
    const into = await open();
    await into.createDatabase('busy');
    await into.createTables('busy', [BANK_TABLE]);
    const begin = async (targets: Targets, options: RestoreScope['options'] = {}) =>
      into
        .sink()
        .begin(scopeOf(from, targets, options))
        .then(
          () => 'accepted',
          (error: Error) => error.message,
        );
    expect(await begin(CLUSTER)).toBe(
      'full cluster restore can only be run on a cluster with no tables or databases but found 2 descriptors: [busy bank]',
    );
    expect(await begin(BANK_ROWS)).toBe('a database named "bank" needs to exist to restore table "bank"');
    expect(await begin(BANK_ROWS, { intoDb: 'none' })).toBe(
      'a database named "none" needs to exist to restore table "bank"',
    );
    expect(await begin(BANK_ROWS, { intoDb: 'busy' })).toBe('relation "bank" already exists');
    expect(await begin(BANK, { newDbName: 'busy' })).toBe('database "busy" already exists');
    expect(await begin(BANK, { intoDb: 'busy' })).toBe('cannot use "into_db" option when restoring database(s)');
    expect(await begin({ kind: 'databases', names: ['none'] })).toBe('database "none" does not exist');
    const rides: Targets = { kind: 'tables', patterns: ['movr.rides'], currentDatabase: '' };
    expect(await begin(rides, { intoDb: 'busy' })).toMatch(
      /^cannot restore table "rides" without referenced table \d+ \(or "skip_missing_foreign_keys" option\)$/,
    );
    expect(into.core.store.metaList('journal/')).toEqual([]);
  });

  test('at the end, when its name was taken meanwhile; rolled back, nothing is left', async () => {
    const from = await open();
    await workloadInit(from, 'bank', { rows: 10 });
    const into = await open();
    const sink = into.sink();
    const ticket = await sink.begin(scopeOf(from, BANK));
    for (const stage of ticket.stages) writeStage(from, into, ticket, stage);
    await into.createDatabase('bank');
    await expect(sink.publish(ticket)).rejects.toMatchObject({
      code: 'SV_EXISTS',
      message: 'database "bank" already exists',
    });
    await sink.rollback(ticket);
    expect(
      into
        .catalog()
        .tables()
        .some(({ name }) => name === 'bank'),
    ).toBe(false);
    const stats = await into.core.store.stats({ key: ticket.rewrites[0]!.to, endKey: Uint8Array.of(0xff) }, 1e9, 1e9);
    expect(stats.entries).toBe(0);
  });
});

describe('restoring databases and tables', () => {
  test('gives new ids beside what exists, and other names where asked', async () => {
    const from = await open();
    await workloadInit(from, 'bank', { rows: 50 });
    const wanted = await from.rows.fingerprints(from.table('bank.bank'));
    const into = await open();
    await into.createDatabase('target');
    await copy(from, into, BANK);
    await copy(from, into, BANK, { newDbName: 'copy' });
    const { ticket } = await copy(from, into, BANK_ROWS, { intoDb: 'target' });
    expect(ticket.tables).toEqual(['bank']);
    const tables = ['bank.bank', 'copy.bank', 'target.bank'].map((name) => into.table(name));
    expect(new Set(tables.map(({ id }) => id)).size).toBe(3);
    for (const table of tables) expect(await into.rows.fingerprints(table)).toEqual(wanted);
  });

  test('brings zone configurations in by hand: RESTORE TABLE system.zones, then INSERT INTO system.zones SELECT', async () => {
    const from = await open();
    await from.configureZone(
      { kind: 'range', name: 'default' },
      { kind: 'set', settings: [{ name: 'gc.ttlseconds', value: 600 }] },
    );
    const into = await open();
    await into.createDatabase('newdb');
    const zones: Targets = { kind: 'tables', patterns: ['system.zones'], currentDatabase: 'defaultdb' };
    await copy(from, into, zones, { intoDb: 'newdb' });
    const rows = await collect(into.rows.select(into.table('newdb.zones')));
    expect(into.zones()).not.toEqual(from.zones());
    expect(into.rows.insert(into.table('system.zones'), rows)).toBe(5);
    await into.dropTables([into.table('newdb.zones')]);
    expect(into.zones()).toEqual(from.zones());
  });
});

describe('restoring a cluster', () => {
  test('keeps ids, replaces the default databases and takes system tables as they are', async () => {
    const from = await open();
    await workloadInit(from, 'movr', { rows: 100 });
    await from.dropDatabase('postgres');
    from.rows.insert(from.table('system.users'), [['craig', new Uint8Array(0), false]]);
    const into = await open();
    into.rows.insert(into.table('system.users'), [['mallory', new Uint8Array(0), false]]);
    const { ticket } = await copy(from, into, CLUSTER);
    expect(ticket.stages.map(({ name }) => name)).toEqual(['zones', 'data', 'system']);
    expect(
      into
        .catalog()
        .databases()
        .map(({ name, id }) => [name, id]),
    ).toEqual(
      from
        .catalog()
        .databases()
        .map(({ name, id }) => [name, id]),
    );
    expect((await collect(into.rows.select(into.table('system.users')))).map(([name]) => name)).toEqual([
      'admin',
      'craig',
      'root',
    ]);
    for (const table of from.catalog().tables()) {
      if (['descriptor', 'namespace', 'namespace2'].includes(table.name)) continue;
      const name = from.catalog().qualifiedName(table);
      expect([name, await into.rows.fingerprints(into.table(name))]).toEqual([
        name,
        await from.rows.fingerprints(table),
      ]);
    }
    const database = await into.createDatabase('later');
    expect(database.id).toBeGreaterThan(Math.max(...from.catalog().descriptors.map(({ id }) => id)));
  });

  test('moves nothing afterwards when zone configurations come first, and says what it moved when they come last', async () => {
    const from = await open();
    await workloadInit(from, 'movr', { rows: 2000 });
    // Two nodes per region: three replicas are spread over regions until a constraint gathers them in one.
    const six = [...THREE_REGIONS, ...THREE_REGIONS].map((text, index) => text.replace('az=a', `az=${index}`));
    const first = await copy(from, await open(six), CLUSTER);
    expect(first.report.bytesMoved).toBe(0);
    const last = await copy(from, await open(six), CLUSTER, {}, (stages) => [...stages].reverse());
    expect(last.report.bytesMoved).toBeGreaterThan(50_000);
    const sum = (report: SinkReport) => report.bytesPerNode.reduce((total, { bytes }) => total + bytes, 0);
    expect(sum(first.report)).toBeGreaterThan(50_000);
  });

  test('keeps zone configurations of a region without nodes, warns, and moves the data when a node joins', async () => {
    const from = await open();
    await workloadInit(from, 'movr', { rows: 2000 });
    const into = await open(['region=us-west1,az=a', 'region=us-east1,az=a']);
    const { report } = await copy(from, into, CLUSTER);
    expect(into.zones()).toEqual(from.zones());
    expect(report.bytesMoved).toBe(0);
    expect(
      report.warnings.some((warning) => warning.includes("'+region=europe-west1'; it is ignored until one joins")),
    ).toBe(true);
    const joined = await into.addNode(parseLocality('region=europe-west1,az=a'));
    expect(joined.bytesMoved).toBeGreaterThan(0);
    const region = (value: string) =>
      into.ranges().filter(({ wantedLocality }) => wantedLocality?.[0]?.value === value);
    expect(region('europe-west1').length).toBeGreaterThan(0);
    for (const range of region('europe-west1')) expect(range.replicas).toEqual([joined.nodeId]);
  });
});
