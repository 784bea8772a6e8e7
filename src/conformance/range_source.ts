import type { SourceCheck, SourceUnderTest } from './source_check.js';
import { EXPORTS } from './source_exports.js';
import { IDENTITY } from './source_identity.js';
import type { ConformanceRunner } from './storage.js';
import { registerSuite } from './suite.js';

export type { SourceCheck, SourceUnderTest } from './source_check.js';

/** Every check of the suite, for runners of one's own. */
export const SOURCE_CHECKS: readonly SourceCheck[] = [...IDENTITY, ...EXPORTS];

/** Registers the whole suite with a test runner: each check gets a fresh source from `factory`. */
export function rangeSourceConformance(
  name: string,
  factory: () => Promise<SourceUnderTest>,
  runner: ConformanceRunner,
): void {
  registerSuite(`RangeSource: ${name}`, SOURCE_CHECKS, factory, runner);
}
