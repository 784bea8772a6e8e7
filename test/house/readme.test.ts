import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';

/*
 * The README's examples are run as they stand, in their order, in an empty directory.
 */

const root = resolve(import.meta.dirname, '../..');
const shared = resolve(root, '../shared');
const scratch = mkdtempSync(join(tmpdir(), 'spanvault-readme-'));
const work = join(scratch, 'work');
mkdirSync(work);
if (existsSync(shared)) symlinkSync(shared, join(scratch, 'shared'));
afterAll(() => rmSync(scratch, { recursive: true }));

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = readme.slice(readme.indexOf('## A runnable example'), readme.indexOf('## Reference'));
const blocks = (language: string): string[] =>
  [...examples.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1]!);

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

test.each(blocks('sh'))('%s', (block) => {
  if (block.includes('../shared/') && !existsSync(shared)) {
    console.warn('skipped: the sample backups are not beside this checkout');
    return;
  }
  const cli = join(root, 'dist/cli/main.js');
  const output = run('bash', ['-euo', 'pipefail', '-c', `npx() { shift; node '${cli}' "$@"; }\n${block}`]);
  expect(output).not.toBe('');
});

test('the program runs', () => {
  const [program] = blocks('ts');
  const file = join(work, 'program.mjs');
  // A directory of its own: the commands above have made ./c1 and ./c2.
  const body = program!.replace("'spanvault'", `'${join(root, 'dist/index.js')}'`).replaceAll("'./c", "'./p");
  writeFileSync(file, `${body}\nawait cluster.close();\nawait empty.close();\nconsole.log(shown.layers.length);\n`);
  expect(run('node', [file])).toBe('1\n');
});
