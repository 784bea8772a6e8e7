import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'spanvault-cli-storage-'));
afterAll(() => rmSync(root, { recursive: true }));
const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const ran = (...args: string[]) => {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: root });
  expect(done.status, done.stderr).toBe(0);
  return done;
};
const run = (...args: string[]): string => ran(...args).stderr;

it('backup and restore trace every call of every thread, within limits', () => {
  run('cluster', 'init', 'c1', '--node', '');
  run('workload', 'init', 'kv', '--cluster', 'c1', '--rows', '100');
  const traced = run(
    'backup',
    '--cluster',
    'c1',
    '--trace-storage',
    '--limit-requests',
    '1000',
    '--retry-attempts',
    '2',
    'nodelocal://1/b',
  );
  // The lock and the manifest are written by the main thread, the files by workers.
  expect(traced).toMatch(/^storage: write nodelocal:\/\/1\/b\/.*BACKUP_MANIFEST ok \d+ bytes [\d.]+ ms$/m);
  expect(traced).toMatch(/^storage: finish nodelocal:\/\/1\/b\/.*\.sst ok /m);
  expect(run('backup', '--cluster', 'c1', 'nodelocal://1/b2')).not.toContain('storage: ');
});

const CLUSTER = ['--cluster', 'c1'];

it.each([
  ['show backups', ['show', 'backups', ...CLUSTER]],
  ['show backup', ['show', 'backup', ...CLUSTER]],
  ['show --tree', ['show', '--tree', ...CLUSTER]],
  ['show --tree without a cluster', ['show', '--tree', '--external-io-dir', 'c1/extern']],
  ['check-storage', ['check-storage', '--transfer-mib', '1', ...CLUSTER]],
  ['sweep', ['sweep', ...CLUSTER]],
])('%s traces, limits and repeats as told, and says what it asked of which bucket', (_, command) => {
  const file = join(root, 'metrics.txt');
  const flags = ['--trace-storage', '--retry-attempts', '2', '--retry-seconds', '9', '--limit-requests', '1000'];
  const traced = run(...command, ...flags, '--limit-bytes', '100000000', '--metrics', file, 'nodelocal://1/b');
  expect(traced).toMatch(/^storage: list nodelocal:\/\/1\/b/m);
  expect(readFileSync(file, 'utf8')).toMatch(
    /^spanvault_storage_calls_total\{bucket="nodelocal:\/\/1",operation="list"\} [1-9]/m,
  );
  const readable = run(...command, '--metrics', '-', 'nodelocal://1/b');
  expect(readable).toMatch(/^nodelocal:\/\/1: \d+ calls? \(.*\d+ list.*\), .* written, .* read$/m);
});

it('backup, restore, check-storage and sweep tell it in their JSON, backup and restore in their text', () => {
  const usageOf = (...args: string[]) => {
    const lines = ran(...args)
      .stdout.trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return lines.find((line) => 'usage' in line).usage;
  };
  const bucket = (...operations: string[]) => [
    {
      bucket: 'nodelocal://1',
      requests: {},
      operations: Object.fromEntries(operations.map((name) => [name, { calls: expect.any(Number) }])),
    },
  ];
  expect(usageOf('backup', ...CLUSTER, '--json', 'nodelocal://1/b3')).toMatchObject(bucket('write', 'part', 'list'));
  const into = ['--new-db-name', 'kv2', '--database', 'kv'];
  expect(usageOf('restore', ...CLUSTER, ...into, '--json', 'nodelocal://1/b3')).toMatchObject(bucket('read', 'list'));
  expect(usageOf('sweep', ...CLUSTER, '--json', 'nodelocal://1/b3')).toMatchObject(bucket('list'));
  const check = ['check-storage', '--transfer-mib', '1', ...CLUSTER, '--json', 'nodelocal://1/b3'];
  expect(usageOf(...check)).toMatchObject(bucket('read', 'write', 'delete'));
  expect(ran('backup', ...CLUSTER, 'nodelocal://1/b4').stdout).toMatch(/^nodelocal:\/\/1: \d+ calls \(.*\d+ write/m);
});

it('numbers of a command that failed are written all the same, and a file that cannot be is named', () => {
  const file = join(root, 'failed.txt');
  const failed = spawnSync(
    process.execPath,
    [main, 'show', 'backup', ...CLUSTER, '--metrics', file, 'nodelocal://1/no'],
    {
      encoding: 'utf8',
      cwd: root,
    },
  );
  expect(failed.status).toBe(3);
  expect(readFileSync(file, 'utf8')).toMatch(/operation="list"\} [1-9]/);
  const nowhere = ['show', 'backups', ...CLUSTER, '--metrics', '/nowhere/at/all', 'nodelocal://1/b'];
  const refused = spawnSync(process.execPath, [main, ...nowhere], { encoding: 'utf8', cwd: root });
  expect([refused.status, refused.stderr]).toEqual([
    2,
    expect.stringContaining('cannot write the metrics to /nowhere/at/all'),
  ]);
});
