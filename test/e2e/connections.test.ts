import { afterAll, expect, test } from 'vitest';
import { execute, openEngine, openSession, type Session } from '#src/statements/index.js';
import { closeAll, newCluster } from './test_cluster.js';

/*
 * External connections as statements make and use them.
 */

afterAll(closeAll);

/** A session on a new cluster of three regions that is filled a little; `reopen` closes and opens it again. */
async function newSession(): Promise<{ session: Session; directory: string }> {
  const cluster = await newCluster();
  await cluster.close();
  const session = openSession(await openEngine(cluster.directory));
  await execute(session, 'CREATE DATABASE d');
  return { session, directory: cluster.directory };
}

async function rows(session: Session, statement: string): Promise<(string | null)[][]> {
  const found: (string | null)[][] = [];
  for await (const row of (await execute(session, statement)).rows) found.push([...row]);
  return found;
}

const SECRETIVE = `memory://connections-${process.pid}/secret`;

test('are made, shown, altered and dropped, and outlive the process that made them', async () => {
  const { session, directory } = await newSession();
  const made = await execute(session, "CREATE EXTERNAL CONNECTION east AS 'nodelocal://1/east'");
  expect(made.tag).toBe('CREATE EXTERNAL CONNECTION');
  await expect(execute(session, `CREATE EXTERNAL CONNECTION east AS '${SECRETIVE}'`)).rejects.toMatchObject({
    code: 'SV_EXISTS',
    message: 'external connection with connection name east already exists',
  });
  const again = await execute(session, `CREATE EXTERNAL CONNECTION IF NOT EXISTS east AS '${SECRETIVE}'`);
  expect(again.notices).toEqual(['external connection "east" already exists, skipping']);
  await execute(session, `CREATE EXTERNAL CONNECTION "Other" AS '${SECRETIVE}'`);
  const shown = [
    ['Other', SECRETIVE, 'STORAGE'],
    ['east', 'nodelocal://1/east', 'STORAGE'],
  ];
  expect(await rows(session, 'SHOW EXTERNAL CONNECTIONS')).toEqual(shown);
  expect(await rows(session, 'SHOW EXTERNAL CONNECTION east')).toEqual([shown[1]]);
  expect(await rows(session, 'SHOW CREATE EXTERNAL CONNECTION east')).toEqual([
    ['east', "CREATE EXTERNAL CONNECTION 'east' AS 'nodelocal://1/east'"],
  ]);
  expect(await rows(session, 'SHOW CREATE ALL EXTERNAL CONNECTIONS')).toHaveLength(2);
  await execute(session, "ALTER EXTERNAL CONNECTION east AS 'nodelocal://2/moved'");
  await session.engine.close();

  const later = openSession(await openEngine(directory));
  expect(await rows(later, 'SHOW EXTERNAL CONNECTION east')).toEqual([['east', 'nodelocal://2/moved', 'STORAGE']]);
  await execute(later, 'DROP EXTERNAL CONNECTION east');
  for (const statement of [
    'SHOW EXTERNAL CONNECTION east',
    'SHOW CREATE EXTERNAL CONNECTION east',
    'DROP EXTERNAL CONNECTION east',
    "ALTER EXTERNAL CONNECTION east AS 'nodelocal://1/x'",
    "SHOW BACKUPS IN 'external://east'",
  ]) {
    await expect(execute(later, statement), statement).rejects.toMatchObject({
      code: 'SV_UNDEFINED',
      message: 'external connection with name east does not exist',
    });
  }
  const skipped = await execute(later, "ALTER EXTERNAL CONNECTION IF EXISTS east AS 'nodelocal://1/x'");
  expect(skipped.notices).toEqual(['external connection "east" does not exist, skipping']);
  await later.engine.close();
});

