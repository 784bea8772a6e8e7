import type { RangeSink, RangeWriter, RestoreScope, RestoreTicket, WorkerHalf } from '../cluster/contract.js';
import { isSpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  compareMvccKeys,
  concatBytes,
  containsKey,
  encodeEngineKey,
  hasPrefix,
  printKey,
  type Timestamp,
} from '../keys/index.js';
import type { Batch } from '../native/contract.js';
import { holds } from './assertions.js';
import type { ConformanceRunner } from './storage.js';
import { registerSuite } from './suite.js';

/** A key of the backup's key space with its value, as the backup holds it. */
export interface BackedUpEntry {
  readonly key: Uint8Array;
  /** A roachpb.Value; never empty. */
  readonly value: Uint8Array;
}

/** A sink to try: its store is empty but for what the factory put there. */
export interface SinkUnderTest {
  readonly sink: RangeSink;
  /** Something that the sink accepts, and its data: sorted, inside the spans of the ticket's stages. */
  readonly scope: RestoreScope;
  readonly entries: readonly BackedUpEntry[];
  /** Everything that a reader of the store can see now, as text; equal texts mean equal states. */
  visible(): Promise<string>;
  /** True when the restored objects are there and hold exactly `entries` (keys rewritten). */
  restored(ticket: RestoreTicket): Promise<boolean>;
  /** A timestamp not before any version in the store. */
  now(): Timestamp;
  dispose(): Promise<void>;
}

/** One named check; it throws an Error whose message says what differs. */
export interface SinkCheck {
  readonly name: string;
  run(subject: SinkUnderTest): Promise<void>;
}

/** Registers the whole suite with a test runner: each check gets a fresh sink from `factory`. */
export function rangeSinkConformance(
  name: string,
  factory: () => Promise<SinkUnderTest>,
  runner: ConformanceRunner,
): void {
  registerSuite(`RangeSink: ${name}`, SINK_CHECKS, factory, runner);
}

/** Opens a writer as a worker thread does: from the module's URL and a structured clone of its data. */
async function openWriter(
  half: WorkerHalf | RangeWriter,
): Promise<{ readonly writer: RangeWriter; close(): Promise<void> }> {
  if (!('module' in half)) return { writer: half, close: async () => undefined };
  const loaded = (await import(half.module)) as { openWriter(data: unknown): RangeWriter | Promise<RangeWriter> };
  const writer = await loaded.openWriter(structuredClone(half.data));
  return { writer, close: async () => writer.close() };
}

/** The key that a restore writes for a key of the backup; undefined when no listed prefix holds it. */
function rewritten(ticket: RestoreTicket, key: Uint8Array): Uint8Array | undefined {
  if (ticket.rewrites.length === 0) return key;
  const rule = ticket.rewrites.find(({ from }) => hasPrefix(key, from));
  return rule && concatBytes(rule.to, key.subarray(rule.from.length));
}

function pack(entries: readonly BackedUpEntry[], timestamp: Timestamp): Batch {
  const sorted = [...entries].sort((a, b) => compareMvccKeys({ key: a.key, timestamp }, { key: b.key, timestamp }));
  const parts = sorted.flatMap(({ key, value }) => [encodeEngineKey(key, timestamp), value]);
  const offsets = new Uint32Array(parts.length + 1);
  for (const [index, part] of parts.entries()) offsets[index + 1] = offsets[index]! + part.length;
  return { bytes: concatBytes(...parts), offsets, count: sorted.length };
}

/** Writes the entries of one stage in several batches, as a restore does. */
async function writeStage(
  subject: SinkUnderTest,
  ticket: RestoreTicket,
  stage: RestoreTicket['stages'][number],
): Promise<number> {
  const inStage = subject.entries.filter(({ key }) => stage.spans.some((span) => containsKey(span, key)));
  const pairs = inStage.flatMap(({ key, value }) => {
    const to = rewritten(ticket, key);
    return to === undefined ? [] : [{ key: to, value }];
  });
  const { writer, close } = await openWriter(subject.sink.writer);
  try {
    const half = Math.ceil(pairs.length / 2);
    for (const part of [pairs.slice(0, half), pairs.slice(half)]) {
      if (part.length > 0) await writer.write(pack(part, ticket.writeTime));
    }
    await writer.flush();
  } finally {
    await close();
  }
  return inStage.length;
}

