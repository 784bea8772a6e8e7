// `npm run test:storm`: a thousand seeded runs; SPANVAULT_STORM_RUNS and SPANVAULT_STORM_SEED choose others.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const done = spawnSync('npx', ['vitest', 'run', join(import.meta.dirname, 'storm.test.ts')], {
  stdio: 'inherit',
  env: { SPANVAULT_STORM_RUNS: '1000', SPANVAULT_REQUIRE_SERVERS: '1', ...process.env },
});
process.exit(done.status ?? 1);
