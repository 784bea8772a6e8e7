// Installs the object stores that tests start into test/storage/servers/bin where Go is, and says which are missing.
// With SPANVAULT_REQUIRE_SERVERS a missing one is a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const bin = join(import.meta.dirname, 'bin');
mkdirSync(bin, { recursive: true });

const servers = {
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.7.0',
  'fake-gcs-server': 'github.com/fsouza/fake-gcs-server@v1.55.1',
};

let missing = 0;
for (const [name, module] of Object.entries(servers)) {
  if (existsSync(join(bin, name))) {
    console.log(`server ${name}: there`);
    continue;
  }
  const done = spawnSync('go', ['install', module], {
    encoding: 'utf8',
    env: { ...process.env, GOBIN: bin, GOFLAGS: '-trimpath' },
  });
  if (done.status === 0) console.log(`server ${name}: installed`);
  else {
    missing++;
    const reason = done.error?.message ?? done.stderr.trim().split('\n').at(-1);
    console.log(`server ${name}: MISSING, its tests are skipped: ${reason}`);
  }
}
process.exit(missing > 0 && process.env.SPANVAULT_REQUIRE_SERVERS ? 1 : 0);
