import { cpSync, rmSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import {
  ENDS,
  expectRefused,
  expectRestores,
  FULL,
  fixtureRoot,
  freshCluster,
  INCREMENTALS,
  inBucket,
  moveInBuckets,
  there,
  uriList,
} from './chain_fixture.js';
import { closeSql, kvSession, lines, sql, sqlCluster, sqlRoot } from './sql_cluster.js';

/*
 * RESTORE and SHOW BACKUP of chains in each of their layouts on disk (crdb-format.md 1.1), by each way of naming their
 * locations (crdb-features.md S28-S30, S45-S53).
 */

afterAll(closeSql);

/** Each layout: what is moved where, and the option that names the incrementals. */
const LAYOUTS = [
  ['below the full, as up to 21.2', undefined, ''],
  ['below incrementals/, as since 22.1', `chain/incrementals/${FULL}`, ''],
  ['in a location of their own', `elsewhere/${FULL}`, `WITH incremental_location = ${uriList('elsewhere', [2, 1])}`],
] as const;

/** Columns of SHOW BACKUP that tell layers and objects apart. */
const shown = async (root: string, statement: string): Promise<string[]> =>
  (await sql(await freshCluster(root), statement)).rows.map((row) =>
    [row[2], row[4], row[6]!.slice(17), row[8] ?? 'NULL'].join(' '),
  );

const ALL_LAYERS = [
  'ch full 35.026317 NULL',
  'acct full 35.026317 3000',
  'ch incremental 35.741317 NULL',
  'acct incremental 35.741317 1919',
  'late incremental 35.741317 500',
  'ch incremental 36.554185 NULL',
  'acct incremental 36.554185 150',
  'late incremental 36.554185 80',
];

describe.skipIf(!there)('a real chain with its incrementals', () => {
  test.each(LAYOUTS)('%s: every layer is shown and restores', async (_title, to, option) => {
    const root = fixtureRoot();
    if (to !== undefined) moveInBuckets(root, `chain/${FULL}/20261123`, `${to}/20261123`);
    const source = `LATEST IN ${uriList('chain')}`;
    expect(await shown(root, `SHOW BACKUP FROM ${source} ${option}`)).toEqual(ALL_LAYERS);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${source} ${option}`, 3);
    await expectRestores(
      root,
      `RESTORE DATABASE ch FROM '${FULL}' IN ${uriList('chain', [2, 1])} AS OF SYSTEM TIME '${ENDS[1]}' ${option}`,
      2,
    );
    await expectRestores(root, `RESTORE DATABASE ch FROM ${source} AS OF SYSTEM TIME '${ENDS[0]}' ${option}`, 1);
  });

  test('one list of locations per layer, the form of old versions, in any order and with a layer given twice', async () => {
    const root = fixtureRoot();
    const [first, second] = INCREMENTALS.map((directory) => `chain/${FULL}/${directory}`);
    const layers = [uriList(`chain/${FULL}`), uriList(first!, [2, 1]), uriList(second!, [1, 2], true)];
    const statement = (...order: readonly number[]): string => order.map((index) => layers[index]).join(', ');
    expect(await shown(root, `SHOW BACKUP FROM ${statement(0, 1, 2)}`)).toEqual(ALL_LAYERS);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(0, 1, 2)}`, 3);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(0, 1)}`, 2);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(2, 1, 0)}`, 3);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(0, 1, 1, 2, 0)}`, 3);
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(0, 1, 2)} AS OF SYSTEM TIME '${ENDS[0]}'`, 1);
    // One list alone finds what was appended below it, as BACKUP … TO of 20.1 did.
    await expectRestores(root, `RESTORE DATABASE ch FROM ${statement(0)}`, 3);
  });

  test('layers in both default places are refused in CockroachDB’s words, and either can be chosen', async () => {
    const root = fixtureRoot();
    moveInBuckets(root, `chain/${FULL}/${INCREMENTALS[1]}`, `chain/incrementals/${FULL}/${INCREMENTALS[1]}`);
    const restore = `RESTORE DATABASE ch FROM LATEST IN ${uriList('chain')}`;
    await expectRefused(root, restore, {
      code: 'SV_USAGE',
      message:
        'Incremental layers found in both old and new default locations. Please choose a location manually with the `incremental_location` parameter.',
    });
    await expectRestores(root, `${restore} WITH incremental_location = ${uriList('chain')}`, 2);
    await expectRefused(root, `${restore} WITH incremental_location = ${uriList('chain/incrementals')}`, {
      code: 'SV_COVERAGE',
    });
  });

  test('moved, consolidated, further and unused locations: only what lies in them counts', async () => {
    const root = fixtureRoot();
    moveInBuckets(root, `chain/${FULL}/20261123`, `inc/${FULL}/20261123`);
    // The second part of the incrementals into the bucket of the default one; the full's stays where it was.
    cpSync(inBucket(root, 2, 'inc'), inBucket(root, 1, 'inc'), { recursive: true });
    rmSync(inBucket(root, 2, 'inc'), { recursive: true });
    const further =
      "('nodelocal://5/nothing', 'nodelocal://2/chain', 'nodelocal://1/chain', 'nodelocal://1/other?COCKROACH_LOCALITY=az%3Dx')";
    await expectRestores(
      root,
      `RESTORE DATABASE ch FROM LATEST IN ${further} WITH incremental_location = 'nodelocal://1/inc'`,
      3,
    );
  });

  test('the location of a locality that only one layer used must be given, and its part is named with its layer', async () => {
    const root = fixtureRoot();
    moveInBuckets(root, `chain/${FULL}/${INCREMENTALS[1]}`, `third/${FULL}/${INCREMENTALS[1]}`);
    cpSync(inBucket(root, 1, 'third'), inBucket(root, 1, 'chain'), { recursive: true });
    const restore = 'RESTORE DATABASE ch FROM LATEST IN';
    await expectRefused(root, `${restore} ${uriList('chain')}`, {
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west not found in backup locations',
      hint: expect.stringContaining(`it is a part of layer /${FULL}/${INCREMENTALS[1]}`),
    });
    await expectRestores(root, `${restore} ('nodelocal://1/chain', 'nodelocal://2/chain', 'nodelocal://2/third')`, 3);
  });

  test('SHOW BACKUP takes every option on every layer', async () => {
    const root = fixtureRoot();
    const session = await freshCluster(root);
    const source = `FROM LATEST IN ${uriList('chain', [2, 1])}`;
    const all = await sql(session, `SHOW BACKUP SCHEMAS ${source} WITH check_files, debug_ids, privileges`);
    expect(all.columns.map(({ name }) => name)).toEqual(
      'database_name database_id parent_schema_name parent_schema_id object_name object_id object_type backup_type start_time end_time size_bytes rows is_full_cluster regions create_statement privileges owner file_bytes'.split(
        ' ',
      ),
    );
    expect(all.rows.length).toBe(8);
    for (const row of all.rows.filter((cells) => cells[6] === 'table')) {
      expect(row[14]).toContain(`CREATE TABLE ${row[4]} (`);
      expect(Number(row.at(-1))).toBeGreaterThan(0);
    }
    const manifests = (await sql(session, `SHOW BACKUP ${source} WITH as_json`)).rows.map(([text]) =>
      JSON.parse(text!),
    );
    expect(manifests.map(({ localityKvs }) => localityKvs)).toEqual([
      ['region=us-west'],
      ['region=us-west'],
      ['region=us-west'],
    ]);
    expect(manifests.slice(1).map(({ startTime }) => startTime)).toEqual(ENDS.slice(0, 2));
  });

  test('check_files names up to ten missing files of all layers and locations', async () => {
    const root = fixtureRoot();
    const gone = [
      [1, `${FULL}/1230108541156163585.sst`],
      [1, `${FULL}/${INCREMENTALS[0]}/9000003.sst`],
      [2, `${FULL}/${INCREMENTALS[0]}/9000004.sst`],
      [2, `${FULL}/${INCREMENTALS[1]}/9000006.sst`],
    ] as const;
    for (const [node, path] of gone) rmSync(inBucket(root, node, `chain/${path}`));
    const session = await freshCluster(root);
    const failure = await sql(session, `SHOW BACKUP FROM LATEST IN ${uriList('chain')} WITH check_files`).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure).toMatchObject({ code: 'SV_COVERAGE', details: { count: 4 } });
    expect(
      failure!.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim())
        .sort(),
    ).toEqual(gone.map(([node, path]) => `nodelocal://${node}/chain/${path}`).sort());
  });

  test('SHOW BACKUPS says why it lists nothing', async () => {
    const root = fixtureRoot();
    moveInBuckets(root, `chain/${FULL}/20261123`, `inc/${FULL}/20261123`);
    const session = await freshCluster(root);
    const why = async (uri: string): Promise<readonly string[]> => {
      const { rows, notices } = await sql(session, `SHOW BACKUPS IN '${uri}'`);
      expect(rows).toEqual([]);
      return notices;
    };
    expect(await lines(session, `SHOW BACKUPS IN ${uriList('chain')}`)).toEqual([`/${FULL}`]);
    expect(await why('nodelocal://2/chain')).toEqual([
      'nodelocal://2/chain is not the default location of its backups: it holds parts (BACKUP_PART_1_region=us-west), and the manifests are in the location with COCKROACH_LOCALITY=default',
    ]);
    expect(await why(`nodelocal://1/chain/${FULL}`)).toEqual([
      `nodelocal://1/chain/${FULL} is a backup and no collection: SHOW BACKUP FROM 'nodelocal://1/chain/${FULL}' shows it`,
    ]);
    expect(await why('nodelocal://1/inc')).toEqual([
      'nodelocal://1/inc holds 2 incremental layers and no full backup: their full is in the collection that they belong to',
    ]);
    expect(await why('nodelocal://1/nothing')).toEqual(['nodelocal://1/nothing holds nothing']);
  });

  test('an encrypted chain says so, with the file', async () => {
    const root = fixtureRoot('v21.1-chain-encrypted');
    await expectRefused(root, `RESTORE DATABASE ch FROM LATEST IN ${uriList('chain')}`, {
      code: 'SV_USAGE',
      message: `nodelocal://1/chain/${FULL}/BACKUP_MANIFEST: file appears encrypted -- try specifying one of "encryption_passphrase" or "kms"`,
    });
  });
});

