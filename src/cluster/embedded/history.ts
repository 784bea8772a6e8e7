import { type Descriptor, decodeDescriptor, indexSpans, SYSTEM_DATABASE_ID, type Table } from '../../catalog/index.js';
import { compareTimestamps, EMPTY_TIMESTAMP, isEmptyTimestamp, type Timestamp } from '../../keys/index.js';
import type { DescriptorRevision } from '../../manifest/index.js';
import type { BackupScope, ScopeHistory, Targets } from '../contract.js';
import { DESCRIPTOR_SPAN, type DescriptorVersion, readDescriptorVersions } from './descriptor_rows.js';
import { readVersions } from './entries.js';
import type { EmbeddedStore } from './store.js';

/*
 * The catalog over a window of time, as a backup with revision history keeps it (crdb-format.md 2.3, field 16). Descriptors
 * are ordinary rows, so their history is their versions.
 */

/**
 * Changes of a scope's descriptors in (startTime, endTime], after their state at the start.
 * @param scope what the targets resolve to at the end
 * @param atStart every descriptor that existed at the start; empty for a full backup
 */
export function scopeHistory(
  store: EmbeddedStore,
  scope: { readonly targets: Targets; readonly resolved: BackupScope },
  window: { readonly startTime: Timestamp; readonly endTime: Timestamp; readonly atStart: readonly Descriptor[] },
): ScopeHistory {
  const { startTime, endTime, atStart } = window;
  const starting = isEmptyTimestamp(startTime)
    ? []
    : atStart.map((descriptor): Version => ({ time: startTime, id: descriptor.id, desc: descriptor.raw, descriptor }));
  const versions = [
    ...starting,
    ...decoded(readDescriptorVersions(readVersions(store, DESCRIPTOR_SPAN, startTime, endTime))),
  ];
  const wanted = wantedIds(scope.targets, scope.resolved, versions);
  const kept = versions.filter(({ id }) => wanted.has(id));
  const changes: DescriptorRevision[] = kept
    .map(({ time, id, desc }) => ({ time, id, desc }))
    .sort((a, b) => a.id - b.id || compareTimestamps(a.time, b.time));
  const tables = kept.flatMap(({ descriptor }) =>
    descriptor?.kind === 'table' && descriptor.state === 'public' ? [descriptor as Table] : [],
  );
  return { changes, spans: indexSpans(tables), knownSince: store.threshold(DESCRIPTOR_SPAN) ?? EMPTY_TIMESTAMP };
}

interface Version extends DescriptorVersion {
  readonly descriptor: Descriptor | undefined;
}

/** Each version once: a row of several column families has one entry per family. */
function decoded(versions: Iterable<DescriptorVersion>): Version[] {
  const found = new Map<string, Version>();
  for (const version of versions) {
    const { time, id, desc } = version;
    found.set(`${id} ${time.wall} ${time.logical}`, {
      ...version,
      descriptor: desc === undefined ? undefined : decodeDescriptor(desc),
    });
  }
  return [...found.values()];
}

/** Ids of the scope, and of everything that was ever in it: a dropped table belongs to its database all the same. */
function wantedIds(targets: Targets, scope: BackupScope, versions: readonly Version[]): ReadonlySet<number> {
  const ids = new Set(scope.descriptors.map((raw) => decodeDescriptor(raw).id));
  const whole = new Set(scope.completeDatabases);
  for (const { descriptor } of versions) {
    if (descriptor === undefined || descriptor.id === SYSTEM_DATABASE_ID || descriptor.parentId === SYSTEM_DATABASE_ID)
      continue;
    if (targets.kind === 'cluster' || whole.has(descriptor.parentId)) ids.add(descriptor.id);
  }
  return ids;
}
