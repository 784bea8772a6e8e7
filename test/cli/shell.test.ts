import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { engineOf, runWith } from './fakes.js';

const directory = mkdtempSync(join(tmpdir(), 'spanvault-shell-'));
const history = join(directory, 'state', 'history');
afterAll(() => rmSync(directory, { recursive: true }));

/** Types lines into an interactive shell and returns what it showed. */
async function typed(...lines: readonly string[]) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const engine = engineOf({
    nodeLocality: () => 'region=us-east,az=a',
    databases: async () => [{ name: 'movr', owner: 'root' }],
    tables: async (database) => [{ schema: 'public', name: `t_of_${database}`, type: 'table', owner: 'root' }],
    createStatement: async ({ name }) => ({ name: name.join('.'), text: 'CREATE TABLE x ()' }),
  });
  const running = runWith({ openEngine: async () => engine }, ['sql', '--cluster', 'c'], {
    stdin,
    env: { SPANVAULT_HISTORY: history, TERM: 'dumb' },
  });
  for (const line of lines) stdin.write(`${line}\n`);
  stdin.end();
  const ran = await running;
  return { ...ran, stdout: stripVTControlCharacters(ran.stdout) };
}

test('a statement may take several lines; several may stand on one', async () => {
  const { code, stdout, stderr } = await typed('SHOW', 'LOCALITY', '; USE movr; SHOW LOCALITY;');
  expect(stderr).toBe('');
  expect(stdout.match(/region=us-east,az=a\n\(1 row\)/g)?.length).toBe(2);
  expect(stdout).toMatch(/SET\n/);
  expect(stdout).toContain('movr> ');
  expect(stdout).toMatch(/Time: \d+ms/);
  expect(code).toBe(0);
});

test('errors are printed and the shell goes on', async () => {
  const { code, stdout, stderr } = await typed('SELECT * FORM t;', 'USE nowhere;', 'SHOW LOCALITY;');
  expect(stderr).toMatch(/error: at or near "FORM": syntax error/);
  expect(stderr).toContain('error: database "nowhere" does not exist');
  expect(stdout).toContain('region=us-east,az=a');
  expect(code).toBe(0);
});

test('backslash commands', async () => {
  const { stdout } = await typed('\\?', '\\l', '\\d', '\\d rides', '\\x', '\\q', 'SHOW LOCALITY;');
  expect(stdout).toContain('Statements end with a semicolon');
  expect(stdout).toContain('movr');
  expect(stdout).toContain('t_of_defaultdb');
  expect(stdout).toContain('CREATE TABLE x ()');
  expect(stdout).toContain('\\x is no command');
  expect(stdout).not.toContain('region=us-east');
});

test('history is kept for the next shell, newest last, without lines that may hold a secret', async () => {
  await typed('SHOW LOCALITY;', "BACKUP INTO 's3://b?AWS_SECRET_ACCESS_KEY=topsecret';", 'SHOW DATABASES;');
  const lines = readFileSync(history, 'utf8').trimEnd().split('\n');
  expect(lines.slice(-2)).toEqual(['SHOW LOCALITY;', 'SHOW DATABASES;']);
  expect(lines.join('\n')).not.toContain('topsecret');
});
