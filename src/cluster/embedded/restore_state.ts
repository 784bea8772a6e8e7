import {
  Catalog,
  type CatalogTargets,
  databaseRegions,
  dataIndexes,
  indexPrefix,
  planRestore,
  requireEmptyCluster,
  resolveTargets,
  SYSTEM_DATABASE_ID,
  type Table,
  tableSpan,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { mergeSpans, type Span, type Timestamp } from '../../keys/index.js';
import type { RestoreScope } from '../contract.js';
import type { ClusterNode } from './nodes.js';

/** The cluster that a restore goes into. */
export interface RestoreTarget {
  readonly existing: Catalog;
  readonly nodes: readonly ClusterNode[];
  /** First id that new objects get. */
  readonly nextId: number;
  /** Modification time of new descriptors. */
  readonly time: Timestamp;
}

/** What a restore will do to the cluster: decided before anything is written. */
export interface RestorePlanned {
  /** Marshalled descriptors that are written or replaced when it is published. */
  readonly put: readonly Uint8Array[];
  /** Ids of existing descriptors that go. */
  readonly dropIds: readonly number[];
  /** Tables of the backup whose rows are restored as rows of user tables. */
  readonly tables: readonly Table[];
  /** System tables of a cluster backup and the temporary ids under which their rows wait. */
  readonly system: readonly { readonly table: Table; readonly temporaryId: number }[];
  readonly rewrites: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[];
  /** What a rollback erases: no live key lies in it. */
  readonly erase: readonly Span[];
  readonly nextId: number;
  readonly databases: readonly string[];
  /** What the backup holds and the restore leaves out, one sentence each. */
  readonly warnings: readonly string[];
}

function indexRewrites(table: Table, newId: number): { readonly from: Uint8Array; readonly to: Uint8Array }[] {
  return dataIndexes(table).map(({ index }) => ({
    from: indexPrefix(table.id, index.id ?? 0),
    to: indexPrefix(newId, index.id ?? 0),
  }));
}

/** RESTORE of databases and tables: new ids beside what exists. */
function planObjects(
  backup: Catalog,
  existing: Catalog,
  targets: Exclude<CatalogTargets, { kind: 'cluster' }>,
  scope: RestoreScope,
  nextId: number,
  time: Timestamp,
): RestorePlanned {
  const plan = planRestore(backup, existing, targets, scope.options, { nextId, time });
  return {
    put: [...plan.descriptors, ...plan.updated],
    dropIds: [],
    tables: plan.tables,
    system: [],
    rewrites: plan.keyRewrites,
    erase: plan.tables.map(({ id }) => tableSpan(plan.ids.get(id) ?? id)),
    nextId: plan.nextId,
    databases: plan.databases.map(({ name }) => scope.options.newDbName ?? name),
    warnings: [],
  };
}

/**
 * RESTORE of a cluster: ids stay, defaultdb and postgres give way, rows of system tables wait under temporary ids so that
 * the cluster's own are untouched until the one commit that publishes.
 */
function planCluster(backup: Catalog, existing: Catalog, nextId: number): RestorePlanned {
  requireEmptyCluster(existing);
  const { tables, completeDatabases } = resolveTargets(backup, { kind: 'cluster' });
  const user = tables.filter(({ parentId }) => parentId !== SYSTEM_DATABASE_ID);
  // System tables that this cluster does not have (of other versions) would be rows without a table.
  const system = tables.filter(
    ({ parentId, id, name }) => parentId === SYSTEM_DATABASE_ID && existing.tableById(id)?.name === name,
  );
  const leftOut = backup.tables(SYSTEM_DATABASE_ID).filter((table) => !system.includes(table));
  const databases = completeDatabases.filter(({ id }) => id !== SYSTEM_DATABASE_ID);
  const restored = backup.descriptors.filter(
    ({ id, parentId, state }) => id !== SYSTEM_DATABASE_ID && parentId !== SYSTEM_DATABASE_ID && state === 'public',
  );
  const highest = Math.max(nextId - 1, ...backup.descriptors.map(({ id }) => id));
  const waiting = system.map((table, index) => ({ table, temporaryId: highest + 1 + index }));
  return {
    // The backup's own descriptors of system tables, so that their rows decode as they are.
    put: [...restored, ...system].map(({ raw }) => raw),
    // Only defaultdb and postgres are left in an empty cluster; they come back when the backup has them.
    dropIds: existing.databases().flatMap(({ id }) => (id === SYSTEM_DATABASE_ID ? [] : [id])),
    tables: user,
    system: waiting,
    rewrites: [
      ...user.flatMap((table) => indexRewrites(table, table.id)),
      ...waiting.flatMap(({ table, temporaryId }) => indexRewrites(table, temporaryId)),
    ],
    erase: [...user.map(({ id }) => tableSpan(id)), ...waiting.map(({ temporaryId }) => tableSpan(temporaryId))],
    nextId: highest + 1 + waiting.length,
    databases: databases.map(({ name }) => name),
    warnings: leftOut.map(({ name }) => `rows of system.${name} are not restored: this cluster keeps no such table`),
  };
}

/** Raw spans without a catalog: keys stay. */
function planSpans(spans: readonly Span[], nextId: number): RestorePlanned {
  return {
    put: [],
    dropIds: [],
    tables: [],
    system: [],
    rewrites: [],
    erase: mergeSpans(spans),
    nextId,
    databases: [],
    warnings: [],
  };
}

/** Regions of the multi-region databases that are restored, and that no node of the cluster has. */
function missingRegions(backup: Catalog, targets: CatalogTargets, nodes: readonly ClusterNode[]): string[] {
  const { completeDatabases } = resolveTargets(backup, targets);
  const live = new Set(
    nodes.flatMap(({ locality }) => locality.filter(({ key }) => key === 'region').map(({ value }) => value)),
  );
  const wanted = completeDatabases.flatMap((database) => databaseRegions(backup, database));
  return [...new Set(wanted)].filter((region) => !live.has(region)).sort();
}

/** @throws SpanvaultError SV_USAGE when a multi-region database needs regions that the cluster lacks */
function requireRegions(scope: RestoreScope, backup: Catalog, nodes: readonly ClusterNode[]): void {
  if (scope.targets.kind === 'spans' || scope.options.skipLocalitiesCheck === true) return;
  const missing = missingRegions(backup, scope.targets, nodes);
  if (missing.length === 0) return;
  throw new SpanvaultError(
    'SV_USAGE',
    `detected a mismatch in regions between the restore cluster and the backup cluster, missing regions detected: ${missing.join(', ')}.`,
    {
      hint:
        "there are two ways you can resolve this issue: 1) update the cluster to which you're restoring to ensure that the regions " +
        'present on the nodes\' --locality flags match those present in the backup image, or 2) restore with the "skip_localities_check" option',
    },
  );
}

/**
 * Plans a restore into a cluster whose catalog is `existing`. Pure.
 * @throws SpanvaultError SV_EXISTS, SV_UNDEFINED, SV_NOT_EMPTY, SV_USAGE with CockroachDB's words
 */
export function planIntoCluster(scope: RestoreScope, target: RestoreTarget): RestorePlanned {
  const { targets, options } = scope;
  const { existing, nextId, time } = target;
  const backup = Catalog.decode(scope.descriptors);
  if (targets.kind === 'cluster') {
    if (options.intoDb !== undefined || options.newDbName !== undefined) {
      throw new SpanvaultError(
        'SV_USAGE',
        'into_db and new_db_name can only be used with RESTORE of tables or a database',
      );
    }
    requireRegions(scope, backup, target.nodes);
    return planCluster(backup, existing, nextId);
  }
  if (targets.kind === 'spans') return planSpans(targets.spans, nextId);
  requireRegions(scope, backup, target.nodes);
  return planObjects(backup, existing, targets, scope, nextId, time);
}
