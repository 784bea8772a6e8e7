import type { StorageCheck, StorageUnderTest } from './storage_check.js';
import { LISTINGS } from './storage_listings.js';
import { OBJECTS } from './storage_objects.js';
import { WRITERS } from './storage_writers.js';
import { registerSuite } from './suite.js';

export type { StorageCheck, StorageUnderTest } from './storage_check.js';

/** The two functions of a test runner that the suite needs; vitest, jest, mocha and node:test have them. */
export interface ConformanceRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>, timeoutMs?: number): void;
}

/** Every check, in order. */
export const STORAGE_CHECKS: readonly StorageCheck[] = [...OBJECTS, ...WRITERS, ...LISTINGS];

/** Registers the whole suite with a test runner: each check gets a fresh, empty location from `factory`. */
export function storageConformance(
  name: string,
  factory: () => Promise<StorageUnderTest>,
  runner: ConformanceRunner,
): void {
  registerSuite(`ExternalStorage: ${name}`, STORAGE_CHECKS, factory, runner);
}
