import { randomUUID } from 'node:crypto';
import { SpanvaultError } from '../../fault/index.js';
import {
  compareTimestamps,
  fromHex,
  overlaps,
  printStart,
  printTimestamp,
  type Span,
  type Timestamp,
  toHex,
} from '../../keys/index.js';
import type { ClusterCore } from './core.js';

/*
 * Protected timestamps: times that must stay readable, which hold garbage collection back. Those of a running operation end
 * with its process; the others are records that stay until somebody releases them.
 */

/** Of operations of this process; the next opener removes them. */
const RUNNING_PREFIX = 'protect/';
const DURABLE_PREFIX = 'protected_timestamps/';

/** A time that stays readable, and an incremental export from it possible, until it is released. */
export interface ProtectedTimestamp {
  readonly id: string;
  readonly time: Timestamp;
  /** What needs it, for people. */
  readonly what: string;
  /** Empty: the whole cluster. */
  readonly spans: readonly Span[];
}

interface StoredProtection {
  readonly wall: string;
  readonly logical: number;
  readonly what?: string;
  readonly spans?: readonly (readonly [string, string])[];
}

/** Protects a time while an operation of this process runs; returns the key of its record. */
export function protectRunning(core: ClusterCore, time: Timestamp): string {
  const key = `${RUNNING_PREFIX}${randomUUID()}`;
  core.store.commit({ meta: [{ key, value: { wall: time.wall.toString(), logical: time.logical } }] });
  return key;
}

/** Removes a record that protectRunning made; again is harmless. */
export function releaseRunning(core: ClusterCore, key: string): void {
  core.store.commit({ meta: [{ key, value: undefined }] });
}

/** Removes records of operations that died with their process. */
export function forgetRunning(core: ClusterCore): void {
  const meta = core.store.metaList<unknown>(RUNNING_PREFIX).map(({ key }) => ({ key, value: undefined }));
  if (meta.length > 0) core.store.commit({ meta });
}

/**
 * Keeps a time readable until it is released, over restarts.
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words when garbage collection was faster
 */
export function protectTimestamp(core: ClusterCore, protection: Omit<ProtectedTimestamp, 'id'>): ProtectedTimestamp {
  const { time, what, spans } = protection;
  for (const span of spans.length > 0 ? spans : [EVERYTHING]) {
    const threshold = core.store.threshold(span);
    if (threshold === undefined || compareTimestamps(time, threshold) >= 0) continue;
    throw new SpanvaultError(
      'SV_COVERAGE',
      `protected ts verification error: cannot protect ${printTimestamp(time)} for ${what}, range span: ${printStart(span)} has its GC threshold at ${printTimestamp(threshold)}`,
    );
  }
  const id = randomUUID();
  const value: StoredProtection = {
    wall: time.wall.toString(),
    logical: time.logical,
    what,
    spans: spans.map(({ key, endKey }) => [toHex(key), toHex(endKey)]),
  };
  core.store.commit({ meta: [{ key: DURABLE_PREFIX + id, value }] });
  return { id, ...protection };
}

/** Lets a protected time go. @throws SpanvaultError SV_UNDEFINED when there is none with that id */
export function releaseTimestamp(core: ClusterCore, id: string): void {
  if (core.store.metaGet(DURABLE_PREFIX + id) === undefined)
    throw new SpanvaultError('SV_UNDEFINED', `there is no protected timestamp with id ${id}`);
  core.store.commit({ meta: [{ key: DURABLE_PREFIX + id, value: undefined }] });
}

/** Protected timestamps that outlive processes, oldest first. */
export function protectedTimestamps(core: ClusterCore): ProtectedTimestamp[] {
  return core.store
    .metaList<StoredProtection>(DURABLE_PREFIX)
    .map(({ key, value }) => decode(key.slice(DURABLE_PREFIX.length), value))
    .sort((a, b) => compareTimestamps(a.time, b.time));
}

const EVERYTHING: Span = { key: new Uint8Array(0), endKey: Uint8Array.of(0xff, 0xff) };

function decode(id: string, { wall, logical, what, spans }: StoredProtection): ProtectedTimestamp {
  return {
    id,
    time: { wall: BigInt(wall), logical },
    what: what ?? 'a running operation',
    spans: (spans ?? []).map(([key, endKey]) => ({ key: fromHex(key), endKey: fromHex(endKey) })),
  };
}

/** Every protected time of now, of running operations and durable; reads of the records happen once. */
export function allProtected(core: ClusterCore): ProtectedTimestamp[] {
  const running = core.store.metaList<StoredProtection>(RUNNING_PREFIX);
  return [...running.map(({ key, value }) => decode(key, value)), ...protectedTimestamps(core)];
}

/** The oldest of them that holds a span back; undefined when none does. */
export function oldestProtected(all: readonly ProtectedTimestamp[], span: Span): Timestamp | undefined {
  let oldest: Timestamp | undefined;
  for (const { time, spans } of all) {
    if (spans.length > 0 && !spans.some((one) => overlaps(one, span))) continue;
    if (oldest === undefined || compareTimestamps(time, oldest) < 0) oldest = time;
  }
  return oldest;
}
