// Builds the peers that the bench runs beside Spanvault into bench/peers/bin, where their tool chains are installed, and says
// which are missing; a bench without peers is still a bench.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const bin = join(here, 'bin');
mkdirSync(bin, { recursive: true });

function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (done.error) return `${command} is not installed`;
  return done.status === 0 ? undefined : `${done.stdout}${done.stderr}`.trim();
}

const peers = {
  rocksdb: () =>
    existsSync('/usr/include/rocksdb/sst_file_writer.h')
      ? run(
          'g++',
          ['-O2', '-std=c++17', '-o', join(bin, 'peer-rocksdb'), 'main.cc', '-lrocksdb'],
          join(here, 'rocksdb'),
        )
      : 'librocksdb-dev is not installed',
  pebble: () => run('go', ['build', '-o', join(bin, 'peer-pebble'), '.'], join(here, 'pebble')),
};

for (const [name, build] of Object.entries(peers)) {
  const reason = build();
  console.log(reason === undefined ? `peer ${name}: built` : `peer ${name}: left out, ${reason}`);
}
