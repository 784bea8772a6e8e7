import { tenantsOf } from '../catalog/index.js';
import { SpanvaultError } from '../fault/index.js';
import type { ManifestHead } from '../manifest/index.js';

/**
 * What a restore has to say of the tenants (virtual clusters) in a backup, whose data it does not read.
 * @param names how many objects the backup names: those of a tenant's own backup have keys with its prefix
 * @throws SpanvaultError SV_UNSUPPORTED_FORMAT for a backup that a tenant took of itself: its tables would come out empty
 */
export function tenantNotices({ spans }: Pick<ManifestHead, 'spans'>, names: number): string[] {
  const tenants = tenantsOf(spans);
  if (tenants.length === 0) return [];
  const list = `${tenants.length === 1 ? 'tenant' : 'tenants'} ${tenants.join(', ')}`;
  if (names > 0 && tenantsOf(spans.slice(0, 1)).length > 0) {
    throw new SpanvaultError('SV_UNSUPPORTED_FORMAT', `the backup was taken inside ${list}, whose keys are not read`);
  }
  return [`the backup holds ${list}: that data is not restored`];
}
