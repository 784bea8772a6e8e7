// Builds the strangers' readers into test/judges/bin where their tool chains are installed, and says which are missing.
// With SPANVAULT_REQUIRE_JUDGES a missing one is a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const bin = join(here, 'bin');
mkdirSync(bin, { recursive: true });

function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return done.error
    ? String(done.error.message)
    : done.status === 0
      ? undefined
      : `${done.stdout}${done.stderr}`.trim();
}

const judges = {
  rocksdb: () =>
    existsSync('/usr/include/rocksdb/sst_file_reader.h')
      ? run(
          'g++',
          ['-O2', '-std=c++17', '-o', join(bin, 'judge-rocksdb'), join(here, 'rocksdb/main.cc'), '-lrocksdb'],
          here,
        )
      : 'librocksdb-dev is not installed',
  pebble: () => run('go', ['build', '-o', join(bin, 'judge-pebble'), '.'], join(here, 'pebble')),
};

let missing = 0;
for (const [name, build] of Object.entries(judges)) {
  const reason = build();
  if (reason === undefined) console.log(`judge ${name}: built`);
  else {
    missing++;
    console.log(`judge ${name}: MISSING, its tests are skipped: ${reason}`);
  }
}
if (missing > 0 && process.env.SPANVAULT_REQUIRE_JUDGES) process.exit(1);
