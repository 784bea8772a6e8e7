import { SpanvaultError } from '../fault/index.js';
import { type Catalog, SYSTEM_DATABASE_ID } from './catalog.js';
import { tableDependencies } from './dependencies.js';
import { type Descriptor, isSequence, isView, type Table } from './descriptor.js';
import type { CatalogTargets } from './targets.js';

/*
 * What a restore refuses before anything is written, in CockroachDB's words.
 */

export interface RestoreOptions {
  readonly intoDb?: string | undefined;
  readonly newDbName?: string | undefined;
  readonly skipMissingForeignKeys?: boolean | undefined;
  readonly skipMissingSequences?: boolean | undefined;
  readonly skipMissingSequenceOwners?: boolean | undefined;
  readonly skipMissingViews?: boolean | undefined;
}

/** An error about something that a restore needs and does not find. */
export function refuse(sentence: string): SpanvaultError {
  return new SpanvaultError('SV_UNDEFINED', sentence);
}

/** Refuses a table whose needs are neither restored nor skipped. */
export function checkTable(
  table: Table,
  catalog: Catalog,
  restored: ReadonlySet<number>,
  options: RestoreOptions,
): void {
  const name = JSON.stringify(table.name);
  const needs = tableDependencies(table);
  const missing = (ids: Iterable<number>): number | undefined => [...ids].find((id) => !restored.has(id));
  const key = missing(needs.references);
  if (key !== undefined && options.skipMissingForeignKeys !== true) {
    throw refuse(
      `cannot restore table ${name} without referenced table ${key} (or "skip_missing_foreign_keys" option)`,
    );
  }
  const type = [...needs.types].find((id) => catalog.typeById(id) === undefined);
  if (type !== undefined) throw refuse(`cannot restore table ${name} without referenced type ${type}`);
  const used = missing(needs.usesSequences);
  if (used !== undefined && options.skipMissingSequences !== true) {
    throw refuse(
      `cannot restore table ${name} without referenced sequence ${used} (or "skip_missing_sequences" option)`,
    );
  }
  const owned = missing(needs.ownsSequences);
  if (owned !== undefined && options.skipMissingSequenceOwners !== true) {
    throw refuse(
      `cannot restore table ${name} without referenced sequence ${owned} (or "skip_missing_sequence_owners" option)`,
    );
  }
  const { ownedBy } = needs;
  if (
    isSequence(table) &&
    ownedBy !== undefined &&
    !restored.has(ownedBy) &&
    options.skipMissingSequenceOwners !== true
  ) {
    throw refuse(
      `cannot restore sequence ${name} without referenced owner table ${ownedBy} (or "skip_missing_sequence_owners" option)`,
    );
  }
  const parent = missing(needs.interleavedIn);
  if (parent !== undefined) throw refuse(`cannot restore table ${name} without interleave parent ${parent}`);
}

/** Views whose inputs are not restored are left out with skip_missing_views, else refused. */
export function restorableTables(catalog: Catalog, wanted: readonly Table[], options: RestoreOptions): Table[] {
  const ids = new Set(wanted.map(({ id }) => id));
  const complete = (table: Table, seen: ReadonlySet<number>): boolean => {
    if (!isView(table)) return true;
    const { reads, types } = tableDependencies(table);
    const inputs = [...reads].every((id) => {
      const input = catalog.tableById(id);
      return ids.has(id) && input !== undefined && (seen.has(id) || complete(input, new Set([...seen, id])));
    });
    return inputs && [...types].every((id) => catalog.typeById(id) !== undefined);
  };
  return wanted.filter((table) => {
    if (complete(table, new Set([table.id]))) return true;
    if (options.skipMissingViews === true) return false;
    throw refuse(
      `cannot restore view ${JSON.stringify(table.name)} without restoring referenced table (or "skip_missing_views" option)`,
    );
  });
}

/** Refuses options that do not go with the targets. */
export function checkOptions(targets: CatalogTargets, options: RestoreOptions): void {
  if (targets.kind === 'databases' && options.intoDb !== undefined) {
    throw new SpanvaultError('SV_USAGE', 'cannot use "into_db" option when restoring database(s)');
  }
  if (options.newDbName !== undefined && !(targets.kind === 'databases' && targets.names.length === 1)) {
    throw new SpanvaultError(
      'SV_USAGE',
      'new_db_name can only be used for RESTORE DATABASE with a single target database',
    );
  }
}

/** Databases that a new cluster has, and that a cluster restore replaces. */
export const DEFAULT_DATABASES: readonly string[] = ['defaultdb', 'postgres'];

/**
 * Refuses a cluster restore into a cluster that has objects of users. The default databases do not count.
 * @throws SpanvaultError SV_NOT_EMPTY with CockroachDB's words
 */
export function requireEmptyCluster(existing: Catalog): void {
  const isDefault = (descriptor: Descriptor): boolean =>
    descriptor.kind === 'database' && DEFAULT_DATABASES.includes(descriptor.name);
  const found = existing.descriptors.filter(
    (descriptor) =>
      descriptor.state !== 'drop' &&
      descriptor.id !== SYSTEM_DATABASE_ID &&
      descriptor.parentId !== SYSTEM_DATABASE_ID &&
      !isDefault(descriptor),
  );
  if (found.length === 0) return;
  const names = found.map(({ name }) => name).join(' ');
  throw new SpanvaultError(
    'SV_NOT_EMPTY',
    `full cluster restore can only be run on a cluster with no tables or databases but found ${found.length} descriptors: [${names}]`,
  );
}
