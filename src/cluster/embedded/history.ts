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
  const kept = inScope(versions, scope.targets, scope.resolved);
  const changes: DescriptorRevision[] = kept.map(({ time, id, desc }) => ({ time, id, desc }));
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

/**
 * Versions of what was ever in the scope, by id and time: a dropped table belongs to its database all the same, and one that moved
 * to another database is gone from that time on, as it is for a restore.
 */
function inScope(versions: readonly Version[], targets: Targets, scope: BackupScope): Version[] {
  const ids = new Set(scope.descriptors.map((raw) => decodeDescriptor(raw).id));
  const whole = new Set(scope.completeDatabases);
  const holds = (descriptor: Descriptor): boolean => {
    if (targets.kind !== 'databases') {
      const user = descriptor.id !== SYSTEM_DATABASE_ID && descriptor.parentId !== SYSTEM_DATABASE_ID;
      return ids.has(descriptor.id) || (targets.kind === 'cluster' && user);
    }
    return descriptor.kind === 'database' ? ids.has(descriptor.id) : whole.has(descriptor.parentId);
  };
  const byId = new Map<number, Version[]>();
  for (const version of versions) {
    const known = byId.get(version.id);
    if (known === undefined) byId.set(version.id, [version]);
    else known.push(version);
  }
  return [...byId]
    .sort(([a], [b]) => a - b)
    .flatMap(([, own]) => {
      const seen = own
        .sort((a, b) => compareTimestamps(a.time, b.time))
        .map(
          (one): Version =>
            one.descriptor === undefined || holds(one.descriptor)
              ? one
              : { ...one, desc: undefined, descriptor: undefined },
        );
      // What goes before it came, or goes twice, says nothing.
      return seen.filter(({ desc }, index) => desc !== undefined || seen[index - 1]?.desc !== undefined);
    });
}
