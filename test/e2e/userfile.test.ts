import { afterAll, expect, test } from 'vitest';
import { backup, restore, showBackup } from '#src/index.js';
import { execute, openEngine, openSession } from '#src/statements/index.js';
import { closeAll, newCluster, spreadCluster } from './test_cluster.js';

/*
 * Backups that lie in the cluster itself.
 */

afterAll(closeAll);

test('a backup in userfile restores its databases, and not the whole cluster', async () => {
  const cluster = await spreadCluster();
  const storage = cluster.storage();
  const into = [
    'userfile:///b/east?COCKROACH_LOCALITY=default',
    'userfile:///b/west?COCKROACH_LOCALITY=region%3Dus-west1',
  ];
  await backup({ source: cluster.source(), into, targets: { kind: 'cluster' }, storage, workers: 2 });
  const bare = ['userfile:///b/west', 'userfile://defaultdb.public.userfiles_root/b/east'];
  const shown = await showBackup({ from: 'LATEST', in: bare, storage, checkFiles: true });
  expect(shown.layers).toHaveLength(1);

  await restore({
    sink: cluster.sink(),
    from: 'LATEST',
    in: bare,
    targets: { kind: 'databases', names: ['kv'] },
    newDbName: 'again',
    storage,
    workers: 2,
  });
  const prints = await Promise.all(['kv.kv', 'again.kv'].map((name) => cluster.rows.fingerprints(cluster.table(name))));
  expect(prints[1]).toEqual(prints[0]);
  await expect(
    restore({ sink: cluster.sink(), from: 'LATEST', in: bare, targets: { kind: 'cluster' }, storage }),
  ).rejects.toMatchObject({
    code: 'SV_NOT_EMPTY',
    message:
      'full cluster restore can only be run on a cluster with no tables or databases but found 2 descriptors: [userfiles_root_upload_files userfiles_root_upload_payload]',
  });
});

test('a connection may stand for it', async () => {
  const cluster = await newCluster();
  await cluster.close();
  const session = openSession(await openEngine(cluster.directory));
  await execute(session, "CREATE EXTERNAL CONNECTION own AS 'userfile:///own'");
  await execute(session, 'CREATE DATABASE d');
  await execute(session, "BACKUP INTO 'external://own/b'");
  await expect(execute(session, "RESTORE FROM LATEST IN 'external://own/b'")).rejects.toMatchObject({
    code: 'SV_NOT_EMPTY',
  });
  await execute(session, "RESTORE DATABASE d FROM LATEST IN 'external://own/b' WITH new_db_name = 'e'");
  await session.engine.close();
});
