// Generates the sources that are not kept in git: each .proto into the room that owns it, and the grammars of statements.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Room of each .proto. Every module has its own protobufjs root: two with the same one would share and mix their types. */
const PROTOS = { backup: 'manifest', descriptors: 'catalog' };

const pbjs = createRequire(import.meta.url).resolve('protobufjs-cli/bin/pbjs');
for (const [name, room] of Object.entries(PROTOS)) {
  const source = join(ROOT, 'proto', `${name}.proto`);
  if (!existsSync(source)) continue;
  const out = join(ROOT, 'src', room, 'generated', `${name}.js`);
  mkdirSync(dirname(out), { recursive: true });
  const options = ['-t', 'static-module', '-w', 'esm', '--dts', '--no-service', '--no-delimited', '--no-typeurl'];
  execFileSync(process.execPath, [pbjs, ...options, '-r', `spanvault-${name}`, '-o', out, source], {
    stdio: 'inherit',
  });
}

const statements = join(ROOT, 'src', 'statements');
const grammars = existsSync(statements) ? readdirSync(statements).filter((file) => file.endsWith('.peggy')) : [];
if (grammars.length > 0) {
  const { default: peggy } = await import('peggy');
  const { readFileSync } = await import('node:fs');
  for (const file of grammars) {
    const name = file.replace(/\.peggy$/, '');
    const out = join(statements, 'generated', `${name}.js`);
    mkdirSync(dirname(out), { recursive: true });
    const grammarSource = join('src', 'statements', file);
    const source = readFileSync(join(statements, file), 'utf8');
    let code;
    try {
      code = peggy.generate(source, { output: 'source', format: 'es', grammarSource });
    } catch (error) {
      console.error(
        typeof error.format === 'function' ? error.format([{ source: grammarSource, text: source }]) : error,
      );
      process.exit(1);
    }
    writeFileSync(out, code);
    writeFileSync(
      out.replace(/\.js$/, '.d.ts'),
      [
        'export interface ParsePosition { readonly offset: number; readonly line: number; readonly column: number }',
        'export declare class SyntaxError extends globalThis.SyntaxError {',
        '  readonly location: { readonly start: ParsePosition; readonly end: ParsePosition };',
        '  readonly expected: readonly unknown[] | null;',
        '  readonly found: string | null;',
        '}',
        'export declare function parse(input: string, options?: Record<string, unknown>): unknown;',
        '',
      ].join('\n'),
    );
  }
}
