import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import type { EmbeddedCluster, RangeSink, RangeWriter, RestoreTicket } from '#src/cluster/index.js';
import { isSpanvaultError, SpanvaultError } from '#src/fault/index.js';
import { type RestoreOptions, type RestoreProgress, restore } from '#src/restore/index.js';
import { closeAll, keyspaceOf, newCluster, REGIONS, spreadCluster } from '../e2e/test_cluster.js';

/*
 * What a restore asks of its sink, and in which order; what it refuses before it asks anything.
 */

const KV = { kind: 'databases', names: ['kv'] } as const;
const TICKET: RestoreTicket = {
  id: 'ticket',
  stages: [],
  rewrites: [],
  writeTime: { wall: 1_000_000n, logical: 0 },
  warnings: ['one', 'two'],
  databases: ['kv'],
  tables: ['kv'],
};

let cluster: EmbeddedCluster;
let taken: Awaited<ReturnType<typeof backup>>;
beforeAll(async () => {
  cluster = await spreadCluster(REGIONS, 20, 60);
  taken = await backup({ source: cluster.source(), into: ['memory://run'], targets: KV, workers: 0 });
});
afterAll(closeAll);

/** A sink that keeps nothing and writes down what it is asked. */
function recordingSink(own: Partial<RangeSink> = {}): {
  readonly sink: RangeSink;
  readonly log: string[];
  bytes(): number;
} {
  const log: string[] = [];
  let bytes = 0;
  const note = (what: string): void => {
    if (log.at(-1) !== what) log.push(what);
  };
  const writer: RangeWriter = {
    write(batch) {
      note('write');
      bytes += batch.offsets[2 * batch.count]!;
    },
    flush: () => note('flush'),
    close: () => note('close'),
  };
  const spans = cluster.source().resolve(KV, cluster.now());
  const sink: RangeSink = {
    coordinator: 1,
    nodes: async () => [],
    writer,
    async begin() {
      note('begin');
      const { spans: all } = await spans;
      return {
        ...TICKET,
        stages: [
          { name: 'zones', spans: [] },
          { name: 'data', spans: all },
        ],
      };
    },
    stageDone: async (_ticket, stage) => note(`${stage} done`),
    async publish() {
      note('publish');
      return { bytesMoved: 7, bytesPerNode: [], warnings: ['two', 'three'] };
    },
    rollback: async () => note('rollback'),
    ...own,
  };
  return { sink, log, bytes: () => bytes };
}

const run = (sink: RangeSink, options: Partial<RestoreOptions> = {}) =>
  restore({ sink, from: 'LATEST', in: ['memory://run'], targets: KV, workers: 0, ...options });

