import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // By default one file runs at a time on two cores, while many of them wait for servers, clocks and killed processes.
    maxWorkers: 2,
  },
});