describe('our own chain', () => {
  test('with incremental_location lists, taken, shown and restored at each end', async () => {
    const root = sqlRoot();
    const source = await kvSession(root, 'source', 30);
    const aware = (path: string): string =>
      `('nodelocal://1/${path}?COCKROACH_LOCALITY=default', 'nodelocal://2/${path}?COCKROACH_LOCALITY=region%3Dus-west')`;
    const rows = (session: typeof source): Promise<string[]> => lines(session, 'SELECT * FROM kv.kv');
    await sql(source, `BACKUP DATABASE kv INTO ${aware('b')}`);
    await sql(source, "UPDATE kv.kv SET v = 'new' WHERE k = 3");
    await sql(source, `BACKUP DATABASE kv INTO LATEST IN ${aware('b')} WITH incremental_location = ${aware('inc')}`);
    const option = "WITH incremental_location = ('nodelocal://2/inc', 'nodelocal://1/inc')";
    const shownRows = await lines(
      source,
      `SHOW BACKUP FROM LATEST IN ('nodelocal://1/b', 'nodelocal://2/b') ${option}`,
    );
    expect(shownRows.map((line) => line.split(',')[4])).toEqual(['full', 'full', 'incremental', 'incremental']);
    const target = await sqlCluster(root, 'target');
    await sql(target, `RESTORE DATABASE kv FROM LATEST IN ('nodelocal://1/b', 'nodelocal://2/b') ${option}`);
    expect(await rows(target)).toEqual(await rows(source));
    // A place that holds none of the chain is told, since the full alone is older than what was asked for.
    const wrong = await sqlCluster(root, 'wrong');
    const { notices } = await sql(
      wrong,
      "RESTORE DATABASE kv FROM LATEST IN ('nodelocal://1/b', 'nodelocal://2/b') WITH incremental_location = 'nodelocal://1/none'",
    );
    expect(notices).toEqual([expect.stringMatching(/^no incremental layers of \/.* are in nodelocal:\/\/1\/none$/)]);
  });
});
