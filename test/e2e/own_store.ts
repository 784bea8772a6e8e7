import {
  type Batch,
  bytesValue,
  decodeEngineKey,
  encodeEngineKey,
  iterateBatch,
  type RangeInfo,
  type RangeScan,
  type RangeSink,
  type RangeSource,
  type Span,
  valueBytes,
} from '#src/index.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** A store of one's own: sorted keys in memory, two nodes, a range for each half of the alphabet. */
export class OwnStore {
  readonly rows = new Map<string, string>();
  readonly nodes = async () => [
    { nodeId: 1, locality: [{ key: 'region', value: 'east' }] },
    { nodeId: 2, locality: [{ key: 'region', value: 'west' }] },
  ];

  /** What a backup asks of a store. Versions carry one timestamp here; a store with history gives each its own. */
  source(): RangeSource {
    const now = { wall: BigInt(Date.now()) * 1_000_000n, logical: 0 };
    const range = (rangeId: number, from: string, to: string): RangeInfo => ({
      rangeId,
      span: { key: Buffer.from(from), endKey: Buffer.from(to) },
      replicas: [rangeId],
      leaseholder: rangeId,
      wantedLocality: undefined,
      approximateBytes: 0,
    });
    return {
      clusterId: new Uint8Array(16).fill(7),
      coordinator: 1,
      nodes: this.nodes,
      now: () => now,
      resolve: async (targets) => ({
        spans: targets.kind === 'spans' ? targets.spans : [],
        descriptors: [],
        completeDatabases: [],
        coverage: 'requested',
      }),
      ranges: async () => [range(1, 'a', 'n'), range(2, 'n', '{')],
      scanner: {
        open: ({ span, endTime }) => this.#scan(span, endTime),
        close: () => undefined,
      },
    };
  }

  #scan(span: Span, time: { wall: bigint; logical: number }): RangeScan {
    const inside = ([key]: [string, string]) => key >= text(span.key) && key < text(span.endKey);
    const entries = [...this.rows].filter(inside).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      // Fills the caller's memory: key, value, key, value, …, and where each begins.
      next(bytes, offsets) {
        let count = 0;
        let used = 0;
        for (; entries[0] !== undefined && count < (offsets.length - 1) / 2; count++) {
          const key = encodeEngineKey(Buffer.from(entries[0][0]), time);
          const value = bytesValue(Buffer.from(entries[0][1]));
          if (used + key.length + value.length > bytes.length) {
            if (count === 0) return { kind: 'grow', bytes: key.length + value.length };
            break;
          }
          bytes.set(key, used);
          bytes.set(value, used + key.length);
          offsets.set([used, used + key.length], 2 * count);
          used += key.length + value.length;
          entries.shift();
        }
        offsets[2 * count] = used;
        return count === 0 ? { kind: 'done' } : { kind: 'batch', count, bytesUsed: used };
      },
      close: () => undefined,
    };
  }

  /** What a restore asks of a store: write into a staging map, and swap it in at the end. */
  sink(): RangeSink {
    const staged = new Map<string, string>();
    return {
      coordinator: 1,
      nodes: this.nodes,
      begin: async (scope) => ({
        id: 'restore-1',
        stages: [{ name: 'data', spans: scope.targets.kind === 'spans' ? scope.targets.spans : [] }],
        rewrites: [],
        writeTime: { wall: BigInt(Date.now()) * 1_000_000n, logical: 0 },
        warnings: [],
        databases: [],
        tables: [],
      }),
      writer: {
        write: (batch: Batch) => {
          for (const { key, value } of iterateBatch(batch))
            staged.set(text(decodeEngineKey(key).key), text(valueBytes(value)!));
        },
        flush: () => undefined,
        close: () => undefined,
      },
      stageDone: async () => undefined,
      publish: async () => {
        for (const [key, value] of staged) this.rows.set(key, value);
        return { bytesMoved: 0, bytesPerNode: [], warnings: [] };
      },
      rollback: async () => staged.clear(),
    };
  }
}
