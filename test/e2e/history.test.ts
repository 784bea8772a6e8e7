import { afterAll, describe, expect, test } from 'vitest';
import type { Session } from '#src/statements/index.js';
import { closeSql, kvSession, lines, sql, sqlCluster, sqlRoot, timeOf } from './sql_cluster.js';

/*
 * Point-in-time restore (crdb-features.md 4.8): any instant inside a layer with revision history, no instant outside.
 */

afterAll(closeSql);

const IN = "'nodelocal://1/h'";

/** A state of the cluster and the last instant at which it held. */
interface Moment {
  readonly at: string;
  readonly tables: readonly string[];
  readonly rows: readonly string[] | undefined;
}

/** Databases, and tables as `db.table`. */
async function tablesIn(session: Session): Promise<string[]> {
  const databases = (await lines(session, 'SHOW DATABASES')).map((line) => line.split(',')[0]!);
  const names = [...databases];
  for (const database of databases.filter((name) => name !== 'system')) {
    for (const line of await lines(session, `SHOW TABLES FROM ${database}`))
      names.push(`${database}.${line.split(',')[1]}`);
  }
  return names;
}

describe('revision history', () => {
  test('restores a cluster to any instant of a full and of incrementals, dropped tables included', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 12);
    const moments: Moment[] = [];
    const remember = async (): Promise<void> => {
      const tables = await tablesIn(source);
      const rows = tables.includes('kv.kv') ? await lines(source, 'SELECT * FROM kv.kv') : undefined;
      moments.push({ at: timeOf(source), tables, rows });
    };
    const steps = [
      "UPDATE kv.kv SET v = 'one' WHERE k = 1",
      'DELETE FROM kv.kv WHERE k = 2',
      `BACKUP INTO ${IN} WITH revision_history`,
      "INSERT INTO kv.kv VALUES (2, 'again')",
      "UPDATE kv.kv SET v = 'two' WHERE k = 1",
      `BACKUP INTO LATEST IN ${IN} WITH revision_history`,
      'DELETE FROM kv.kv WHERE k = 1',
      'CREATE DATABASE more',
      'DROP TABLE kv.kv',
      `BACKUP INTO LATEST IN ${IN} WITH revision_history`,
      'DROP DATABASE more',
      'DROP DATABASE kv',
      `BACKUP INTO LATEST IN ${IN} WITH revision_history`,
    ];
    await remember();
    for (const step of steps) {
      await sql(source, step);
      if (!step.startsWith('BACKUP')) await remember();
    }
    for (const [index, { at, tables, rows }] of moments.entries()) {
      const target = await sqlCluster(root, `at-${index}`);
      await sql(target, `RESTORE FROM LATEST IN ${IN} AS OF SYSTEM TIME ${at}`);
      expect(await tablesIn(target), `moment ${index}`).toEqual(tables);
      if (rows !== undefined) expect(await lines(target, 'SELECT * FROM kv.kv'), `moment ${index}`).toEqual(rows);
    }
  });

  test('outside of history, says the nearest times', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 3);
    const before = timeOf(source);
    await sql(source, `BACKUP INTO ${IN}`);
    await sql(source, 'DELETE FROM kv.kv WHERE k = 1');
    const between = timeOf(source);
    await sql(source, `BACKUP INTO LATEST IN ${IN}`);
    await sql(source, 'DELETE FROM kv.kv WHERE k = 2');
    await sql(source, `BACKUP INTO LATEST IN ${IN} WITH revision_history`);
    const after = timeOf(source);
    const target = await sqlCluster(root, 'target');
    const restore = (at: string): Promise<unknown> =>
      sql(target, `RESTORE FROM LATEST IN ${IN} AS OF SYSTEM TIME ${at}`);
    const needs =
      "invalid RESTORE timestamp: restoring to arbitrary time requires that BACKUP for requested time be created with 'revision_history' option.";
    await expect(restore(before)).rejects.toThrow(`${needs} nearest backup time is `);
    await expect(restore(between)).rejects.toThrow(`${needs} nearest BACKUP times are `);
    await expect(restore(after)).rejects.toThrow(
      'invalid RESTORE timestamp: supplied backups do not cover requested time',
    );
    expect((await lines(target, 'SHOW DATABASES')).map((line) => line.split(',')[0])).not.toContain('kv');
  });

  test('a table backup follows its table, and refuses another of the same name', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 3);
    await sql(source, `BACKUP TABLE kv.kv INTO ${IN} WITH revision_history`);
    await sql(source, 'DELETE FROM kv.kv WHERE k = 1');
    const at = timeOf(source);
    const rows = await lines(source, 'SELECT * FROM kv.kv');
    await sql(source, 'DELETE FROM kv.kv WHERE k = 2');
    await sql(source, `BACKUP TABLE kv.kv INTO LATEST IN ${IN} WITH revision_history`);
    const target = await sqlCluster(root, 'target');
    await sql(target, 'CREATE DATABASE mine');
    await sql(target, `RESTORE TABLE kv.kv FROM LATEST IN ${IN} AS OF SYSTEM TIME ${at} WITH into_db = 'mine'`);
    expect(await lines(target, 'SELECT * FROM mine.kv')).toEqual(rows);
    await sql(source, 'DROP TABLE kv.kv');
    await sql(source, `RESTORE TABLE kv.kv FROM LATEST IN ${IN}`);
    await expect(sql(source, `BACKUP TABLE kv.kv INTO LATEST IN ${IN}`)).rejects.toThrow(
      'previous backup does not contain table "kv.public.kv"',
    );
  });
});
