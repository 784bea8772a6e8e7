import { afterAll, describe, expect, test } from 'vitest';
import type { Session } from '#src/statements/index.js';
import { closeSql, lines, sql, sqlCluster, sqlRoot, timeOf } from './sql_cluster.js';

/*
 * Tables with exclude_data_from_backup: what a backup holds of them and of their neighbours, over chains and instants.
 */

afterAll(closeSql);

const HERE = "('nodelocal://1/ex?COCKROACH_LOCALITY=default', 'nodelocal://2/ex?COCKROACH_LOCALITY=region%3Dus-west')";
const BARE = "('nodelocal://1/ex', 'nodelocal://2/ex')";

/** Two tables, so small that they lie in one range. */
async function twoTables(root: string): Promise<Session> {
  const session = await sqlCluster(root, 'source');
  await sql(session, 'CREATE DATABASE d');
  await sql(session, 'USE d');
  for (const table of ['kept', 'cache']) {
    await sql(session, `CREATE TABLE ${table} (id INT PRIMARY KEY, v STRING, INDEX (v))`);
    await sql(session, `INSERT INTO ${table} VALUES (1, 'one'), (2, 'two')`);
  }
  return session;
}

let serial = 0;

async function restored(root: string, from = 'LATEST', asOf = ''): Promise<Session> {
  const session = await sqlCluster(root, `target-${serial++}`);
  await sql(session, `RESTORE DATABASE d FROM ${from} IN ${BARE}${asOf}`);
  await sql(session, 'USE d');
  return session;
}

describe('exclude_data_from_backup', () => {
  test('is set, reset, shown, and refused where foreign keys need the rows', async () => {
    const session = await twoTables(sqlRoot());
    await sql(session, 'ALTER TABLE cache SET (exclude_data_from_backup = true)');
    expect((await lines(session, 'SHOW CREATE TABLE cache')).join('\n')).toContain(
      ' WITH (exclude_data_from_backup = true)',
    );
    await sql(session, 'ALTER TABLE IF EXISTS cache RESET (exclude_data_from_backup)');
    expect((await lines(session, 'SHOW CREATE TABLE cache')).join('\n')).not.toContain('exclude');
    await sql(session, "CREATE TABLE scratch (id INT PRIMARY KEY) WITH (exclude_data_from_backup = 'on')");
    expect((await lines(session, 'SHOW CREATE TABLE scratch')).join('\n')).toContain('exclude_data_from_backup = true');
    await expect(sql(session, 'ALTER TABLE cache SET (ttl = true)')).rejects.toMatchObject({
      code: expect.stringMatching(/SV_NOT_SUPPORTED|SV_SYNTAX/),
    });
  });

  test('leaves the table empty and its neighbours of the same range whole', async () => {
    const root = sqlRoot();
    const session = await twoTables(root);
    await sql(session, 'ALTER TABLE cache SET (exclude_data_from_backup = true)');
    await sql(session, `BACKUP DATABASE d INTO ${HERE}`);
    const target = await restored(root);
    expect(await lines(target, 'SELECT * FROM cache')).toEqual([]);
    expect(await lines(target, 'SELECT * FROM kept')).toEqual(['1,one', '2,two']);
    // The flag came along, and the restored table works.
    await sql(target, "INSERT INTO cache VALUES (7, 'new')");
    expect((await lines(target, 'SHOW CREATE TABLE cache')).join('\n')).toContain('exclude_data_from_backup');
  });

  test('R #120188: flipped around the layers of a chain, loses rows of no table', async () => {
    const root = sqlRoot();
    const session = await twoTables(root);
    const append = (): Promise<unknown> => sql(session, `BACKUP DATABASE d INTO LATEST IN ${HERE}`);
    await sql(session, `BACKUP DATABASE d INTO ${HERE}`);
    await sql(session, 'ALTER TABLE cache SET (exclude_data_from_backup = true)');
    await sql(session, "INSERT INTO cache VALUES (3, 'three')");
    await sql(session, "INSERT INTO kept VALUES (3, 'three')");
    await append();
    const excluded = await restored(root);
    expect(
      await lines(excluded, 'SELECT * FROM cache'),
      'old rows of the full would be no state that ever was',
    ).toEqual([]);
    expect(await lines(excluded, 'SELECT * FROM kept')).toEqual(['1,one', '2,two', '3,three']);
    await sql(session, 'DELETE FROM cache WHERE id = 1');
    await sql(session, 'ALTER TABLE cache SET (exclude_data_from_backup = false)');
    await sql(session, "INSERT INTO cache VALUES (4, 'four')");
    await append();
    for (let more = 0; more < 2; more++) {
      const whole = await restored(root);
      expect(await lines(whole, 'SELECT * FROM cache')).toEqual(await lines(session, 'SELECT * FROM cache'));
      expect(await lines(whole, 'SELECT * FROM kept')).toEqual(await lines(session, 'SELECT * FROM kept'));
      expect(await lines(whole, 'SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE cache')).toEqual(
        await lines(session, 'SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE cache'),
      );
      await sql(session, "UPDATE cache SET v = 'again' WHERE id = 2");
      await append();
    }
  });

  test('with revision history, an instant before the flag in the same layer is refused, not restored in part', async () => {
    const root = sqlRoot();
    const session = await twoTables(root);
    await sql(session, `BACKUP DATABASE d INTO ${HERE} WITH revision_history`);
    await sql(session, "INSERT INTO cache VALUES (3, 'three')");
    const before = timeOf(session);
    await sql(session, 'ALTER TABLE cache SET (exclude_data_from_backup = true)');
    await sql(session, `BACKUP DATABASE d INTO LATEST IN ${HERE} WITH revision_history`);
    await expect(restored(root, 'LATEST', ` AS OF SYSTEM TIME ${before}`)).rejects.toMatchObject({
      code: 'SV_COVERAGE',
      message: expect.stringMatching(/^table "cache" was excluded from backup after /),
    });
    const end = await restored(root);
    expect(await lines(end, 'SELECT * FROM cache')).toEqual([]);
  });
});
