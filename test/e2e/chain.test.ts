import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Session } from '#src/statements/index.js';
import { closeSql, kvSession, lines, sql, sqlCluster, sqlRoot } from './sql_cluster.js';

/*
 * Chains end to end, in SQL: crdb-features.md, section 11, lines 14 and 15, and the planner's rules of crdb-format.md 7.2.
 */

afterAll(closeSql);

const AWARE = (name: string, west = name): string =>
  `('nodelocal://1/${name}?COCKROACH_LOCALITY=default', 'nodelocal://2/${west}?COCKROACH_LOCALITY=region%3Dus-west')`;
const BARE = (name: string): string => `('nodelocal://1/${name}', 'nodelocal://2/${name}')`;

const rowsOf = (session: Session): Promise<string[]> => lines(session, 'SELECT * FROM kv.kv');
const endsOf = async (session: Session, name: string): Promise<string[]> => {
  const shown = await sql(session, `SHOW BACKUP FROM LATEST IN ${BARE(name)}`);
  const at = shown.columns.findIndex(({ name: column }) => column === 'end_time');
  return [...new Set(shown.rows.map((row) => row[at]!))].sort();
};

/** A chain of three layers, and the rows at the end of each. */
async function chainOf(root: string, name: string, options = ''): Promise<{ source: Session; states: string[][] }> {
  const source = await kvSession(root, `source-${name}`, 40);
  const states: string[][] = [];
  await sql(source, `BACKUP INTO ${AWARE(name)} ${options}`);
  states.push(await rowsOf(source));
  await sql(source, "UPDATE kv.kv SET v = 'changed' WHERE k = 3");
  await sql(source, 'DELETE FROM kv.kv WHERE k = 5');
  await sql(source, `BACKUP INTO LATEST IN ${AWARE(name)} ${options}`);
  states.push(await rowsOf(source));
  await sql(source, "INSERT INTO kv.kv VALUES (5, 'back'), (1000, 'new')");
  await sql(source, 'DELETE FROM kv.kv WHERE k = 7');
  await sql(source, `BACKUP INTO LATEST IN ${AWARE(name)} ${options}`);
  states.push(await rowsOf(source));
  return { source, states };
}

describe('incremental backups', () => {
  test.each(['', 'WITH revision_history'])('are restored to the end of each layer %s', async (options) => {
    const root = sqlRoot();
    const { source, states } = await chainOf(root, 'b', options);
    const ends = await endsOf(source, 'b');
    expect(ends).toHaveLength(3);
    for (const [index, end] of ends.entries()) {
      const target = await sqlCluster(root, `target-${index}`);
      // SHOW prints microseconds: the layer's end is the first time that the text rounds up to.
      await sql(target, `RESTORE FROM LATEST IN ${BARE('b')} AS OF SYSTEM TIME '${end}'`).catch(
        async (error: Error) => {
          throw new Error(`${options} ${end}: ${error.message}`);
        },
      );
      expect(await rowsOf(target)).toEqual(states[index]);
    }
    const newest = await sqlCluster(root, 'newest');
    await sql(newest, `RESTORE DATABASE kv FROM LATEST IN ${BARE('b')}`);
    expect(await rowsOf(newest)).toEqual(states[2]);
  });

  test('lie below incrementals/ in every bucket, data in the bucket of its region', async () => {
    const root = sqlRoot();
    await chainOf(root, 'b');
    const files = (node: number): string[] =>
      readdirSync(join(root, 'extern', String(node), 'b/incrementals'), { recursive: true }).map(String);
    const layer = /^\d{4}\/\d\d\/\d\d-\d{6}\.\d\d\/\d{8}\/\d{6}\.\d\d-\d{8}-\d{6}\.\d\d\//;
    for (const node of [1, 2]) {
      const inside = files(node)
        .filter((name) => layer.test(name))
        .map((name) => name.replace(layer, ''));
      expect(
        inside.filter((name) => name === (node === 1 ? 'BACKUP_MANIFEST' : 'BACKUP_PART_1_region=us-west')),
      ).toHaveLength(2);
    }
    // No lock of the chain stays.
    expect(files(1).filter((name) => name.includes('BACKUP-LOCK-AFTER'))).toEqual([]);
  });

  test('in a place of their own are continued there, and restored with it', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 10);
    const elsewhere = (name: string): string =>
      `incremental_location = ('nodelocal://2/${name}?COCKROACH_LOCALITY=default', 'nodelocal://1/${name}?COCKROACH_LOCALITY=region%3Dus-west')`;
    await sql(source, `BACKUP INTO ${AWARE('b')}`);
    const full = await rowsOf(source);
    for (const key of [1, 2]) {
      await sql(source, `DELETE FROM kv.kv WHERE k = ${key}`);
      await sql(source, `BACKUP INTO LATEST IN ${AWARE('b')} WITH ${elsewhere('i')}`);
    }
    const names = readdirSync(join(root, 'extern/2/i'), { recursive: true }).map(String);
    const layer = /^\d{4}\/\d\d\/\d\d-[\d.]+\/\d{8}\/\d{6}\.\d\d-\d{8}-\d{6}\.\d\d\/BACKUP_MANIFEST$/;
    expect(names.filter((name) => layer.test(name))).toHaveLength(2);
    const target = await sqlCluster(root, 'target');
    await sql(target, `RESTORE FROM LATEST IN ${BARE('b')} WITH incremental_location = ${BARE('i')}`);
    expect(await rowsOf(target)).toEqual(await rowsOf(source));
    // The collection alone holds the full and nothing after it.
    const alone = await sqlCluster(root, 'alone');
    await sql(alone, `RESTORE FROM LATEST IN ${BARE('b')}`);
    expect(await rowsOf(alone)).toEqual(full);
  });

  test('a chain for a version before 22.1 keeps its incrementals below the full', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'old', 10, { clusterVersion: '21.1' });
    await sql(source, `BACKUP INTO ${AWARE('b')}`);
    await sql(source, 'DELETE FROM kv.kv WHERE k = 1');
    await sql(source, `BACKUP INTO LATEST IN ${AWARE('b')}`);
    await sql(source, 'DELETE FROM kv.kv WHERE k = 2');
    await sql(source, `BACKUP INTO LATEST IN ${AWARE('b')}`);
    const names = readdirSync(join(root, 'extern/1/b'), { recursive: true }).map(String);
    const manifests = names.filter((name) => name.endsWith('/BACKUP_MANIFEST'));
    expect(
      manifests.filter((name) => /^\d{4}\/\d\d\/\d\d-[\d.]+\/\d{8}\/\d{6}\.\d\d\/BACKUP_MANIFEST$/.test(name)),
    ).toHaveLength(2);
    const target = await sqlCluster(root, 'target');
    await sql(target, `RESTORE FROM LATEST IN ${BARE('b')}`);
    expect(await rowsOf(target)).toEqual(await rowsOf(source));
  });
});

