import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BackupPlan, type PlanInput, placementReport, planBackup } from '#src/backup/index.js';
import type { NodeInfo, RangeInfo } from '#src/cluster/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { compareSpans, mergeSpans, parseLocality, type Span } from '#src/keys/index.js';
import { runScript } from '../support/datadriven.js';

const SCRIPT = fileURLToPath(new URL('./testdata/plan.txt', import.meta.url));

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const text = (key: Uint8Array): string => Buffer.from(key).toString();
const span = (from: string, to: string): Span => ({ key: bytes(from), endKey: bytes(to) });
const spanOf = (written: string): Span => {
  const [from, to] = written.split('-');
  return span(from!, to!);
};
const printed = (one: Span): string => `${text(one.key)}-${text(one.endKey)}`;

function parseInput(lines: readonly string[], taskBytes: number): PlanInput {
  const of = (kind: string): string[][] =>
    lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.split(' ').slice(1));
  return {
    taskBytes,
    nodes: of('node').map(([id, locality]) => ({ nodeId: Number(id), locality: parseLocality(locality ?? '') })),
    ranges: of('range').map(
      ([id, where, replicas, leaseholder, wanted, size]): RangeInfo => ({
        rangeId: Number(id),
        span: spanOf(where!),
        replicas: replicas!.split(',').map(Number),
        leaseholder: Number(leaseholder),
        wantedLocality: wanted === undefined || wanted === '-' ? undefined : parseLocality(wanted),
        approximateBytes: Number(size ?? 0),
      }),
    ),
    spans: of('span').map(([where]) => spanOf(where!)),
    localities: of('bucket').map(([locality]) => locality!),
  };
}

function printPlan(plan: BackupPlan): string {
  const pieces = plan.tasks.flatMap((task) => task.pieces);
  const tasks = plan.tasks.map(
    (task) =>
      `n${task.nodeId} ${task.localityKv || 'default'} ${task.approximateBytes}: ${task.pieces.map((piece) => printed(piece.span)).join(' ')}`,
  );
  const displaced = pieces.flatMap(({ rangeId, displaced: reason }) =>
    reason === undefined ? [] : [`r${rangeId}: ${reason}`],
  );
  return [...tasks, ...displaced].join('\n') || '(nothing)';
}

describe('planBackup', () => {
  it('plans as the script says', () => {
    const differences = runScript(SCRIPT, ({ args, input }) => {
      try {
        return printPlan(planBackup(parseInput(input, Number(args[0]))));
      } catch (error) {
        if (!isSpanvaultError(error)) throw error;
        return `${error.code}: ${error.message}`;
      }
    });
    expect(differences).toEqual([]);
  });

  const arbitrary = fc.record({
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { maxLength: 12 }),
    leases: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 13, maxLength: 13 }),
    sizes: fc.array(fc.nat(200), { minLength: 13, maxLength: 13 }),
    spans: fc.array(fc.tuple(fc.integer({ min: 0, max: 250 }), fc.integer({ min: 0, max: 250 })), { maxLength: 6 }),
    taskBytes: fc.integer({ min: 1, max: 500 }),
  });
  const NODES: NodeInfo[] = ['region=a,az=x', 'region=a,az=y', 'region=b,az=x', ''].map((locality, index) => ({
    nodeId: index + 1,
    locality: parseLocality(locality),
  }));

  function inputOf({
    cuts,
    leases,
    sizes,
    spans,
    taskBytes,
  }: typeof arbitrary extends fc.Arbitrary<infer T> ? T : never): PlanInput {
    const at = (value: number): Uint8Array => Uint8Array.of(value);
    const bounds = [0, ...[...cuts].sort((a, b) => a - b), 255];
    return {
      taskBytes,
      nodes: NODES,
      localities: ['region=a', 'az=x'],
      spans: spans
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => ({ key: at(Math.min(a, b)), endKey: at(Math.max(a, b)) })),
      ranges: bounds.slice(1).map((end, index) => ({
        rangeId: index + 1,
        span: { key: at(bounds[index]!), endKey: at(end) },
        replicas: [1, 2, 3, 4],
        leaseholder: leases[index]!,
        wantedLocality: undefined,
        approximateBytes: sizes[index]!,
      })),
    };
  }

  it('covers every span exactly once, each piece on its leaseholder and in that node’s bucket', () => {
    fc.assert(
      fc.property(arbitrary, (random) => {
        const input = inputOf(random);
        const plan = planBackup(input);
        const pieces = plan.tasks.flatMap((task) => task.pieces);
        const sorted = pieces.map((piece) => piece.span).sort(compareSpans);
        expect(mergeSpans(sorted)).toEqual(mergeSpans(input.spans));
        for (const [index, one] of sorted.slice(1).entries()) {
          expect(Buffer.compare(sorted[index]!.endKey, one.key)).toBeLessThanOrEqual(0);
        }
        const buckets = ['az=x', 'region=a', 'az=x', ''];
        for (const task of plan.tasks) {
          expect(task.localityKv).toBe(buckets[task.nodeId - 1]);
          for (const piece of task.pieces) {
            expect([piece.nodeId, piece.localityKv]).toEqual([task.nodeId, task.localityKv]);
            const range = input.ranges.find(({ rangeId }) => rangeId === piece.rangeId)!;
            expect(range.leaseholder).toBe(task.nodeId);
          }
          // A task of several pieces stays within the bound; one piece alone may pass it.
          if (task.pieces.length > 1) expect(task.approximateBytes).toBeLessThanOrEqual(input.taskBytes);
        }
        const sizes = plan.tasks.map((task) => task.approximateBytes);
        expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
        expect(planBackup(input)).toEqual(plan);
      }),
    );
  });
});

