import type { Catalog } from './catalog.js';
import type { Database } from './descriptor.js';
import { quoteName } from './names.js';

/** Regions of a multi-region database in the order of its region type; empty for any other database. */
export function databaseRegions(catalog: Catalog, { message }: Database): string[] {
  const type = catalog.typeById(message.regionConfig?.regionEnumId ?? 0);
  return type?.message.enumMembers.map((member) => member.logicalRepresentation ?? '') ?? [];
}

/**
 * The statements that give a database its regions, as SHOW BACKUP prints them (crdb-features.md 2.3); null for a database without
 * regions.
 */
export function regionStatements(catalog: Catalog, database: Database): string | null {
  const regions = databaseRegions(catalog, database);
  if (regions.length === 0) return null;
  const primary = database.message.regionConfig?.primaryRegion ?? regions[0]!;
  const alter = `ALTER DATABASE ${quoteName(database.name)}`;
  const others = regions.filter((region) => region !== primary);
  return [`SET PRIMARY REGION "${primary}"`, ...others.map((region) => `ADD REGION "${region}"`)]
    .map((change) => `${alter} ${change};`)
    .join(' ');
}
