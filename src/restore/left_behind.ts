import { Catalog, tenantsOf } from '../catalog/index.js';
import type { Targets } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import { isEmptyTimestamp } from '../keys/index.js';
import { addCounts, type FileRecord, type ManifestHead, NO_ROWS } from '../manifest/index.js';

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

/**
 * Tables of the targets that were OFFLINE when the backup was taken: an IMPORT or RESTORE was filling them, so that their rows
 * are not whole. Tables that are named one by one are not found instead.
 */
export function offlineNotices(descriptors: readonly Uint8Array[], targets: Targets): string[] {
  if (targets.kind === 'tables' || targets.kind === 'spans') return [];
  const catalog = Catalog.decode(descriptors);
  return catalog.descriptors
    .filter(({ kind, state }) => kind === 'table' && state === 'offline')
    .filter(({ parentId }) => {
      const database = catalog.databaseById(parentId)?.name;
      return targets.kind === 'cluster' || (database !== undefined && targets.names.includes(database));
    })
    .map((table) => `table ${catalog.qualifiedName(table)} is not restored: it was offline, for an IMPORT or RESTORE`);
}

/**
 * A file that is gone from a manifest's list is missed by nobody, for a part of the key space may be empty; but the manifest counts
 * what it holds. Only of a full without history: CockroachDB's counts of other layers are not those of their files.
 */
export function uncountedNotices(
  full: Pick<ManifestHead, 'startTime' | 'mvccFilter' | 'entryCounts'>,
  files: readonly FileRecord[],
): string[] {
  if (!isEmptyTimestamp(full.startTime) || full.mvccFilter !== 'latest') return [];
  const { rows, indexEntries } = files.reduce((sum, file) => addCounts(sum, file.entryCounts), NO_ROWS);
  const told = full.entryCounts;
  if (rows >= told.rows && indexEntries >= told.indexEntries) return [];
  return [
    `the full backup counts ${told.rows} rows and ${told.indexEntries} index entries, the files that it lists hold ${rows} and ${indexEntries}: a file may be missing from its list`,
  ];
}
