import { type Catalog, type Descriptor, excludedSpans } from '../catalog/index.js';
import type { BackupScope } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import {
  compareTimestamps,
  equalBytes,
  mergeSpans,
  printDecimal,
  printTimestamp,
  printUuid,
  type Span,
  subtractSpans,
  type Timestamp,
} from '../keys/index.js';
import type { Manifest } from '../manifest/index.js';

/*
 * What an incremental backup must be to its chain (crdb-format.md 7.2): pure checks, and the spans that it has to hold from
 * time zero.
 */

/** The new layer, as far as the chain cares. */
export interface Appended {
  readonly scope: BackupScope;
  /** The scope's descriptors. */
  readonly catalog: Catalog;
  readonly endTime: Timestamp;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  /** Every span that the layer will claim. */
  readonly spans: readonly Span[];
}

/** The newest layer of a chain. */
export interface Previous {
  readonly manifest: Manifest;
  /** The manifest's descriptors. */
  readonly catalog: Catalog;
}

/**
 * Checks a new layer against the newest one of its chain.
 * @throws SpanvaultError SV_USAGE with CockroachDB's words; SV_NOT_SUPPORTED for keys that are written without their prefix
 */
export function checkAppended(before: Previous, next: Appended): void {
  const previous = before.manifest;
  if (!equalBytes(previous.clusterId, next.clusterId)) {
    throw new SpanvaultError('SV_USAGE', `previous BACKUP belongs to cluster ${printUuid(previous.clusterId)}`, {
      details: { cluster: printUuid(next.clusterId) },
      hint: 'an incremental backup follows a backup of the same cluster; take a full backup',
    });
  }
  if (compareTimestamps(next.endTime, previous.endTime) <= 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      `\`AS OF SYSTEM TIME\` ${printDecimal(next.endTime)} must be greater than the previous backup's end time of ${printDecimal(previous.endTime)}.`,
      { details: { end: printTimestamp(next.endTime), previousEnd: printTimestamp(previous.endTime) } },
    );
  }
  if (previous.elidedPrefix !== 'none') {
    throw new SpanvaultError(
      'SV_NOT_SUPPORTED',
      `appending to a chain whose keys are written without their ${previous.elidedPrefix} prefix is not supported yet`,
    );
  }
  checkTargets(before, next);
}

/** True when the previous layer has tables or whole databases that the new one has not: gone, or left out. */
export function lacksObjects({ manifest, catalog }: Previous, next: Appended): boolean {
  const kept = new Set([...tableIds(next.catalog), ...next.scope.completeDatabases]);
  return [...tableIds(catalog), ...manifest.completeDbs].some((id) => !kept.has(id));
}

function tableIds(catalog: Catalog): number[] {
  return catalog.tables().map(({ id }) => id);
}

/**
 * Checks that nothing of the chain is left out while it still exists: a restore of the new end would silently miss it. A table
 * that moved out of a database that is backed up as a whole is not in the targets any more.
 * @param live everything that exists at the new end
 * @throws SpanvaultError SV_USAGE naming the object
 */
export function checkNothingLeftOut(before: Previous, next: Appended, live: Catalog): void {
  const { scope } = next;
  const previous = before.manifest;
  const kept = new Set(tableIds(next.catalog));
  const database = previous.completeDbs.find(
    (id) => !scope.completeDatabases.includes(id) && live.databaseById(id) !== undefined,
  );
  if (database !== undefined)
    throw leftOut(`the complete database ${JSON.stringify(live.databaseById(database)!.name)}`);
  for (const { id, parentId } of before.catalog.tables()) {
    if (kept.has(id) || previous.completeDbs.includes(parentId)) continue;
    const table = live.tableById(id);
    if (table !== undefined) throw leftOut(`table ${JSON.stringify(live.qualifiedName(table))}`);
  }
}

function leftOut(what: string): SpanvaultError {
  return new SpanvaultError(
    'SV_USAGE',
    `the previous backup layer contains ${what}, which this incremental backup leaves out`,
    { hint: 'back up the same targets, or take a full backup of fewer' },
  );
}

function checkTargets({ manifest: previous, catalog: had }: Previous, { scope, catalog }: Appended): void {
  if (previous.descriptorCoverage === 'cluster') {
    if (scope.coverage === 'cluster') return;
    throw new SpanvaultError('SV_USAGE', 'cannot append a backup of specific tables or databases to a cluster backup');
  }
  const complete = new Set(previous.completeDbs);
  for (const id of scope.completeDatabases) {
    if (complete.has(id)) continue;
    const name = catalog.byId(id)?.name ?? String(id);
    throw new SpanvaultError(
      'SV_USAGE',
      `previous backup does not contain the complete database ${JSON.stringify(name)}`,
    );
  }
  const known = new Set(tableIds(had));
  const added = catalog.tables().find(({ id, parentId }) => !known.has(id) && !complete.has(parentId));
  if (added !== undefined) throw newTable(catalog, added);
}

function newTable(catalog: Catalog, table: Descriptor): SpanvaultError {
  return new SpanvaultError(
    'SV_USAGE',
    `previous backup does not contain table ${JSON.stringify(catalog.qualifiedName(table))}`,
    { hint: 'a new full backup is required when a table has been created or created again' },
  );
}

/**
 * What the newest layer did not claim or hold: new tables and indexes, those that came back, and tables that are not excluded
 * from backups any more (CockroachDB leaves their older rows out; crdb-features.md, R #120188). The new layer holds them from
 * time zero.
 */
export function introducedSpans(
  { manifest: previous, catalog }: Previous,
  spans: readonly Span[],
  excluded: readonly Span[],
): readonly Span[] {
  const unclaimed = subtractSpans(spans, previous.spans);
  const left = excludedSpans(catalog.tables());
  if (left.length === 0) return unclaimed;
  const held = subtractSpans(previous.spans, left);
  return mergeSpans([...unclaimed, ...subtractSpans(subtractSpans(spans, excluded), held)]);
}
