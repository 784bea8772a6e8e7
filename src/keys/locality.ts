import { SpanvaultError } from '../fault/index.js';

/** One `key=value` of a locality. */
export interface Tier {
  readonly key: string;
  readonly value: string;
}

/** Ordered tiers, the least specific first; empty for a node that was started without locality. */
export type Locality = readonly Tier[];

/** `key=value`, the text that COCKROACH_LOCALITY and File.locality_kv hold. */
export function printTier(tier: Tier): string {
  return `${tier.key}=${tier.value}`;
}

/** `k=v,k=v`, as SHOW LOCALITY prints it. */
export function printLocality(locality: Locality): string {
  return locality.map(printTier).join(',');
}

/**
 * Parses exactly one tier; anything else is refused with CockroachDB's words (crdb-format.md 3.1).
 * @throws SpanvaultError SV_LOCALITY
 */
export function parseTier(text: string): Tier {
  const parts = text.split('=');
  const [key, value] = parts;
  if (parts.length !== 2 || !key || !value || text.includes(',')) {
    throw new SpanvaultError('SV_LOCALITY', `tier must be in the form "key=value" not ${JSON.stringify(text)}`, {
      details: { tier: text },
    });
  }
  return { key, value };
}

/**
 * Parses `k=v,k=v`; an empty text is the empty locality; a key that occurs twice is refused.
 * @throws SpanvaultError SV_LOCALITY
 */
export function parseLocality(text: string): Locality {
  if (text === '') return [];
  const tiers = text.split(',').map(parseTier);
  const seen = new Set<string>();
  for (const tier of tiers) {
    if (seen.has(tier.key)) {
      throw new SpanvaultError(
        'SV_LOCALITY',
        `locality ${JSON.stringify(text)} has the key ${JSON.stringify(tier.key)} twice`,
      );
    }
    seen.add(tier.key);
  }
  return tiers;
}

/**
 * The text of the first tier, walking from the most specific to the least, that `known` holds; undefined when none does
 * (crdb-format.md 3.2: single-tier equality, no prefix rule).
 */
export function matchTier(locality: Locality, known: ReadonlySet<string>): string | undefined {
  for (let index = locality.length - 1; index >= 0; index--) {
    const text = printTier(locality[index]!);
    if (known.has(text)) return text;
  }
  return undefined;
}

/** How many leading tiers two localities share. */
export function sharedTiers(a: Locality, b: Locality): number {
  let count = 0;
  while (count < a.length && count < b.length && printTier(a[count]!) === printTier(b[count]!)) count++;
  return count;
}
