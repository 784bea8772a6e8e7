import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { decodeDescriptor } from '#src/catalog/index.js';
import { compareTimestamps, type Timestamp } from '#src/keys/index.js';
import { decodeManifest, type Manifest } from '#src/manifest/index.js';
import { closeSql, sql, sqlCluster, sqlRoot } from './sql_cluster.js';

/* What written manifests say, where CockroachDB's RESTORE relies on how it is said and our own does not. */

afterAll(closeSql);

/** Manifests of all layers of a collection in the bucket of node 1, a full before its incrementals. */
function written(root: string, collection: string): Manifest[] {
  const bucket = join(root, 'extern', '1', collection);
  return readdirSync(bucket, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('/BACKUP_MANIFEST'))
    .sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))
    .map((name) => decodeManifest(gunzipSync(readFileSync(join(bucket, name))), name));
}

/** Names at a time as CockroachDB 21.1 reads them: change by change, up to the first that is later. */
function namesAt({ descriptorChanges }: Manifest, time: Timestamp): string[] {
  const live = new Map<number, string>();
  for (const { time: changed, id, desc } of descriptorChanges) {
    if (compareTimestamps(changed, time) > 0) break;
    if (desc === undefined) live.delete(id);
    else live.set(id, decodeDescriptor(desc).name);
  }
  return [...live.values()].sort();
}

test('descriptor changes are in the order of their times, whatever the ids', async () => {
  const root = sqlRoot();
  const session = await sqlCluster(root, 'changes');
  for (const name of ['d', 'd.a', 'd.b', 'd.c']) {
    await sql(session, name === 'd' ? 'CREATE DATABASE d' : `CREATE TABLE ${name} (k INT PRIMARY KEY)`);
  }
  await sql(session, "BACKUP DATABASE d INTO 'nodelocal://1/h' WITH revision_history");
  await sql(session, 'DROP TABLE d.b');
  const between = session.engine.now();
  await sql(session, 'ALTER TABLE d.a RENAME TO d.z');
  await sql(session, "BACKUP DATABASE d INTO LATEST IN 'nodelocal://1/h' WITH revision_history");
  const [full, incremental] = written(root, 'h');
  expect(namesAt(full!, full!.endTime)).toEqual(['a', 'b', 'c', 'd']);
  expect(namesAt(incremental!, incremental!.startTime)).toEqual(['a', 'b', 'c', 'd']);
  expect(namesAt(incremental!, between)).toEqual(['a', 'c', 'd']);
  expect(namesAt(incremental!, incremental!.endTime)).toEqual(['c', 'd', 'z']);
});

test('the system database is not told to be complete, in no layer of a cluster backup', async () => {
  const root = sqlRoot();
  const session = await sqlCluster(root, 'complete');
  await sql(session, 'CREATE DATABASE d');
  await sql(session, "BACKUP INTO 'nodelocal://1/c'");
  await sql(session, "BACKUP INTO LATEST IN 'nodelocal://1/c'");
  const layers = written(root, 'c');
  expect(layers).toHaveLength(2);
  for (const { completeDbs, descriptors } of layers) {
    const databases = descriptors.map(decodeDescriptor).filter(({ kind }) => kind === 'database');
    expect(databases.map(({ name }) => name)).toEqual(['system', 'defaultdb', 'postgres', 'd']);
    expect(completeDbs).toEqual(databases.slice(1).map(({ id }) => id));
  }
});
