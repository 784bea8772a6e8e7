import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasVersitygw, type S3Server, startVersitygw } from './servers/versitygw.js';
import { type StormRun, stormRun } from './storm.js';

const RUNS = Number(process.env.SPANVAULT_STORM_RUNS ?? 30);
const FIRST = Number(process.env.SPANVAULT_STORM_SEED ?? 1);

describe.skipIf(!hasVersitygw)('backups and restores in a storm', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
  });
  afterAll(() => server.stop());

  it(
    `end equal or in a clean error in ${RUNS} seeded runs, and never name a broken file`,
    async () => {
      const runs: StormRun[] = [];
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
        try {
          runs.push(await stormRun(server, seed));
        } catch (error) {
          throw new Error(`seed ${seed} (SPANVAULT_STORM_SEED=${seed} SPANVAULT_STORM_RUNS=1): ${String(error)}`, {
            cause: error,
          });
        }
      }
      const done = runs.filter((run) => run.backup === 'done').length;
      const equal = runs.filter((run) => run.restore === 'equal').length;
      const met: Record<string, number> = {};
      for (const { fates } of runs)
        for (const [fate, count] of Object.entries(fates)) met[fate] = (met[fate] ?? 0) + count;
      console.log(
        `storm: ${RUNS} runs from seed ${FIRST}, ${done} backups done, ${equal} restores equal, ${JSON.stringify(met)}`,
      );
      for (const run of runs)
        if (run.backup !== 'done' || run.restore !== 'equal') console.log(`storm: ${run.backup} / ${run.restore}`);
      // A storm in which nothing gets through would prove nothing.
      expect(done).toBeGreaterThan(RUNS / 2);
      expect(met.pass).toBeGreaterThan(0);
    },
    Math.max(120_000, RUNS * 15_000),
  );
});
