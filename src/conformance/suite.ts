import type { ConformanceRunner } from './storage.js';

/** Longest that one check may take; every suite's checks are far below it. */
const CHECK_TIMEOUT_MS = 30_000;

/** A check of a suite: it throws an Error whose message says what differs. */
interface Check<S> {
  readonly name: string;
  run(subject: S): Promise<void>;
}

/** Registers checks with a test runner: each gets a fresh subject from `factory`, which is disposed of in any case. */
export function registerSuite<S extends { dispose(): Promise<void> }>(
  title: string,
  checks: readonly Check<S>[],
  factory: () => Promise<S>,
  runner: ConformanceRunner,
): void {
  runner.describe(title, () => {
    for (const check of checks) {
      runner.it(
        check.name,
        async () => {
          const subject = await factory();
          try {
            await check.run(subject);
          } finally {
            await subject.dispose();
          }
        },
        CHECK_TIMEOUT_MS,
      );
    }
  });
}