describe('what an incremental backup refuses', () => {
  test('other localities, other places of the same localities, other targets, other clusters, no chain', async () => {
    const root = sqlRoot();
    const { source } = await chainOf(root, 'b');
    const refused = async (session: Session, text: string, message: string | RegExp): Promise<void> => {
      await expect(sql(session, text)).rejects.toThrow(message);
    };
    const mismatch = (asked: string): string =>
      `Requested backup has localities [${asked}], but a previous backup layer in this collection has localities [region=us-west]. ` +
      'Mismatched backup layers are not supported. Please take a new full backup with the new localities, or an incremental backup with matching localities.';
    await refused(source, "BACKUP INTO LATEST IN 'nodelocal://1/b'", mismatch(''));
    await refused(
      source,
      `BACKUP INTO LATEST IN ('nodelocal://1/b?COCKROACH_LOCALITY=default', 'nodelocal://2/b?COCKROACH_LOCALITY=region%3Dus-east')`,
      mismatch('region=us-east'),
    );
    await refused(
      source,
      `BACKUP INTO LATEST IN ${AWARE('b', 'other')}`,
      /^nodelocal:\/\/2\/other\/.* does not hold BACKUP_PART_1_region=us-west of the previous backup layer .*: region=us-west was backed up to another location$/,
    );
    await refused(source, `BACKUP INTO LATEST IN ${AWARE('none')}`, 'path does not contain a completed latest backup');
    await refused(
      source,
      `BACKUP INTO '2001/01/01-000000.00' IN ${AWARE('b')}`,
      'No full backup exists in "nodelocal://1/b/2001/01/01-000000.00" to append an incremental backup to. To take a full backup, remove the subdirectory from the backup command (i.e. run \'BACKUP ... INTO <collectionURI>\').',
    );
    await refused(
      source,
      `BACKUP DATABASE kv INTO LATEST IN ${AWARE('b')}`,
      'cannot append a backup of specific tables or databases to a cluster backup',
    );
    await refused(
      source,
      `BACKUP INTO LATEST IN ${AWARE('b')} WITH incremental_location = 'nodelocal://1/i'`,
      "incremental_location has the localities [default], but the full backup's location has [default region=us-west]",
    );
    await refused(
      source,
      `BACKUP INTO LATEST IN ${AWARE('b')} AS OF SYSTEM TIME '-1h'`,
      /^`AS OF SYSTEM TIME` [\d.,]+ must be greater than the previous backup's end time of [\d.,]+\.$/,
    );
    const stranger = await kvSession(root, 'stranger', 1);
    await refused(
      stranger,
      `BACKUP INTO LATEST IN ${AWARE('b')}`,
      /^previous BACKUP belongs to cluster [0-9a-f-]{36}$/,
    );
    expect(await endsOf(source, 'b')).toHaveLength(3);
  });

  test('tables and databases that the chain has not, or that it would leave out', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 10);
    await sql(source, 'CREATE DATABASE other');
    await sql(source, "BACKUP TABLE kv.kv INTO 'nodelocal://1/t'");
    await sql(source, "BACKUP DATABASE kv, other INTO 'nodelocal://1/d'");
    await expect(sql(source, "BACKUP DATABASE kv INTO LATEST IN 'nodelocal://1/t'")).rejects.toThrow(
      'previous backup does not contain the complete database "kv"',
    );
    await expect(sql(source, "BACKUP TABLE kv.kv INTO LATEST IN 'nodelocal://1/d'")).rejects.toThrow(
      'the previous backup layer contains the complete database "kv", which this incremental backup leaves out',
    );
    await expect(sql(source, "BACKUP DATABASE kv INTO LATEST IN 'nodelocal://1/d'")).rejects.toThrow(
      'the previous backup layer contains the complete database "other", which this incremental backup leaves out',
    );
    await sql(source, 'DROP DATABASE other');
    await sql(source, "BACKUP DATABASE kv INTO LATEST IN 'nodelocal://1/d'");
    await sql(source, 'DROP TABLE kv.kv');
    await sql(source, "BACKUP DATABASE kv INTO LATEST IN 'nodelocal://1/d'");
    const target = await sqlCluster(root, 'target');
    await sql(target, "RESTORE DATABASE kv FROM LATEST IN 'nodelocal://1/d'");
    expect(await lines(target, 'SHOW TABLES FROM kv')).toEqual([]);
  });
});