describe('R #115876: work piles up on no node', () => {
  const nodes: NodeInfo[] = ['us-east', 'us-west', 'eu'].flatMap((region, at) =>
    ['a', 'b', 'c'].map((az, more) => ({
      nodeId: at * 3 + more + 1,
      locality: parseLocality(`region=${region},az=${az}`),
    })),
  );
  const key = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

  /** Bytes per node for 900 equal ranges with a replica on every node. */
  function bytesOfNodes(range: (id: number) => Pick<RangeInfo, 'leaseholder' | 'wantedLocality'>, live = nodes) {
    const plan = planBackup({
      spans: [{ key: key(0), endKey: key(900) }],
      nodes: live,
      localities: ['region=us-west'],
      taskBytes: 50,
      ranges: Array.from({ length: 900 }, (_, id) => ({
        ...range(id),
        rangeId: id + 1,
        span: { key: key(id), endKey: key(id + 1) },
        replicas: nodes.map(({ nodeId }) => nodeId),
        approximateBytes: 10,
      })),
    });
    return live.map(({ nodeId }) =>
      plan.tasks.reduce((sum, task) => sum + (task.nodeId === nodeId ? task.approximateBytes : 0), 0),
    );
  }

  it('each node gets its leases, the coordinator no more', () => {
    const bytes = bytesOfNodes((id) => ({ leaseholder: (id % 9) + 1, wantedLocality: undefined }));
    expect(bytes).toEqual(Array.from({ length: 9 }, () => 1000));
  });

  it('leases outside of the wanted region are spread over the nodes of that region', () => {
    const wantedLocality = parseLocality('region=eu');
    const bytes = bytesOfNodes(() => ({ leaseholder: 1, wantedLocality }));
    expect(bytes).toEqual([0, 0, 0, 0, 0, 0, 3000, 3000, 3000]);
  });

  it('leases of a node that is down are spread over the others', () => {
    const live = nodes.filter(({ nodeId }) => nodeId !== 2);
    const bytes = bytesOfNodes(() => ({ leaseholder: 2, wantedLocality: undefined }), live);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(1.01 * (9000 / 8));
  });
});

describe('placementReport', () => {
  const input = parseInput(
    [
      'node 1 region=us-east',
      'node 2 region=us-west',
      'range 1 a-c 1 1 region=us-west 10',
      'range 2 c-f 2 2 region=us-west 20',
      'range 3 f-z 1 1 - 30',
      'span a-z',
      'bucket region=us-west',
    ],
    100,
  );
  const buckets = [
    { localityKv: '', display: 'memory://e' },
    { localityKv: 'region=us-west', display: 'memory://w' },
    { localityKv: 'region=eu', display: 'memory://eu' },
  ];

  it('sums files per bucket, lists empty buckets, and names every range that left its locality', () => {
    const report = placementReport(
      planBackup(input),
      [
        { localityKv: '', dataBytes: 5, fileBytes: 3 },
        { localityKv: '', dataBytes: 7, fileBytes: 4 },
        { localityKv: 'region=us-west', dataBytes: 20, fileBytes: 9 },
      ],
      buckets,
      (nodeId) => input.nodes[nodeId - 1]!.locality,
    );
    expect(report.buckets).toEqual([
      { locality: 'default', bucket: 'memory://e', ranges: 2, files: 2, dataBytes: 12, fileBytes: 7 },
      { locality: 'region=us-west', bucket: 'memory://w', ranges: 1, files: 1, dataBytes: 20, fileBytes: 9 },
      { locality: 'region=eu', bucket: 'memory://eu', ranges: 0, files: 0, dataBytes: 0, fileBytes: 0 },
    ]);
    expect(report.displaced.map((one) => ({ ...one, span: printed(one.span) }))).toEqual([
      {
        rangeId: 1,
        span: 'a-c',
        wanted: 'region=us-west',
        nodeId: 1,
        nodeLocality: 'region=us-east',
        bucket: 'default',
        reason: 'no replica on a node of the locality',
      },
    ]);
  });
});
