import { randomUUID } from 'node:crypto';
import {
  Catalog,
  type Descriptor,
  decodeDescriptor,
  indexSpans,
  SYSTEM_TABLE_IDS,
  tableSchema,
  tableSpan,
} from '../../catalog/index.js';
import { invariant, SpanvaultError } from '../../fault/index.js';
import { concatBytes, equalBytes, MAX_TIMESTAMP, printSpan, type Span } from '../../keys/index.js';
import type {
  NodeInfo,
  RangeSink,
  RestoreScope,
  RestoreStage,
  RestoreTicket,
  SinkReport,
  WorkerHalf,
} from '../contract.js';
import type { ClusterCore } from './core.js';
import { readEntries } from './entries.js';
import { journalRecord, rollbackJournal } from './journal.js';
import { type KeyValue, packPairs } from './packed_batch.js';
import { planIntoCluster, type RestorePlanned } from './restore_state.js';
import { storeAddress } from './source.js';
import { zonesOf } from './zone_store.js';

const TOMBSTONE = new Uint8Array(0);

interface Running {
  readonly scope: RestoreScope;
  /** First id that the restore took. */
  readonly firstId: number;
  readonly plan: RestorePlanned;
  readonly descriptors: readonly Descriptor[];
  readonly done: Set<RestoreStage['name']>;
  /** Bytes that lay where the zone configurations did not want them. */
  bytesMoved: number;
  readonly warnings: Set<string>;
}

/**
 * The embedded cluster as a restore sees it. Until `publish`, a restore's rows lie under ids that no descriptor names, and a
 * journal record says what to erase; publish is one commit.
 */
export class EmbeddedSink implements RangeSink {
  readonly coordinator: number;
  readonly writer: WorkerHalf;
  readonly #core: ClusterCore;
  readonly #running = new Map<string, Running>();

  constructor(core: ClusterCore, coordinator: number) {
    this.#core = core;
    this.coordinator = coordinator;
    this.writer = { module: new URL('./write_worker.js', import.meta.url).href, data: storeAddress(core) };
  }

  async nodes(): Promise<readonly NodeInfo[]> {
    return this.#core.nodes.live().map(({ nodeId, locality }) => ({ nodeId, locality }));
  }

  async begin(scope: RestoreScope): Promise<RestoreTicket> {
    const core = this.#core;
    const firstId = core.catalog.nextId();
    const plan = this.#plan(scope, firstId);
    if (scope.targets.kind === 'spans') this.#refuseOccupied(plan.erase);
    const id = randomUUID();
    core.write(undefined, { meta: [journalRecord(id, 'RESTORE', plan.erase), core.catalog.reserveIds(plan.nextId)] });
    // Rows of a dropped table may wait there for garbage collection; they must not come back to life.
    core.store.erase(...plan.erase);
    const descriptors = plan.put.map(decodeDescriptor);
    const warnings = new Set(plan.warnings);
    const running: Running = { scope, firstId, plan, descriptors, done: new Set(), bytesMoved: 0, warnings };
    this.#running.set(id, running);
    this.#place(id, running);
    return {
      id,
      stages: stagesOf(scope, plan),
      rewrites: plan.rewrites,
      writeTime: core.now(),
      warnings: [...running.warnings],
      databases: plan.databases,
      tables: plan.tables.map(({ name }) => name),
    };
  }

  /** Validates a scope against the catalog of this moment. */
  #plan(scope: RestoreScope, nextId: number): RestorePlanned {
    const { catalog, nodes } = this.#core;
    return planIntoCluster(scope, { existing: catalog.current(), nodes: nodes.live(), nextId, time: this.#core.now() });
  }

  #refuseOccupied(spans: readonly Span[]): void {
    for (const span of spans) {
      for (const _entry of readEntries(this.#core.store, span, MAX_TIMESTAMP)) {
        throw new SpanvaultError('SV_NOT_EMPTY', `span ${printSpan(span)} holds data already`);
      }
    }
  }

  /**
   * Cuts and places ranges for what is to come, so that data lands where it stays. Data that came before the zone
   * configurations has to move now.
   */
  #place(id: string, running: Running, zones?: ReturnType<typeof zonesOf>): void {
    this.#core.setPending(id, { descriptors: running.descriptors, dropped: new Set(running.plan.dropIds), zones });
    const late = running.done.has('data');
    const { bytesMoved, warnings } = this.#core.reconcile({ balance: !late });
    if (late) running.bytesMoved += bytesMoved;
    for (const warning of warnings) running.warnings.add(warning);
  }

