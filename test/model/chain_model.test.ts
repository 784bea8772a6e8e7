import { expect, test } from 'vitest';
import { type HistoryCounts, runHistory } from './history.js';

/*
 * Random histories of writes, schema changes, zone changes and backups against a plain model. `npm run test:model` runs many;
 * SPANVAULT_MODEL_SEED=n runs the history of one seed.
 */

const ONE = process.env.SPANVAULT_MODEL_SEED;
const HISTORIES = Number(process.env.SPANVAULT_MODEL_HISTORIES ?? 50);
const FIRST = ONE === undefined ? Number(process.env.SPANVAULT_MODEL_FIRST ?? Date.now() % 1_000_000_000) : Number(ONE);

test(
  `${ONE === undefined ? HISTORIES : 1} random histories from seed ${FIRST} restore to what they were`,
  async () => {
    const total: HistoryCounts = { operations: 0, backups: 0, restores: 0, refusals: 0, rows: 0 };
    for (let seed = FIRST; seed < FIRST + (ONE === undefined ? HISTORIES : 1); seed++) {
      const counts = await runHistory(seed);
      for (const name of Object.keys(total) as (keyof HistoryCounts)[]) total[name] += counts[name];
      if ((seed - FIRST) % 100 === 99) console.log(`${seed - FIRST + 1} histories, ${JSON.stringify(total)}`);
    }
    console.log(`seeds from ${FIRST}: ${JSON.stringify(total)}`);
    expect(total.restores).toBeGreaterThan(0);
  },
  6 * 3_600_000,
);
