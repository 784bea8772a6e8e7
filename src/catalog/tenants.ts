import { decodeUvarintAscending, type Span } from '../keys/index.js';

const TENANT_MARKER = 0xfe;

/**
 * Ids of the tenants (virtual clusters) that spans belong to, in their order and each once; the system tenant has no prefix and
 * does not count (crdb-format.md 5.3). @throws SpanvaultError SV_CORRUPT_VALUE for a prefix that is cut
 */
export function tenantsOf(spans: readonly Span[]): bigint[] {
  const tenants = spans
    .filter(({ key }) => key[0] === TENANT_MARKER)
    .map(({ key }) => decodeUvarintAscending(key, 1).value);
  return [...new Set(tenants)];
}
