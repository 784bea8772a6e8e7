import { describe, expect, test } from 'vitest';
import {
  BACKUP_OPTIONS,
  type BackupOutcome,
  type Engine,
  execute,
  openSession,
  RESTORE_OPTIONS,
  type Result,
  SHOW_BACKUP_OPTIONS,
  type ShownObject,
} from '#src/statements/index.js';

const NOW = { wall: 1_700_000_000_000_000_000n, logical: 0 };

/** A session on an engine of the given methods; any other call fails the test. */
function sessionOf(methods: Partial<Engine> = {}) {
  const engine = { now: () => NOW, checkLocations: () => undefined, ...methods } as Partial<Engine>;
  return openSession(engine as Engine, { node: 3 });
}

async function table(result: Result): Promise<string[]> {
  const lines = [result.columns.map(({ name }) => name).join('|')];
  for await (const row of result.rows) lines.push(row.map((cell) => cell ?? 'NULL').join('|'));
  return lines;
}

const OUTCOME: BackupOutcome = {
  subdir: '/x',
  directory: '/x',
  rows: 3,
  indexEntries: 2,
  bytes: 100,
  placement: { buckets: [], displaced: [] },
};
const SINK = { bytesMoved: 0, bytesPerNode: [], warnings: ['from the sink'] };

describe('BACKUP and RESTORE', () => {
  test('give one row of the job, numbers to the right', async () => {
    const result = await execute(sessionOf({ backup: async () => OUTCOME }), "BACKUP INTO 'a'");
    expect((await table(result))[0]).toBe('job_id|status|fraction_completed|rows|index_entries|bytes');
    expect((await table(result))[1]).toMatch(/^\d{19}\|succeeded\|1\|3\|2\|100$/);
    expect(result.columns.filter(({ numeric }) => numeric).length).toBe(5);
  });

  test('pass on what the statement says', async () => {
    const seen: unknown[] = [];
    const session = sessionOf({
      restore: async (request) => {
        seen.push(request);
        return { rows: 1, indexEntries: 0, bytes: 1, warnings: ['a warning'], sink: SINK };
      },
    });
    const result = await execute(
      session,
      "RESTORE TABLE a.b FROM '/2023/02/23-150925.62' IN ('x', 'y') AS OF SYSTEM TIME '-10s' WITH into_db = 'c', skip_missing_foreign_keys",
    );
    expect(seen).toEqual([
      {
        targets: { kind: 'tables', patterns: [['a', 'b']] },
        currentDatabase: 'defaultdb',
        from: { kind: 'subdir', subdir: '/2023/02/23-150925.62' },
        uris: ['x', 'y'],
        asOf: { wall: NOW.wall - 10_000_000_000n, logical: 0 },
        options: {
          intoDb: 'c',
          skipMissingForeignKeys: true,
          skipMissingSequences: false,
          skipMissingSequenceOwners: false,
          skipMissingViews: false,
          skipLocalitiesCheck: false,
          schemaOnly: false,
        },
      },
    ]);
    expect(result.notices).toEqual(['a warning', 'from the sink']);
  });

  test('detached gives the id before the job has ended; the job is on record', async () => {
    let finish = (_: BackupOutcome): void => undefined;
    const session = sessionOf({
      backup: () =>
        new Promise<BackupOutcome>((resolve) => {
          finish = resolve;
        }),
    });
    const [head, id] = await table(
      await execute(session, "BACKUP INTO 's3://b?AWS_SECRET_ACCESS_KEY=topsecret' WITH detached"),
    );
    expect(head).toBe('job_id');
    expect(session.jobs.get(BigInt(id!))).toMatchObject({
      status: 'running',
      description: "BACKUP INTO 's3://b?AWS_SECRET_ACCESS_KEY=redacted' WITH detached",
    });
    finish(OUTCOME);
    await Promise.all(session.detached);
    expect(session.jobs.get(BigInt(id!))?.status).toBe('succeeded');
  });

  test('a notice is given once in a session', async () => {
    const session = sessionOf({
      restore: async () => ({ rows: 0, indexEntries: 0, bytes: 0, warnings: ['w'], sink: SINK }),
    });
    expect((await execute(session, "RESTORE FROM LATEST IN 'a'")).notices).toEqual(['w', 'from the sink']);
    expect((await execute(session, "RESTORE FROM LATEST IN 'a'")).notices).toEqual([]);
  });

  const value = { flag: '', bool: '', string: " = 'x'", uris: " = ('x', 'y')" } as const;
  const later = (options: Readonly<Record<string, { readonly shape: keyof typeof value; readonly runs: boolean }>>) =>
    Object.entries(options).flatMap(([name, { shape, runs }]) => (runs ? [] : [[name, shape] as const]));
  const spell = (name: string): string =>
    /^(execution_locality|strict_storage_locality|revision_stream|experimental_|skip_size)/.test(name)
      ? name.replaceAll('_', ' ').toUpperCase()
      : name;

  test.each([
    ...later(BACKUP_OPTIONS).map(([name, shape]) => ['BACKUP', "BACKUP INTO 'a'", name, shape] as const),
    ...later(RESTORE_OPTIONS).map(([name, shape]) => ['RESTORE', "RESTORE FROM LATEST IN 'a'", name, shape] as const),
    ...later(SHOW_BACKUP_OPTIONS).map(
      ([name, shape]) => ['SHOW BACKUP', "SHOW BACKUP FROM LATEST IN 'a'", name, shape] as const,
    ),
  ])('%s: %s WITH %s is refused before any work', async (statement, text, name, shape) => {
    await expect(execute(sessionOf(), `${text} WITH ${spell(name)}${value[shape]}`)).rejects.toMatchObject({
      code: 'SV_NOT_SUPPORTED',
      message: `${statement} WITH ${spell(name)} is not supported yet`,
    });
  });

  test.each([
    ["BACKUP INTO {subdirectory} IN 'a'", "{subdirectory} stands for a subdirectory such as '2023/02/23-150925.62'"],
    ["RESTORE FROM {subdirectory} IN 'a'", "{subdirectory} stands for a subdirectory such as '2023/02/23-150925.62'"],
    [
      "BACKUP INTO 'a' AS OF SYSTEM TIME '10s'",
      'AS OF SYSTEM TIME: cannot specify timestamp in the future (1700000010000000000.0000000000 > 1700000000000000000.0000000000)',
    ],
    [
      "BACKUP INTO 'a' AS OF SYSTEM TIME with_max_staleness('1s')",
      'AS OF SYSTEM TIME with_max_staleness() is not supported yet',
    ],
    ['RESUME JOB 27536791415282', 'RESUME JOB is not supported yet'],
  ])('%s is refused', async (statement, message) => {
    await expect(execute(sessionOf(), statement)).rejects.toThrow(message);
  });
});

