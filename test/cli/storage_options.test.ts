import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'spanvault-cli-storage-'));
afterAll(() => rmSync(root, { recursive: true }));
const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const run = (...args: string[]) => {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: root });
  expect(done.status, done.stderr).toBe(0);
  return done.stderr;
};

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