describe('a restore and its sink', () => {
  it('begins, writes each stage and makes it durable, then publishes once', async () => {
    const { sink, log } = recordingSink();
    const result = await run(sink);
    expect(log).toEqual(['begin', 'zones done', 'write', 'flush', 'data done', 'publish']);
    expect(result).toMatchObject({
      restoredTime: taken.endTime,
      rows: taken.rows,
      indexEntries: taken.indexEntries,
      bytes: taken.bytes,
      databases: ['kv'],
      tables: ['kv'],
      warnings: ['one', 'two', 'three'],
      sink: { bytesMoved: 7 },
    });
    expect(result.bytesRead).toBeGreaterThan(0);
  });

  it('small units and batches give the same rows', async () => {
    const whole = await run(recordingSink().sink);
    const { sink, log, bytes } = recordingSink();
    const small = await run(sink, { unitBytes: 1, batchBytes: 256 });
    expect(small.units).toBeGreaterThan(whole.units);
    expect([small.rows, small.bytes, small.entries]).toEqual([whole.rows, whole.bytes, whole.entries]);
    expect(log.filter((entry) => entry === 'flush').length).toBe(small.units);
    expect(bytes()).toBeGreaterThan(small.bytes);
  });

  it('tells progress in order, up to the whole', async () => {
    const events: RestoreProgress[] = [];
    await run(recordingSink().sink, { onProgress: (progress) => events.push(progress), unitBytes: 1 });
    expect([...new Set(events.map(({ phase }) => phase))]).toEqual([
      'planning',
      'restoring zones',
      'restoring data',
      'publishing',
    ]);
    const bytes = events.map((event) => event.bytes);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(events.at(-1)).toMatchObject({ bytes: taken.bytes, entries: taken.rows });
  });

  it('with schemaOnly asks for no row, with verifyData reads every row and writes none', async () => {
    const schema = recordingSink();
    expect(await run(schema.sink, { schemaOnly: true })).toMatchObject({ rows: 0, bytesRead: 0 });
    expect(schema.log).toEqual(['begin', 'publish']);
    const verified = recordingSink();
    expect(await run(verified.sink, { schemaOnly: true, verifyData: true })).toMatchObject({ rows: taken.rows });
    expect(verified.log).toEqual(['begin', 'publish']);
  });

  it('refuses a cluster restore of another backup, a time that is not covered and no backup, before it begins', async () => {
    const { sink, log } = recordingSink();
    await expect(run(sink, { targets: { kind: 'cluster' } })).rejects.toMatchObject({
      code: 'SV_USAGE',
      message: 'full cluster RESTORE can only be used on full cluster BACKUP files',
    });
    await expect(run(sink, { asOf: { wall: 1n, logical: 0 } })).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringContaining('invalid RESTORE timestamp: restoring to arbitrary time requires') as string,
    });
    const late = { wall: taken.endTime.wall + 1n, logical: 0 };
    await expect(run(sink, { asOf: late })).rejects.toMatchObject({
      message: 'invalid RESTORE timestamp: supplied backups do not cover requested time',
    });
    await expect(run(sink, { in: ['memory://nothing'] })).rejects.toMatchObject({ code: 'SV_STORAGE_NOT_FOUND' });
    expect(log).toEqual([]);
  });

  it('that begin refuses is not rolled back: nothing was written', async () => {
    const { sink, log } = recordingSink({
      begin: async () => {
        throw new SpanvaultError('SV_EXISTS', 'database "kv" already exists');
      },
    });
    await expect(run(sink)).rejects.toMatchObject({ code: 'SV_EXISTS' });
    expect(log).toEqual([]);
  });

  it('that fails at publishing is rolled back once', async () => {
    const { sink, log } = recordingSink({
      publish: async () => {
        throw new SpanvaultError('SV_EXISTS', 'relation "kv" already exists');
      },
    });
    await expect(run(sink)).rejects.toMatchObject({ code: 'SV_EXISTS', message: 'relation "kv" already exists' });
    expect(log.at(-1)).toBe('rollback');
  });

  it('whose rolling back fails too tells the failure first, and what stays as a hint', async () => {
    const { sink } = recordingSink({
      stageDone: async () => {
        throw new SpanvaultError('SV_SINK', 'the disk is full');
      },
      rollback: async () => {
        throw new Error('the disk is still full');
      },
    });
    const failure: unknown = await run(sink).catch((error: unknown) => error);
    if (!isSpanvaultError(failure)) throw failure;
    expect([failure.code, failure.message, failure.details.ticket]).toEqual(['SV_SINK', 'the disk is full', 'ticket']);
    expect(failure.hint).toContain('rolling back failed too: the disk is still full');
  });
});

describe('a restore into the embedded cluster', () => {
  it('refuses what exists, what is missing and a cluster that is not empty, and writes nothing', async () => {
    const before = keyspaceOf(cluster);
    const sink = cluster.sink();
    await expect(run(sink)).rejects.toMatchObject({ code: 'SV_EXISTS', message: 'database "kv" already exists' });
    const tables = (pattern: string) => ({ kind: 'tables', patterns: [pattern], currentDatabase: 'kv' }) as const;
    await expect(run(sink, { targets: tables('kv') })).rejects.toMatchObject({
      code: 'SV_EXISTS',
      message: 'relation "kv" already exists',
    });
    await expect(run(sink, { targets: tables('kv'), intoDb: 'absent' })).rejects.toMatchObject({
      message: 'a database named "absent" needs to exist to restore table "kv"',
    });
    await expect(run(sink, { targets: tables('nix') })).rejects.toMatchObject({ code: 'SV_UNDEFINED' });
    const whole = await backup({
      source: cluster.source(),
      into: ['memory://whole'],
      targets: { kind: 'cluster' },
      workers: 0,
    });
    await expect(
      run(sink, { in: ['memory://whole'], targets: { kind: 'cluster' }, from: whole.subdir }),
    ).rejects.toMatchObject({
      code: 'SV_NOT_EMPTY',
      message: expect.stringContaining(
        'full cluster restore can only be run on a cluster with no tables or databases but found',
      ) as string,
    });
    expect(keyspaceOf(cluster)).toEqual(before);
    // The same backup restores into an empty cluster, and one table of it into another database.
    const other = await newCluster();
    await run(other.sink(), { in: ['memory://whole'], targets: { kind: 'cluster' } });
    await other.createDatabase('into');
    const result = await run(other.sink(), { targets: tables('kv'), intoDb: 'into' });
    expect(result.rows).toBe(60);
    expect(await other.rows.fingerprints(other.table('into.kv'))).toEqual(
      await cluster.rows.fingerprints(cluster.table('kv.kv')),
    );
  });
});