test('are refused when the location does not do what it must, with nothing kept', async () => {
  const { session } = await newSession();
  await expect(
    execute(session, "CREATE EXTERNAL CONNECTION c AS 's3://b?partition_format=daily'"),
  ).rejects.toMatchObject({
    code: 'SV_URI',
    message:
      'failed to construct External Connection details: failed to create s3 external connection: unknown S3 query parameters: partition_format',
  });
  await expect(execute(session, "CREATE EXTERNAL CONNECTION c AS 'nodelocal://9/x/../y'")).rejects.toMatchObject({
    code: 'SV_URI',
  });
  await expect(execute(session, "CREATE EXTERNAL CONNECTION c AS 'nodelocal://x/y'")).rejects.toThrow(
    /^failed to construct External Connection details: /,
  );
  expect(await rows(session, 'SHOW EXTERNAL CONNECTIONS')).toEqual([]);
  await session.engine.close();
});

test('stand wherever a URI does, with a path and a locality of their own', async () => {
  const { session } = await newSession();
  for (const [name, node] of [
    ['east', 1],
    ['west', 2],
    ['europe', 3],
  ] as const) {
    await execute(session, `CREATE EXTERNAL CONNECTION ${name} AS 'nodelocal://${node}/c'`);
  }
  const into = [
    "'external://east/b?COCKROACH_LOCALITY=default'",
    "'external://west/b?COCKROACH_LOCALITY=region%3Dus-west1'",
    "'external://europe/b?COCKROACH_LOCALITY=region%3Deurope-west1'",
  ].join(', ');
  const bare = "('external://europe/b', 'external://east/b', 'external://west/b')";
  await execute(session, `BACKUP DATABASE d INTO (${into})`);
  await execute(session, `BACKUP DATABASE d INTO LATEST IN (${into})`);
  const [[subdir]] = (await rows(session, "SHOW BACKUPS IN 'external://east/b'")) as [[string]];
  expect(await rows(session, "SHOW BACKUPS IN 'nodelocal://1/c/b'")).toEqual([[subdir]]);
  const types = (await rows(session, `SHOW BACKUP FROM LATEST IN ${bare} WITH check_files`)).map((row) => row[4]);
  expect(new Set(types)).toEqual(new Set(['full', 'incremental']));
  await execute(session, `RESTORE DATABASE d FROM LATEST IN ${bare} WITH new_db_name = 'd2'`);
  expect((await rows(session, 'SHOW DATABASES')).map(([name]) => name)).toContain('d2');
  await expect(
    execute(session, "BACKUP INTO ('external://east?cockroach_locality=default', 'external://west')"),
  ).rejects.toMatchObject({ code: 'SV_URI', message: 'unknown external query parameters: cockroach_locality' });
  await session.engine.close();
});

test('are checked by every live node, by reading, writing and deleting', async () => {
  const { session } = await newSession();
  await execute(session, "CREATE EXTERNAL CONNECTION c AS 'nodelocal://self/c'");
  const checked = await execute(
    session,
    "CHECK EXTERNAL CONNECTION 'external://c' WITH transfer = '1MiB', concurrently = 2",
  );
  expect(checked.columns.map(({ name }) => name)).toEqual([
    'node',
    'locality',
    'ok',
    'error',
    'transferred',
    'read_speed',
    'write_speed',
    'can_delete',
  ]);
  const found: (string | null)[][] = [];
  for await (const row of checked.rows) found.push([...row]);
  expect(found.map((row) => [row[0], row[1], row[2], row[3], row[4], row[7]])).toEqual([
    ['1', 'region=us-east1,az=a', 'true', '', '2.0 MiB', 'true'],
    ['2', 'region=us-west1,az=a', 'true', '', '2.0 MiB', 'true'],
    ['3', 'region=europe-west1,az=a', 'true', '', '2.0 MiB', 'true'],
  ]);
  for (const row of found) expect(row[5]).toMatch(/^\d+(\.\d)? MiB\/s$/);
  await expect(
    execute(session, "CHECK EXTERNAL CONNECTION 'external://c' WITH transfer = 'a lot'"),
  ).rejects.toMatchObject({ code: 'SV_USAGE', message: 'transfer "a lot" is not a size such as \'32MiB\'' });
  await session.engine.close();
});
