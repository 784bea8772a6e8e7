import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddedHost } from '#src/cli/embedded_host.js';
import { type Ran, runWith } from './fakes.js';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const FIXTURES = resolve(import.meta.dirname, '../../../shared/fixtures');
const root = mkdtempSync(join(tmpdir(), 'spanvault-cli-'));
const cluster = join(root, 'c1');
const buckets = join(root, 'buckets');
const INTO = [
  'nodelocal://1/east?COCKROACH_LOCALITY=default',
  'nodelocal://2/west?COCKROACH_LOCALITY=region%3Dus-west',
];

function start(args: readonly string[]): ChildProcess {
  const env = { ...process.env, SPANVAULT_CLUSTER: cluster, SPANVAULT_EXTERNAL_IO_DIR: buckets, NO_COLOR: '1' };
  return spawn(process.execPath, [MAIN, ...args], { env, stdio: 'pipe' });
}

/** Runs a command line here, on real clusters: as the process does, without its start. */
function spanvault(args: readonly string[], stdin = ''): Promise<Ran> {
  return runWith(embeddedHost, args, {
    stdin: Readable.from(stdin === '' ? [] : [stdin]),
    env: { SPANVAULT_CLUSTER: cluster, SPANVAULT_EXTERNAL_IO_DIR: buckets },
  });
}

/** What a process printed and returned. */
async function finished(child: ChildProcess, stdin = ''): Promise<Ran> {
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data: Buffer) => {
    text.stdout += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    text.stderr += data.toString();
  });
  child.stdin?.end(stdin);
  const code = await new Promise<number>((done) =>
    child.on('close', (status, signal) => done(status ?? (signal === null ? -1 : 128))),
  );
  return { code, ...text };
}

/** Names of the files in a directory tree; none where there is no directory. */
function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const sql = (text: string): Promise<Ran> => spanvault(['sql', '--format', 'csv'], text);

