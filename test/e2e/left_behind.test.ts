import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { decodeDescriptor } from '#src/catalog/index.js';
import { decodeManifest, encodeManifest, type Manifest } from '#src/manifest/index.js';
import { Descriptor } from '../catalog/messages.js';
import { closeSql, lines, sql, sqlCluster, sqlRoot } from './sql_cluster.js';

/* What a backup holds and a restore does not bring back is told, or the restore is refused. */

afterAll(closeSql);

/** A backup of a cluster with the table d.t, whose manifest says something else besides. */
async function altered(change: (manifest: Manifest) => Partial<Manifest>, targets = ''): Promise<string> {
  const root = sqlRoot();
  const session = await sqlCluster(root, 'source', ['']);
  for (const text of ['CREATE DATABASE d', 'CREATE TABLE d.t (k INT PRIMARY KEY)', 'INSERT INTO d.t VALUES (1)'])
    await sql(session, text);
  await sql(session, `BACKUP ${targets} INTO 'nodelocal://1/b'`);
  const bucket = join(root, 'extern', '1', 'b');
  for (const name of readdirSync(bucket, { recursive: true, encoding: 'utf8' })) {
    if (/BACKUP_METADATA|-CHECKSUM$/.test(name)) rmSync(join(bucket, name));
    if (!name.endsWith('/BACKUP_MANIFEST')) continue;
    const manifest = decodeManifest(gunzipSync(readFileSync(join(bucket, name))), name);
    writeFileSync(join(bucket, name), gzipSync(encodeManifest({ ...manifest, ...change(manifest) })));
  }
  return root;
}

/** The key space of tenant 10. */
const TENANT = { key: Uint8Array.of(0xfe, 0x92), endKey: Uint8Array.of(0xfe, 0x93) };

test('tenants of the cluster are told, once', async () => {
  const root = await altered(({ spans }) => ({ spans: [...spans, TENANT] }));
  const target = await sqlCluster(root, 'target', ['']);
  const { notices } = await sql(target, "RESTORE FROM LATEST IN 'nodelocal://1/b'");
  expect(notices).toEqual(['the backup holds tenant 10: that data is not restored']);
  expect(await lines(target, 'SELECT * FROM d.t')).toEqual(['1']);
});

test('a full backup that counts more than the files that it lists is told', async () => {
  const root = await altered(
    ({ files }) => ({ files: files.filter(({ entryCounts }) => entryCounts.rows !== 1n) }),
    'DATABASE d',
  );
  const target = await sqlCluster(root, 'target', ['']);
  const { notices } = await sql(target, "RESTORE DATABASE d FROM LATEST IN 'nodelocal://1/b'");
  expect(notices).toEqual([
    'the full backup counts 1 rows and 0 index entries, the files that it lists hold 0 and 0: a file may be missing from its list',
  ]);
});

test('a backup that a tenant took of itself is refused: its keys have another prefix', async () => {
  const inTenant = (key: Uint8Array): Uint8Array => Uint8Array.of(...TENANT.key, ...key);
  const root = await altered(
    ({ spans }) => ({ spans: spans.map(({ key, endKey }) => ({ key: inTenant(key), endKey: inTenant(endKey) })) }),
    'DATABASE d',
  );
  const target = await sqlCluster(root, 'target', ['']);
  await expect(sql(target, "RESTORE DATABASE d FROM LATEST IN 'nodelocal://1/b'")).rejects.toMatchObject({
    code: 'SV_UNSUPPORTED_FORMAT',
    message: 'the backup was taken inside tenant 10, whose keys are not read',
  });
  expect((await lines(target, 'SHOW DATABASES')).join()).not.toContain('d,');
});

test('system tables that this cluster does not keep are told', async () => {
  const root = await altered(({ descriptors }) => {
    const settings = descriptors.find((raw) => decodeDescriptor(raw).name === 'settings')!;
    const { table } = Descriptor.decode(settings);
    const other = { ...table, name: 'privileges', id: 48 };
    return { descriptors: [...descriptors, Descriptor.encode({ table: other }).finish()] };
  });
  const target = await sqlCluster(root, 'target', ['']);
  const { notices } = await sql(target, "RESTORE FROM LATEST IN 'nodelocal://1/b'");
  expect(notices).toEqual(['rows of system.privileges are not restored: this cluster keeps no such table']);
});

test('a table that was being imported is told', async () => {
  const root = await altered(({ descriptors }) => ({
    descriptors: descriptors.map((raw) => {
      const { table } = Descriptor.decode(raw);
      if (table?.name !== 't') return raw;
      const offline = { ...table, state: 3, offlineReason: 'importing' };
      return Descriptor.encode({ table: offline }).finish();
    }),
  }));
  const target = await sqlCluster(root, 'target', ['']);
  const { notices } = await sql(target, "RESTORE DATABASE d FROM LATEST IN 'nodelocal://1/b'");
  expect(notices).toEqual(['table d.public.t is not restored: it was offline, for an IMPORT or RESTORE']);
});
