import type { RangeScan, RangeSink, RangeSource, RestoreTicket, ScanRequest, Targets } from '#src/cluster/index.js';
import { SpanvaultError } from '#src/fault/index.js';
import {
  compareBytes,
  compareMvccKeys,
  compareTimestamps,
  concatBytes,
  containsKey,
  decodeEngineKey,
  encodeEngineKey,
  equalBytes,
  isEmptyTimestamp,
  mergeSpans,
  type Span,
  type Timestamp,
} from '#src/keys/index.js';

interface Version {
  readonly key: Uint8Array;
  readonly timestamp: Timestamp;
  readonly value: Uint8Array;
}

/** The least store that can be backed up and restored: one node, one range, versions in an array. For tests. */
export class MemoryStore {
  versions: Version[] = [];
  #logical = 0;

  now(): Timestamp {
    return { wall: 1n, logical: ++this.#logical };
  }

  put(key: Uint8Array, value: Uint8Array): Timestamp {
    const timestamp = this.now();
    this.#add({ key, timestamp, value });
    return timestamp;
  }

  #add(version: Version): void {
    this.versions.push(version);
    this.versions.sort(compareMvccKeys);
  }

  /** What a full scan at `asOf` sees. */
  live(span: Span, asOf: Timestamp): Version[] {
    return select(this.versions, { span, startTime: { wall: 0n, logical: 0 }, endTime: asOf, allRevisions: false });
  }

  source(): RangeSource {
    const everything: Span = { key: new Uint8Array(0), endKey: Uint8Array.of(0xff, 0xff) };
    return {
      clusterId: new Uint8Array(16),
      nodes: async () => [{ nodeId: 1, locality: [] }],
      coordinator: 1,
      now: () => this.now(),
      resolve: async (targets: Targets) => {
        if (targets.kind !== 'spans') throw new SpanvaultError('SV_UNDEFINED', 'this store has no tables');
        return { spans: mergeSpans(targets.spans), descriptors: [], completeDatabases: [], coverage: 'requested' };
      },
      ranges: async () => [
        { rangeId: 1, span: everything, replicas: [1], leaseholder: 1, wantedLocality: undefined, approximateBytes: 0 },
      ],
      scanner: {
        open: (request) => scanOf(select(this.versions, request)),
        close: () => undefined,
      },
    };
  }

  sink(): RangeSink {
    const staged: Version[] = [];
    return {
      nodes: async () => [{ nodeId: 1, locality: [] }],
      coordinator: 1,
      begin: async (scope) => {
        if (scope.targets.kind !== 'spans') throw new SpanvaultError('SV_UNDEFINED', 'this store has no tables');
        const spans = mergeSpans(scope.targets.spans);
        const taken = spans.some((span) => this.live(span, this.now()).length > 0);
        if (taken) throw new SpanvaultError('SV_NOT_EMPTY', 'the spans hold data already');
        return {
          id: String(this.#logical),
          stages: [{ name: 'data', spans }],
          rewrites: [],
          writeTime: this.now(),
          warnings: [],
          databases: [],
          tables: [],
        };
      },
      writer: {
        write: ({ bytes, offsets, count }) => {
          for (let index = 0; index < count; index++) {
            const { key, timestamp } = decodeEngineKey(bytes.slice(offsets[2 * index], offsets[2 * index + 1]));
            staged.push({ key, timestamp, value: bytes.slice(offsets[2 * index + 1], offsets[2 * index + 2]) });
          }
        },
        flush: () => undefined,
        close: () => undefined,
      },
      stageDone: async () => undefined,
      publish: async () => {
        for (const version of staged.splice(0)) this.#add(version);
        return { bytesMoved: 0, bytesPerNode: [], warnings: [] };
      },
      rollback: async (_ticket: RestoreTicket) => {
        staged.length = 0;
      },
    };
  }
}

function select(versions: readonly Version[], request: ScanRequest): Version[] {
  const { span, startTime, endTime, allRevisions } = request;
  const full = isEmptyTimestamp(startTime);
  const inWindow = versions.filter(
    ({ key, timestamp }) =>
      containsKey(span, key) &&
      compareTimestamps(timestamp, startTime) > 0 &&
      compareTimestamps(timestamp, endTime) <= 0,
  );
  if (allRevisions) return inWindow;
  const newest = inWindow.filter(({ key }, index) => index === 0 || !equalBytes(inWindow[index - 1]!.key, key));
  return newest.filter(({ value }) => !full || value.length > 0);
}

function scanOf(versions: readonly Version[]): RangeScan {
  let at = 0;
  return {
    next(bytes, offsets) {
      if (at === versions.length) return { kind: 'done' };
      let used = 0;
      let count = 0;
      offsets[0] = 0;
      while (at < versions.length && 2 * count + 2 < offsets.length) {
        const { key, timestamp, value } = versions[at]!;
        const engineKey = encodeEngineKey(key, timestamp);
        const entry = concatBytes(engineKey, value);
        if (used + entry.length > bytes.length) {
          if (count === 0) return { kind: 'grow', bytes: entry.length };
          break;
        }
        bytes.set(entry, used);
        offsets[2 * count + 1] = used + engineKey.length;
        used += entry.length;
        offsets[2 * count + 2] = used;
        count++;
        at++;
      }
      return { kind: 'batch', count, bytesUsed: used };
    },
    close: () => undefined,
  };
}

/** Keys and values as text. */
export function printVersions(versions: readonly Version[]): string {
  return versions
    .map(({ key, value }) => [key, value])
    .sort(([a], [b]) => compareBytes(a!, b!))
    .map(([key, value]) => `${Buffer.from(key!).toString('hex')}=${Buffer.from(value!).toString('hex')}`)
    .join('\n');
}