beforeAll(async () => {
  const made = await spanvault([
    'cluster',
    'init',
    cluster,
    '--node',
    'region=us-east,az=a',
    '--node',
    'region=us-west,az=a',
  ]);
  expect(made.stderr).toBe('');
  expect(made.stdout).toContain('  2 | region=us-west,az=a | live\n(2 rows)');
  const loaded = await spanvault(['workload', 'init', 'movr', '--rows', '500']);
  expect(loaded.code).toBe(0);
  expect(loaded.stdout).toContain('movr.users');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('the process prints, takes statements from a pipe, and ends with the exit code', async () => {
  expect(await finished(start(['sql', '--format', 'csv']), 'SHOW LOCALITY;')).toEqual({
    code: 0,
    stdout: 'locality\n"region=us-east,az=a"\n',
    stderr: '',
  });
  expect(await finished(start(['sql', '-e', 'FLY']))).toMatchObject({ code: 2, stdout: '' });
});

test('a cluster where no directory can be made is a failure of the disk, not of ours', async () => {
  const { code, stderr } = await spanvault(['cluster', 'init', join(MAIN, 'c'), '--node', '']);
  expect(stderr).toBe(`error: the directory ${join(MAIN, 'c', 'data')} cannot be made: ENOTDIR\n`);
  expect(code).toBe(3);
});

describe('rows', () => {
  test('insert, select, update and delete by primary key', async () => {
    const id = '11111111-1111-4111-8111-111111111111';
    const ran = await sql(`USE movr;
      INSERT INTO users (id, city, name, address, credit_card) VALUES ('${id}', 'paris', 'Ann "A." O''Neil', NULL, '1, 2');
      SELECT * FROM users WHERE city = 'paris' AND id = '${id}';
      UPDATE users SET name = 'Bo', address = 'x
y' WHERE city = 'paris' AND id = '${id}';
      SELECT * FROM users WHERE city = 'paris' AND id = '${id}' LIMIT 1;
      DELETE FROM users WHERE city = 'paris' AND id = '${id}';
      SELECT * FROM users WHERE city = 'paris' AND id = '${id}';`);
    expect(ran.stderr.replace(/^notice:.*\n/gm, '')).toBe('');
    const head = 'id,city,name,address,credit_card';
    expect(ran.stdout).toBe(
      `SET\nINSERT 0 1\n${head}\n${id},paris,"Ann ""A."" O'Neil",NULL,"1, 2"\nUPDATE 1\n${head}\n${id},paris,Bo,"x\ny","1, 2"\nDELETE 1\n${head}\n`,
    );
  });

  test.each([
    ["INSERT INTO movr.users VALUES (1, 'paris')", `value type int doesn't match type uuid of column "id"`],
    [
      "INSERT INTO movr.users (id, city) VALUES ('11111111-1111-4111-8111-111111111111', 7)",
      `value type int doesn't match type`,
    ],
    ['INSERT INTO movr.users (nope) VALUES (1)', 'column "nope" does not exist'],
    [
      "INSERT INTO movr.users (city) VALUES ('a', 'b')",
      'INSERT has more expressions than target columns, 2 expressions for 1 targets',
    ],
    [
      "SELECT * FROM movr.users WHERE name = 'x'",
      'WHERE on anything but leading columns of the primary key (city, id) is not supported yet',
    ],
    [
      "DELETE FROM movr.users WHERE name = 'x'",
      'WHERE on anything but leading columns of the primary key (city, id) is not supported yet',
    ],
    ['SELECT * FROM movr.nothing', 'relation "movr.nothing" does not exist'],
    ["SELECT * FROM movr.users AS OF SYSTEM TIME '10s'", 'AS OF SYSTEM TIME: cannot specify timestamp in the future'],
    ['DROP TABLE movr.users', 'is referenced by foreign key'],
    ['CREATE DATABASE movr', 'database "movr" already exists'],
    [
      "ALTER TABLE movr.users CONFIGURE ZONE USING constraints = '[+region=mars]'",
      'constraint "+region=mars" matches no existing nodes within the cluster - did you enter it correctly?',
    ],
  ])('%s is refused', async (statement, message) => {
    const ran = await sql(statement);
    expect(ran.stderr).toContain(`error: `);
    expect(ran.stderr).toContain(message);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('backup and restore', () => {
  test('there and back, with JSON lines', async () => {
    const backed = await spanvault(['backup', ...INTO, '--database', 'movr', '--json']);
    expect(backed.stderr).toBe('');
    expect(backed.code).toBe(0);
    const result = JSON.parse(backed.stdout.trimEnd().split('\n').at(-1)!) as {
      event: string;
      subdir: string;
      placement: { buckets: { files: number }[] };
    };
    expect(result.event).toBe('result');
    expect(result.placement.buckets.every(({ files }) => files > 0)).toBe(true);

    const listed = await spanvault(['show', 'backups', INTO[0]!, '--format', 'csv']);
    expect(listed.stdout).toBe(`path\n${result.subdir}\n`);
    const shown = await spanvault([
      'show',
      'backup',
      'nodelocal://2/west',
      'nodelocal://1/east',
      '--check-files',
      '--format',
      'csv',
    ]);
    expect(shown.stdout).toContain('file_bytes');
    expect(shown.stdout).toContain('movr,public,rides,table,full,NULL,');
    const earlier = ['show', '--cluster', cluster, '--check-files', 'backup', '--format', 'csv'];
    const again = await runWith(embeddedHost, [...earlier, 'nodelocal://2/west', 'nodelocal://1/east'], {
      env: { SPANVAULT_EXTERNAL_IO_DIR: buckets },
    });
    expect(again).toEqual(shown);

    const restored = await spanvault([
      'restore',
      'nodelocal://2/west/',
      'nodelocal://1/east/',
      '--database',
      'movr',
      '--new-db-name',
      'again',
    ]);
    expect(restored.code).toBe(0);
    const prints = await sql(
      'SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE movr.rides; SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE again.rides; DROP DATABASE again CASCADE',
    );
    const [, before, after] = prints.stdout.replace('DROP DATABASE\n', '').split('index_name,fingerprint\n');
    expect(before).toMatch(/^primary,-?\d+\n/);
    expect(after).toBe(before);
  });

  test.each([
    [
      ['nodelocal://1/x?COCKROACH_LOCALITY=default', 'nodelocal://2/x?COCKROACH_LOCALITY=region%3Da,az%3Db'],
      'tier must be in the form "key=value"',
      2,
    ],
    [['nodelocal://1/x?COCKROACH_LOCALITY=region%3Da', 'nodelocal://2/x?COCKROACH_LOCALITY=region%3Db'], 'default', 2],
    [['nodelocal://1/x', 'nodelocal://2/x'], 'COCKROACH_LOCALITY', 2],
    [['nodelocal://1/x?NOPE=1'], 'unknown', 2],
    [['nodelocal://1/../x'], '..', 2],
    [['gopher://x'], 'gopher', 2],
  ])('BACKUP into %j is refused and writes nothing', async (uris, message, code) => {
    const ran = await spanvault(['backup', ...uris]);
    expect(ran.stderr).toContain(message);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(existsSync(join(buckets, '1', 'x')) || existsSync(join(buckets, '2', 'x'))).toBe(false);
  });

  test('a missing part is named, and nothing is restored', async () => {
    await spanvault([
      'backup',
      ...INTO.map((uri) => uri.replace('/east', '/e2').replace('/west', '/w2')),
      '--database',
      'movr',
    ]);
    const ran = await spanvault(['restore', 'nodelocal://1/e2', '--database', 'movr', '--new-db-name', 'half']);
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain('error: expected manifest BACKUP_PART_1_region=us-west not found in backup locations');
    expect((await sql('SHOW DATABASES')).stdout).not.toContain('half');
  });

  test('an interrupt ends a backup with 130 and leaves no object behind', async () => {
    const child = start(['backup', 'nodelocal://1/interrupted', '--json']);
    const done = finished(child);
    const timer = setInterval(() => {
      if (!existsSync(join(buckets, '1', 'interrupted'))) return;
      clearInterval(timer);
      child.kill('SIGINT');
    }, 2);
    const ran = await done;
    clearInterval(timer);
    // A machine that finishes before the signal arrives has nothing to abort.
    const left = filesBelow(join(buckets, '1', 'interrupted'));
    if (ran.code === 0) expect(left.includes('BACKUP_MANIFEST')).toBe(true);
    else {
      expect(ran.code).toBe(130);
      expect(ran.stdout).toContain('"code":"SV_ABORTED"');
      expect(left).toEqual([]);
    }
    const after = await sql('SELECT * FROM movr.users LIMIT 1');
    expect(after, after.stderr).toMatchObject({ code: 0 });
  });

  test('a reader that has seen enough is no failure', async () => {
    const child = start([
      'sql',
      '--format',
      'csv',
      '-e',
      'SELECT * FROM movr.promo_codes',
      '-e',
      'SELECT * FROM movr.rides',
    ]);
    child.stdout?.once('data', () => child.stdout?.destroy());
    child.stdin?.end();
    const code = await new Promise((resolveCode) => child.on('close', resolveCode));
    expect(code).toBe(0);
  });
});

describe.skipIf(!existsSync(FIXTURES))('a backup of CockroachDB v21.1 (skipped where ../shared is absent)', () => {
  test('its rows print as CockroachDB printed them', async () => {
    cpSync(join(FIXTURES, 'cockroach-backups/v21.1-cluster'), join(buckets, '1', 'crdb'), { recursive: true });
    const restored = await spanvault(['restore', 'nodelocal://1/crdb', '--database', 'movr', '--new-db-name', 'crdb']);
    expect(restored.code).toBe(0);
    for (const table of ['users', 'vehicles', 'rides', 'promo_codes', 'vehicle_location_histories']) {
      const truth = readFileSync(join(FIXTURES, `truth/v21.1-cluster/movr.public.${table}.csv`), 'utf8');
      expect((await sql(`SELECT * FROM crdb.${table}`)).stdout).toBe(truth);
    }
  });
});