  async stageDone(ticket: RestoreTicket, stage: RestoreStage['name']): Promise<void> {
    const running = this.#require(ticket);
    const waitingSpans = running.plan.system.map(({ temporaryId }) => tableSpan(temporaryId));
    const isWaiting = ({ key }: Span): boolean => waitingSpans.some((span) => equalBytes(span.key, key));
    const spans = stage === 'data' ? running.plan.erase.filter((span) => !isWaiting(span)) : waitingSpans;
    // Counting takes a processor, syncing the disk.
    await Promise.all([this.#core.store.syncAside(), this.#core.recount(spans)]);
    running.done.add(stage);
    const waiting = running.plan.system.find(({ table }) => table.id === SYSTEM_TABLE_IDS.zones);
    if (stage !== 'zones' || waiting === undefined) return;
    const schema = tableSchema(Catalog.decode([waiting.table.raw]), waiting.table);
    this.#place(ticket.id, running, zonesOf(schema, this.#waitingRows(waiting)));
  }

  /** Restored rows of a system table under the keys that they will have. */
  *#waitingRows({ table, temporaryId }: RestorePlanned['system'][number]): Generator<{
    key: Uint8Array;
    timestamp: RestoreTicket['writeTime'];
    value: Uint8Array;
  }> {
    const { key: from } = tableSpan(temporaryId);
    const { key: to } = tableSpan(table.id);
    for (const entry of readEntries(this.#core.store, tableSpan(temporaryId), MAX_TIMESTAMP)) {
      yield { ...entry, key: concatBytes(to, entry.key.subarray(from.length)) };
    }
  }

  /** Rows that the system tables get, and tombstones of those that they had. Value checksums do not survive another key. */
  #systemPairs(running: Running): KeyValue[] {
    return running.plan.system.flatMap((waiting) => {
      const stage = waiting.table.id === SYSTEM_TABLE_IDS.zones ? 'zones' : 'system';
      if (!running.done.has(stage)) return [];
      const pairs = new Map<string, KeyValue>();
      const put = (pair: KeyValue): unknown => pairs.set(Buffer.from(pair.key).toString('latin1'), pair);
      for (const { key } of readEntries(this.#core.store, tableSpan(waiting.table.id), MAX_TIMESTAMP))
        put({ key, value: TOMBSTONE });
      for (const { key, value } of this.#waitingRows(waiting)) put({ key, value: withoutChecksum(value) });
      return [...pairs.values()];
    });
  }

  async publish(ticket: RestoreTicket): Promise<SinkReport> {
    const core = this.#core;
    const running = this.#require(ticket);
    // Once more, with the catalog as it is now: a name may have been taken, a database dropped since.
    const plan = this.#plan(running.scope, running.firstId);
    const time = core.now();
    const current = core.catalog.current();
    const dropped = plan.dropIds.flatMap((id) => current.byId(id) ?? []);
    const change = core.catalog.change(plan.put, dropped, time);
    const temporary = plan.system.map(({ temporaryId }) => tableSpan(temporaryId));
    core.write(packPairs([...change.pairs, ...this.#systemPairs(running)], time), {
      // What remains to be erased after this commit is only the waiting copies of system rows.
      meta: [...change.meta, core.zones.bump(), journalRecord(ticket.id, 'RESTORE, published', temporary)],
    });
    this.#running.delete(ticket.id);
    core.setPending(ticket.id, undefined);
    rollbackJournal(core, ticket.id);
    const { bytesMoved, warnings } = core.reconcile({ balance: false });
    return {
      bytesMoved: running.bytesMoved + bytesMoved,
      bytesPerNode: this.#bytesPerNode(),
      warnings: [...new Set([...running.warnings, ...warnings])],
    };
  }

  #bytesPerNode(): SinkReport['bytesPerNode'] {
    const sums = new Map(this.#core.nodes.live().map(({ nodeId }) => [nodeId, 0]));
    for (const { leaseholder, bytes } of this.#core.ranges.all())
      sums.set(leaseholder, (sums.get(leaseholder) ?? 0) + bytes);
    return [...sums].map(([nodeId, bytes]) => ({ nodeId, bytes }));
  }

  async rollback(ticket: RestoreTicket): Promise<void> {
    this.#running.delete(ticket.id);
    this.#core.setPending(ticket.id, undefined);
    rollbackJournal(this.#core, ticket.id);
    this.#core.reconcile({ balance: true });
  }

  #require(ticket: RestoreTicket): Running {
    const running = this.#running.get(ticket.id);
    invariant(running !== undefined, `restore ${ticket.id} is not running`);
    return running;
  }
}

/** Value bytes with the checksum cleared to "not computed" (crdb-format.md 4.3). */
function withoutChecksum(value: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(value);
  copy.fill(0, 0, Math.min(4, copy.length));
  return copy;
}

function stagesOf(scope: RestoreScope, plan: RestorePlanned): RestoreStage[] {
  if (scope.targets.kind === 'spans') return [{ name: 'data', spans: plan.erase }];
  const zones = plan.system.filter(({ table }) => table.id === SYSTEM_TABLE_IDS.zones).map(({ table }) => table);
  const others = plan.system.filter(({ table }) => table.id !== SYSTEM_TABLE_IDS.zones).map(({ table }) => table);
  const stages: RestoreStage[] = [
    { name: 'zones', spans: indexSpans(zones) },
    { name: 'data', spans: indexSpans(plan.tables) },
    { name: 'system', spans: indexSpans(others) },
  ];
  return stages.filter(({ spans }) => spans.length > 0);
}
