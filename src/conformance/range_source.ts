import type { NodeInfo, RangeScanner, RangeSource, ScanRequest, Targets, WorkerHalf } from '../cluster/contract.js';
import { isSpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  compareMvccKeys,
  compareTimestamps,
  concatBytes,
  decodeEngineKey,
  EMPTY_TIMESTAMP,
  nextKey,
  printDecimal,
  printKey,
  type Span,
  type Timestamp,
  toHex,
} from '../keys/index.js';
import type { ConformanceRunner } from './storage.js';
import { registerSuite } from './suite.js';

/** A source to try, and how to put data into its store. */
export interface SourceUnderTest {
  readonly source: RangeSource;
  /** Keys that the checks may write: no key lies in it at the start. Half-open; the checks append bytes to its start. */
  readonly span: Span;
  /** Targets that resolve to spans that hold `span`, and targets that name nothing. */
  readonly targets: Targets;
  readonly missing: Targets | undefined;
  /** Writes one version and returns its timestamp; an empty value is a tombstone. */
  put(key: Uint8Array, value: Uint8Array): Promise<Timestamp>;
  dispose(): Promise<void>;
}

/** One named check; it throws an Error whose message says what differs. */
export interface SourceCheck {
  readonly name: string;
  run(subject: SourceUnderTest): Promise<void>;
}