describe('SHOW BACKUP', () => {
  const object: ShownObject = {
    databaseName: 'movr',
    parentSchemaName: 'public',
    objectName: 'rides',
    objectType: 'table',
    backupType: 'full',
    startTime: null,
    endTime: { wall: 1_677_164_965_625_777_000n, logical: 0 },
    sizeBytes: 10,
    rows: 2,
    isFullCluster: true,
    regions: null,
    databaseId: 52,
    parentSchemaId: 29,
    objectId: 55,
    createStatement: 'CREATE',
    fileBytes: 9,
    privileges: 'GRANT',
    owner: 'root',
  };
  const base = 'object_type|backup_type|start_time|end_time|size_bytes|rows|is_full_cluster|regions';
  const cells = 'table|full|NULL|2023-02-23 15:09:25.625777|10|2|true|NULL';

  test.each([
    [
      "SHOW BACKUP FROM LATEST IN 'a'",
      `database_name|parent_schema_name|object_name|${base}`,
      `movr|public|rides|${cells}`,
    ],
    [
      "SHOW BACKUP SCHEMAS FROM LATEST IN 'a'",
      `database_name|parent_schema_name|object_name|${base}|create_statement`,
      `movr|public|rides|${cells}|CREATE`,
    ],
    [
      "SHOW BACKUP FROM LATEST IN 'a' WITH check_files, debug_ids, privileges",
      `database_name|database_id|parent_schema_name|parent_schema_id|object_name|object_id|${base}|privileges|owner|file_bytes`,
      `movr|52|public|29|rides|55|${cells}|GRANT|root|9`,
    ],
  ])('%s has the documented columns', async (statement, head, row) => {
    expect(
      await table(
        await execute(
          sessionOf({ showBackup: async () => ({ found: [object], notices: ['a layer is unfinished'] }) }),
          statement,
        ),
      ),
    ).toEqual([head, row]);
  });

  test('as_json gives one manifest per layer', async () => {
    const session = sessionOf({ showManifests: async () => ({ found: ['{}', '{"a":1}'], notices: [] }) });
    expect(await table(await execute(session, "SHOW BACKUP FROM LATEST IN 'a' WITH as_json"))).toEqual([
      'manifest',
      '{}',
      '{"a":1}',
    ]);
  });

  test('what opening a backup left out is told as a notice', async () => {
    const session = sessionOf({ showBackup: async () => ({ found: [object], notices: ['a layer is unfinished'] }) });
    expect((await execute(session, "SHOW BACKUP FROM LATEST IN 'a'")).notices).toEqual(['a layer is unfinished']);
  });

  test('a list of layers, or their location, reaches the engine; both together are refused', async () => {
    const asked: unknown[] = [];
    const session = sessionOf({
      showBackup: async ({ uris, incrementals, incrementalUris }) => {
        asked.push([uris, incrementals, incrementalUris]);
        return { found: [], notices: [] };
      },
    });
    await execute(session, "SHOW BACKUP FROM ('a', 'b'), ('c', 'd'), 'e'");
    await execute(session, "SHOW BACKUP FROM LATEST IN 'a' WITH incremental_location = ('c', 'd')");
    expect(asked).toEqual([
      [['a', 'b'], [['c', 'd'], ['e']], undefined],
      [['a'], undefined, ['c', 'd']],
    ]);
    await expect(execute(session, "SHOW BACKUP FROM 'a', 'b' WITH incremental_location = 'c'")).rejects.toMatchObject({
      code: 'SV_USAGE',
    });
  });

  test('SHOW BACKUPS gives paths, and where there are none, why', async () => {
    const empty = sessionOf({ listBackups: async () => [], whyNoBackups: async (uris) => [`${uris[0]} holds parts`] });
    const result = await execute(empty, "SHOW BACKUPS IN 'a'");
    expect([await table(result), result.notices]).toEqual([['path'], ['a holds parts']]);
    const session = sessionOf({ listBackups: async () => ['/2023/02/23-150925.62'] });
    expect(await table(await execute(session, "SHOW BACKUPS IN 'a'"))).toEqual(['path', '/2023/02/23-150925.62']);
  });
});

