// The whole test run of `npm test`: judges, types, lint, Rust, TypeScript. Every part runs even when an earlier one failed;
// the last line counts all tests.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const report = join(root, 'dist', 'test-report.json');
let passed = 0;
let failed = 0;

function run(name, command, args, options = {}) {
  console.log(`\n== ${name}`);
  const begin = performance.now();
  const done = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', options.capture ? 'pipe' : 'inherit', 'inherit'],
    maxBuffer: 1 << 28,
    env: { ...process.env, ...options.env },
  });
  if (options.capture) process.stdout.write(done.stdout ?? '');
  if (done.error) console.error(done.error.message);
  console.log(
    `== ${name}: exit ${done.status ?? done.signal ?? 'none'} after ${((performance.now() - begin) / 1000).toFixed(1)} s`,
  );
  return { ok: done.status === 0, stdout: done.stdout ?? '' };
}

/** A step that is one check of its own. */
function check(name, command, args) {
  if (run(name, command, args).ok) passed++;
  else failed++;
}

check('judges', 'node', ['test/judges/build.mjs']);
check('servers', 'node', ['test/storage/servers/build.mjs']);
check('build', 'npm', ['run', '--silent', 'build:js']);
check('types of tests and benches', 'npx', ['tsc', '-p', 'test/tsconfig.json']);
check('lint', 'npx', ['biome', 'check', '.']);
check('format of Rust', 'cargo', ['fmt', '--all', '--check', '--manifest-path', 'native/Cargo.toml']);

const cargo = run(
  'cargo test',
  'cargo',
  ['test', '--locked', '--workspace', '--exclude', 'spanvault-binding', '--manifest-path', 'native/Cargo.toml'],
  { capture: true },
);
const lines = [...cargo.stdout.matchAll(/^test result: .*? (\d+) passed; (\d+) failed/gm)];
passed += lines.reduce((sum, line) => sum + Number(line[1]), 0);
const rustFailed = lines.reduce((sum, line) => sum + Number(line[2]), 0);
failed += cargo.ok ? rustFailed : Math.max(1, rustFailed);

rmSync(report, { force: true });
const vitest = run('vitest', 'npx', [
  'vitest',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
]);
try {
  const counts = JSON.parse(readFileSync(report, 'utf8'));
  passed += counts.numPassedTests;
  failed += vitest.ok ? counts.numFailedTests : Math.max(1, counts.numFailedTests);
  if (counts.numPendingTests > 0) console.log(`${counts.numPendingTests} tests were skipped; the lines above say why`);
} catch (error) {
  console.error(`vitest left no report: ${error.message}`);
  failed++;
}

console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