/** Registers the whole suite with a test runner: each check gets a fresh source from `factory`. */
export function rangeSourceConformance(
  name: string,
  factory: () => Promise<SourceUnderTest>,
  runner: ConformanceRunner,
): void {
  registerSuite(`RangeSource: ${name}`, SOURCE_CHECKS, factory, runner);
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: got ${a}, expected ${b}`);
}

function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Opens a scanner as a worker thread does: from the module's URL and a structured clone of its data. */
async function openScanner(
  half: WorkerHalf | RangeScanner,
): Promise<{ readonly scanner: RangeScanner; close(): Promise<void> }> {
  if (!('module' in half)) return { scanner: half, close: async () => undefined };
  const loaded = (await import(half.module)) as { openScanner(data: unknown): RangeScanner | Promise<RangeScanner> };
  const scanner = await loaded.openScanner(structuredClone(half.data));
  return { scanner, close: async () => scanner.close() };
}

interface Version {
  readonly key: string;
  readonly time: string;
  readonly value: string;
}

const BUFFER_BYTES = 64 * 1024;

/** Reads a scan to its end and checks what every scan must keep: order, bounds, packed offsets. */
async function scanAll(
  source: RangeSource,
  request: ScanRequest,
  bufferBytes = BUFFER_BYTES,
  entries = 1024,
): Promise<Version[]> {
  const { scanner, close } = await openScanner(source.scanner);
  const scan = scanner.open(request);
  const versions: Version[] = [];
  let last: Uint8Array | undefined;
  let bytes = new Uint8Array(bufferBytes);
  const offsets = new Uint32Array(2 * entries + 1);
  try {
    for (;;) {
      const fill = await scan.next(bytes, offsets);
      if (fill.kind === 'done') break;
      if (fill.kind === 'grow') {
        holds(fill.bytes > bytes.length, `the scan asked for ${fill.bytes} bytes and had ${bytes.length}`);
        bytes = new Uint8Array(fill.bytes);
        continue;
      }
      holds(
        fill.count >= 0 && fill.count <= entries,
        `a batch holds ${fill.count} entries, its offsets have room for ${entries}`,
      );
      same(offsets[2 * fill.count], fill.bytesUsed, 'the last offset');
      for (let index = 0; index < fill.count; index++) {
        const engineKey = bytes.slice(offsets[2 * index], offsets[2 * index + 1]);
        const { key, timestamp } = decodeEngineKey(engineKey);
        holds(
          compareBytes(request.span.key, key) <= 0 && compareBytes(key, request.span.endKey) < 0,
          `${printKey(key)} lies outside of the span`,
        );
        holds(compareTimestamps(timestamp, request.endTime) <= 0, `${printKey(key)} is newer than the end time`);
        if (last !== undefined)
          holds(compareMvccKeys(decodeEngineKey(last), { key, timestamp }) < 0, `${printKey(key)} is out of order`);
        last = engineKey;
        const value = bytes.slice(offsets[2 * index + 1], offsets[2 * index + 2]);
        versions.push({ key: toHex(key), time: printDecimal(timestamp), value: toHex(value) });
      }
    }
  } finally {
    scan.close();
    await close();
  }
  return versions;
}

/** How a scan says that it found its versions, once it has ended. */
async function visitedBy(
  source: RangeSource,
  request: ScanRequest,
): Promise<{ readonly indexed: boolean; readonly bytes: number }> {
  const { scanner, close } = await openScanner(source.scanner);
  const scan = scanner.open(request);
  try {
    const bytes = new Uint8Array(BUFFER_BYTES);
    const offsets = new Uint32Array(2049);
    while ((await scan.next(bytes, offsets)).kind !== 'done');
    const visited = scan.bytesVisited?.();
    holds(visited !== undefined, 'a source with an index does not count what it visits');
    return { indexed: scan.indexed === true, bytes: visited ?? 0 };
  } finally {
    scan.close();
    await close();
  }
}

/** A value as CockroachDB stores BYTES: checksum 0, tag 3, data. */
function value(text: string): Uint8Array {
  return concatBytes(Uint8Array.of(0, 0, 0, 0, 3), new TextEncoder().encode(text));
}

const TOMBSTONE = new Uint8Array(0);

function version(key: Uint8Array, time: Timestamp, bytes: Uint8Array): Version {
  return { key: toHex(key), time: printDecimal(time), value: toHex(bytes) };
}

function keyOf(subject: SourceUnderTest, name: string): Uint8Array {
  return concatBytes(subject.span.key, new TextEncoder().encode(name), Uint8Array.of(0x88));
}

/** a: two versions; b: written and deleted; c: one version. `middle` lies after the first version of each. */
async function history(subject: SourceUnderTest) {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => keyOf(subject, name)) as [Uint8Array, Uint8Array, Uint8Array];
  const a1 = await subject.put(a, value('a1'));
  const b1 = await subject.put(b, value('b1'));
  const middle = subject.source.now();
  const a2 = await subject.put(a, value('a2'));
  const b2 = await subject.put(b, TOMBSTONE);
  const c1 = await subject.put(c, value('c1'));
  const end = subject.source.now();
  return { a, b, c, a1, b1, a2, b2, c1, middle, end };
}

const IDENTITY: readonly SourceCheck[] = [
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

const SCANS: readonly SourceCheck[] = [
  {
    name: 'exports the newest version of live keys, and nothing of deleted ones',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      same(
        await scanAll(subject.source, request),
        [version(h.a, h.a2, value('a2')), version(h.c, h.c1, value('c1'))],
        'full export',
      );
    },
  },
  {
    name: 'reads the past as it was',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.middle, allRevisions: false };
      same(
        await scanAll(subject.source, request),
        [version(h.a, h.a1, value('a1')), version(h.b, h.b1, value('b1'))],
        'export of the past',
      );
    },
  },
  {
    name: 'exports changes since a time, tombstones included',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: h.middle, endTime: h.end, allRevisions: false };
      const expected = [
        version(h.a, h.a2, value('a2')),
        version(h.b, h.b2, TOMBSTONE),
        version(h.c, h.c1, value('c1')),
      ];
      same(await scanAll(subject.source, request), expected, 'incremental export');
      same(await scanAll(subject.source, { ...request, startTime: h.c1 }), [], 'export of nothing');
    },
  },
  {
    name: 'begins a window after its start time and ends it with its end time',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: h.a1, endTime: h.b2, allRevisions: false };
      const expected = [version(h.a, h.a2, value('a2')), version(h.b, h.b2, TOMBSTONE)];
      same(await scanAll(subject.source, request), expected, 'changes up to the time of a version');
      same(
        await scanAll(subject.source, { ...request, allRevisions: true }),
        [expected[0], expected[1], version(h.b, h.b1, value('b1'))],
        'revisions after the time of a version',
      );
      same(
        await scanAll(subject.source, { ...request, startTime: h.b2, endTime: h.b2 }),
        [],
        'changes of an empty window',
      );
    },
  },
  {
    name: 'looks at little more than what changed, where it says that it has an index',
    async run(subject) {
      const { source } = subject;
      if (source.incremental !== 'indexed') return;
      for (let index = 0; index < 300; index++) await subject.put(keyOf(subject, `k${index}`), value('x'.repeat(80)));
      const startTime = source.now();
      await (await source.protect?.(startTime))?.();
      const changed = await subject.put(keyOf(subject, 'k7'), value('y'.repeat(80)));
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: source.now(), allRevisions: false };
      const full = await visitedBy(source, request);
      const incremental = await visitedBy(source, { ...request, startTime });
      holds(!full.indexed && incremental.indexed, 'the scan of a fresh window does not use the index');
      holds(
        incremental.bytes * 20 < full.bytes,
        `one of 300 changed rows took ${incremental.bytes} bytes, all of them ${full.bytes}`,
      );
      same(
        await scanAll(source, { ...request, startTime }),
        [version(keyOf(subject, 'k7'), changed, value('y'.repeat(80)))],
        'what changed',
      );
    },
  },
  {
    name: 'exports every revision, newest first',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: true };
      const expected = [
        version(h.a, h.a2, value('a2')),
        version(h.a, h.a1, value('a1')),
        version(h.b, h.b2, TOMBSTONE),
        version(h.b, h.b1, value('b1')),
        version(h.c, h.c1, value('c1')),
      ];
      same(await scanAll(subject.source, request), expected, 'export of all revisions');
      same(
        await scanAll(subject.source, { ...request, startTime: h.middle }),
        [expected[0], expected[2], expected[4]],
        'revisions since a time',
      );
    },
  },
  {
    name: 'keeps to half-open spans',
    async run(subject) {
      const h = await history(subject);
      const request = { startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      same(
        (await scanAll(subject.source, { ...request, span: { key: h.a, endKey: h.c } })).length,
        1,
        'entries before the end key',
      );
      same(
        (await scanAll(subject.source, { ...request, span: { key: h.a, endKey: nextKey(h.c) } })).length,
        2,
        'entries up to the end key',
      );
      same(
        (await scanAll(subject.source, { ...request, span: { key: nextKey(h.a), endKey: h.c } })).length,
        0,
        'entries between',
      );
    },
  },
  {
    name: 'gives the same versions through any buffer',
    async run(subject) {
      const long = value('x'.repeat(5000));
      for (let index = 0; index < 50; index++)
        await subject.put(keyOf(subject, `k${index}`), index % 7 === 3 ? long : value(`v${index}`));
      const request = {
        span: subject.span,
        startTime: EMPTY_TIMESTAMP,
        endTime: subject.source.now(),
        allRevisions: false,
      };
      const expected = await scanAll(subject.source, request);
      same(expected.length, 50, 'entries');
      for (const [bytes, entries] of [
        [1, 1],
        [100, 3],
        [5100, 1024],
      ] as const) {
        same(await scanAll(subject.source, request, bytes, entries), expected, `entries through ${bytes} bytes`);
      }
    },
  },
  {
    name: 'is not disturbed by writes after its end time',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      const before = await scanAll(subject.source, request);
      await subject.put(h.a, value('later'));
      await subject.put(h.c, TOMBSTONE);
      same(await scanAll(subject.source, request), before, 'a second export at the same time');
    },
  },
  {
    name: 'protects a time and lets it go',
    async run({ source }) {
      if (source.protect === undefined) return;
      const release = await source.protect(source.now());
      await release();
      await release();
    },
  },
];

/** Every check of the suite, for runners of one's own. */
export const SOURCE_CHECKS: readonly SourceCheck[] = [...IDENTITY, ...SCANS];