describe('the rest', () => {
  test('SHOW LOCALITY is that of the session’s node; without one the cell is empty', async () => {
    expect(await table(await execute(sessionOf({ nodeLocality: (id) => `region=r${id}` }), 'SHOW LOCALITY'))).toEqual([
      'locality',
      'region=r3',
    ]);
    expect(await table(await execute(sessionOf({ nodeLocality: () => '' }), 'SHOW LOCALITY'))).toEqual([
      'locality',
      '',
    ]);
  });

  test.each([
    [
      'ALTER TABLE t CONFIGURE ZONE DISCARD',
      { configureZone: async () => ({ changed: 2, notices: [] }) },
      'CONFIGURE ZONE 2',
    ],
    ['INSERT INTO t VALUES (1)', { insert: async () => 1 }, 'INSERT 0 1'],
    ['UPDATE t SET a = 1 WHERE k = 1', { update: async () => 0 }, 'UPDATE 0'],
    ['DELETE FROM t WHERE k = 1', { remove: async () => 1 }, 'DELETE 1'],
    ['CREATE DATABASE d', { createDatabase: async () => true }, 'CREATE DATABASE'],
    ['DROP TABLE a, b', { dropTables: async () => undefined }, 'DROP TABLE'],
    ['DROP DATABASE d CASCADE', { dropDatabase: async () => undefined }, 'DROP DATABASE'],
  ] as const)('%s answers with its tag', async (statement, methods, tag) => {
    expect(await execute(sessionOf(methods), statement)).toMatchObject({ columns: [], tag });
  });

  test('USE changes the database that names are looked up in', async () => {
    const seen: unknown[] = [];
    const session = sessionOf({
      databases: async () => [{ name: 'movr', owner: 'root' }],
      select: async (ref) => {
        seen.push(ref);
        return { columns: [], rows: [] };
      },
    });
    await expect(execute(session, 'USE nope')).rejects.toThrow('database "nope" does not exist');
    await execute(session, 'USE movr');
    await execute(session, 'SELECT * FROM rides');
    expect(seen).toEqual([{ name: ['rides'], currentDatabase: 'movr' }]);
  });
});
