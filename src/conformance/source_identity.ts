import type { NodeInfo } from '../cluster/contract.js';
import { isSpanvaultError } from '../fault/index.js';
import { compareBytes, compareTimestamps, printDecimal, printKey } from '../keys/index.js';
import { holds, same } from './assertions.js';
import { keyOf, type SourceCheck, value } from './source_check.js';

/** What a source says of itself: its nodes, its clock, its targets and its ranges. */
export const IDENTITY: readonly SourceCheck[] = [
  {
    name: 'names itself, its nodes and its coordinator',
    async run({ source }) {
      same(source.clusterId.length, 16, 'bytes of the cluster id');
      const nodes = await source.nodes();
      holds(nodes.length > 0, 'the source has no nodes');
      same(new Set(nodes.map((node: NodeInfo) => node.nodeId)).size, nodes.length, 'distinct node ids');
      holds(
        nodes.some((node) => node.nodeId === source.coordinator),
        `coordinator ${source.coordinator} is not one of the nodes`,
      );
    },
  },
  {
    name: 'never gives out a time twice, nor one before a version it wrote',
    async run(subject) {
      let last = subject.source.now();
      for (let round = 0; round < 100; round++) {
        const now = subject.source.now();
        holds(compareTimestamps(now, last) > 0, `${printDecimal(now)} follows ${printDecimal(last)}`);
        last = now;
      }
      const written = await subject.put(keyOf(subject, 'k'), value('v'));
      holds(compareTimestamps(written, last) > 0, 'a version is older than a time given out before it');
      holds(compareTimestamps(subject.source.now(), written) > 0, 'now is not after the newest version');
    },
  },
  {
    name: 'resolves targets to sorted, disjoint spans',
    async run({ source, targets, span }) {
      const scope = await source.resolve(targets, source.now());
      let end: Uint8Array = new Uint8Array(0);
      for (const { key, endKey } of scope.spans) {
        holds(compareBytes(key, endKey) < 0, `span at ${printKey(key)} is empty`);
        holds(compareBytes(end, key) <= 0, `span at ${printKey(key)} overlaps the one before it`);
        end = endKey;
      }
      const inside = scope.spans.some(
        (outer) => compareBytes(outer.key, span.key) <= 0 && compareBytes(span.endKey, outer.endKey) <= 0,
      );
      holds(inside, 'the targets do not hold the span of the test');
    },
  },
  {
    name: 'refuses targets that do not exist',
    async run({ source, missing }) {
      if (missing === undefined) return;
      const error = await source.resolve(missing, source.now()).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      holds(isSpanvaultError(error) && error.code === 'SV_UNDEFINED', `expected SV_UNDEFINED, got ${String(error)}`);
    },
  },
  {
    name: 'covers spans with ranges that have a leaseholder among their replicas',
    async run({ source, targets }) {
      const { spans } = await source.resolve(targets, source.now());
      const ranges = await source.ranges(spans);
      const nodes = new Set((await source.nodes()).map((node) => node.nodeId));
      for (const [index, range] of ranges.entries()) {
        const next = ranges[index + 1];
        holds(
          next === undefined || compareBytes(range.span.endKey, next.span.key) <= 0,
          `range ${range.rangeId} overlaps the next`,
        );
        holds(range.replicas.includes(range.leaseholder), `range ${range.rangeId} is led by a node without a replica`);
        holds(
          range.replicas.every((nodeId) => nodes.has(nodeId)),
          `range ${range.rangeId} lies on an unknown node`,
        );
      }
      for (const span of spans) {
        let at: Uint8Array = span.key;
        for (const range of ranges) {
          if (compareBytes(range.span.key, at) <= 0 && compareBytes(at, range.span.endKey) < 0) at = range.span.endKey;
        }
        holds(compareBytes(at, span.endKey) >= 0, `no range holds ${printKey(at)}`);
      }
    },
  },
];