/** Everything but publish. */
async function writeAll(subject: SinkUnderTest): Promise<RestoreTicket> {
  const ticket = await subject.sink.begin(subject.scope);
  let written = 0;
  for (const stage of ticket.stages) {
    written += await writeStage(subject, ticket, stage);
    await subject.sink.stageDone(ticket, stage.name);
  }
  holds(written === subject.entries.length, `the stages hold ${written} of ${subject.entries.length} entries`);
  return ticket;
}

async function refuses(call: () => Promise<unknown>, what: string): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  holds(isSpanvaultError(error) && error.class === 'usage', `${what}: expected a usage error, got ${String(error)}`);
}

/** Every check of the suite, for runners of one's own. */
export const SINK_CHECKS: readonly SinkCheck[] = [
  {
    name: 'gives out a ticket that can be worked through',
    async run(subject) {
      const before = subject.now();
      const ticket = await subject.sink.begin(subject.scope);
      holds(ticket.id !== '', 'the ticket has no id');
      const order = ticket.stages.map(({ name }) => ['zones', 'data', 'system'].indexOf(name));
      holds(
        order.every((position, index) => index === 0 || position > order[index - 1]!),
        'stages are out of order',
      );
      for (const { spans } of ticket.stages) {
        for (const [index, span] of spans.entries()) {
          holds(compareBytes(span.key, span.endKey) < 0, `span at ${printKey(span.key)} is empty`);
          holds(
            index === 0 || compareBytes(spans[index - 1]!.endKey, span.key) <= 0,
            `span at ${printKey(span.key)} overlaps the one before it`,
          );
        }
      }
      const { wall, logical } = ticket.writeTime;
      holds(
        wall > before.wall || (wall === before.wall && logical > before.logical),
        'restored versions would be older than those in the store',
      );
      const nodes = await subject.sink.nodes();
      holds(
        nodes.some(({ nodeId }) => nodeId === subject.sink.coordinator),
        'the coordinator is not one of the nodes',
      );
      await subject.sink.rollback(ticket);
    },
  },
  {
    name: 'shows nothing before publish, and everything after it',
    async run(subject) {
      const before = await subject.visible();
      const ticket = await writeAll(subject);
      holds((await subject.visible()) === before, 'a reader sees an unfinished restore');
      const report = await subject.sink.publish(ticket);
      holds(await subject.restored(ticket), 'what was published is not what was written');
      const nodes = new Set((await subject.sink.nodes()).map(({ nodeId }) => nodeId));
      holds(report.bytesMoved >= 0, 'negative bytes moved');
      holds(
        report.bytesPerNode.every(({ nodeId, bytes }) => nodes.has(nodeId) && bytes >= 0),
        'bytes on unknown nodes',
      );
    },
  },
  {
    name: 'leaves nothing behind after a rollback at any stage, also when it runs twice',
    async run(subject) {
      const before = await subject.visible();
      const untouched = await subject.sink.begin(subject.scope);
      await subject.sink.rollback(untouched);
      holds((await subject.visible()) === before, 'a rollback before the first write changed something');
      const begun = await subject.sink.begin(subject.scope);
      const [first] = begun.stages;
      if (first !== undefined) await writeStage(subject, begun, first);
      await subject.sink.rollback(begun);
      holds((await subject.visible()) === before, 'a rollback within a stage left something');
      const whole = await writeAll(subject);
      await subject.sink.rollback(whole);
      await subject.sink.rollback(whole);
      holds((await subject.visible()) === before, 'a rollback before publish left something');
    },
  },
  {
    name: 'can be tried again after a rollback',
    async run(subject) {
      await subject.sink.rollback(await writeAll(subject));
      const ticket = await writeAll(subject);
      await subject.sink.publish(ticket);
      holds(await subject.restored(ticket), 'the second try did not restore everything');
    },
  },
  {
    name: 'refuses to restore over what exists, and leaves it alone',
    async run(subject) {
      const ticket = await writeAll(subject);
      await subject.sink.publish(ticket);
      const before = await subject.visible();
      await refuses(() => subject.sink.begin(subject.scope), 'a second restore');
      holds((await subject.visible()) === before, 'a refused restore changed something');
    },
  },
];
