import { afterAll, expect, test } from 'vitest';
import { initCluster } from '#src/cluster/index.js';
import { execute, openEngine, openSession, type Session } from '#src/statements/index.js';
import { closeAll, temporaryDirectory } from './test_cluster.js';

/* Tables that statements made and changed, through backups and chains. */

const sessions: Session[] = [];
afterAll(async () => {
  for (const { engine } of sessions) await engine.close();
  await closeAll();
});

async function open(externalIODir?: string): Promise<{ readonly session: Session; readonly directory: string }> {
  const directory = temporaryDirectory();
  await initCluster(directory, { nodes: [[]], mapBytes: 2 ** 30 });
  const engine = await openEngine(directory, {
    open: { mapBytes: 2 ** 30 },
    ...(externalIODir === undefined ? {} : { externalIODir }),
  });
  const session = openSession(engine, { database: 'd' });
  sessions.push(session);
  return { session, directory };
}

async function run(session: Session, ...statements: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const text of statements) {
    const { rows } = await execute(session, text);
    for await (const row of rows) lines.push(row.map((cell) => cell ?? 'NULL').join(' | '));
  }
  return lines;
}

/** Everything that SQL shows of a database's tables. */
async function shown(session: Session, database: string): Promise<string[]> {
  const lines: string[] = [];
  for (const table of await run(session, `SHOW TABLES FROM ${database}`)) {
    const [schema, name] = table.split(' | ');
    const full = `${database}.${schema}.${name}`;
    lines.push(
      `${schema}.${name}`,
      ...(
        await run(
          session,
          `SHOW CREATE TABLE ${full}`,
          `SELECT * FROM ${full}`,
          `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ${full}`,
        )
      ).map((line) => line.replaceAll(full, name!)),
    );
  }
  return lines;
}

test('every layer of a chain over schema changes restores to what was there at its end', async () => {
  const { session, directory } = await open();
  await run(session, 'CREATE DATABASE d', 'CREATE SCHEMA s');
  const layers: readonly (readonly string[])[] = [
    [
      "CREATE TABLE t (a INT PRIMARY KEY, b STRING DEFAULT 'x', c DECIMAL(10,2), INDEX (c DESC) STORING (b), FAMILY (a, b), FAMILY (c))",
      'CREATE TABLE s.u (x INT[] DEFAULT ARRAY[1, 2], y JSONB, z TIMESTAMPTZ(3))',
      'CREATE TABLE gone (a INT PRIMARY KEY)',
      "INSERT INTO t VALUES (1, 'one', 1.5), (2, NULL, NULL)",
      'INSERT INTO t (a) VALUES (3)',
      `INSERT INTO s.u (y, z) VALUES ('{"a": [1]}', '2021-02-03 04:05:06.789'), (NULL, NULL)`,
      'INSERT INTO gone VALUES (1)',
    ],
    ['CREATE UNIQUE INDEX i ON t (b)', "INSERT INTO t VALUES (4, 'four', 4)", 'DROP TABLE gone'],
    [
      'ALTER TABLE t ADD COLUMN n INT NOT NULL DEFAULT 5, ADD COLUMN m STRING CREATE FAMILY',
      'DELETE FROM t WHERE a = 1',
      'CREATE TABLE gone (b STRING PRIMARY KEY)',
      "INSERT INTO gone VALUES ('again')",
    ],
    [
      'DROP INDEX t@i',
      'CREATE INDEX i ON t (n, b)',
      'ALTER TABLE t RENAME COLUMN b TO bb',
      'UPDATE t SET n = 6 WHERE a = 2',
    ],
    [
      'TRUNCATE t',
      "INSERT INTO t (a, bb) VALUES (9, 'nine')",
      'ALTER TABLE gone RENAME TO here',
      'ALTER TABLE s.u SET SCHEMA public',
    ],
    [],
  ];
  const ends: string[][] = [];
  const times: string[] = [];
  for (const [index, statements] of layers.entries()) {
    await run(session, ...statements);
    ends.push(await shown(session, 'd'));
    const into = index === 0 ? 'INTO' : 'INTO LATEST IN';
    await run(session, `BACKUP DATABASE d ${into} 'nodelocal://1/b' WITH revision_history`);
  }
  const backup = await run(session, "SHOW BACKUP FROM LATEST IN 'nodelocal://1/b' WITH check_files");
  for (const line of backup) {
    const end = line.split(' | ')[6]!;
    if (!times.includes(end)) times.push(end);
  }
  expect(times).toHaveLength(layers.length);
  const { session: target } = await open(`${directory}/extern`);
  for (const [index, time] of times.entries()) {
    const name = `r${index}`;
    await run(
      target,
      `RESTORE DATABASE d FROM LATEST IN 'nodelocal://1/b' AS OF SYSTEM TIME '${time}' WITH new_db_name = '${name}'`,
    );
    expect(await shown(target, name), `layer ${index}`).toEqual(ends[index]);
  }
});

test('rows are counted where the primary index has another id', async () => {
  const { session, directory } = await open();
  await run(
    session,
    'CREATE DATABASE d',
    'CREATE TABLE t (a INT PRIMARY KEY, b INT, INDEX (b))',
    'INSERT INTO t VALUES (0, 0)',
    'TRUNCATE t',
    'INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)',
    'ALTER TABLE t ADD COLUMN c INT DEFAULT 5',
  );
  const counts = async (on: Session, statement: string) => (await run(on, statement))[0]!.split(' | ').slice(3, 5);
  expect(await counts(session, "BACKUP DATABASE d INTO 'nodelocal://1/b'")).toEqual(['3', '3']);
  const { session: target } = await open(`${directory}/extern`);
  expect(await counts(target, "RESTORE DATABASE d FROM LATEST IN 'nodelocal://1/b'")).toEqual(['3', '3']);
  expect(await counts(target, "BACKUP DATABASE d INTO 'nodelocal://1/again'")).toEqual(['3', '3']);
});
