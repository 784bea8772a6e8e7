import { randomUUID } from 'node:crypto';
import {
  type Catalog,
  decodeDescriptor,
  followIndexes,
  indexPrefix,
  prefixSpan,
  type Table,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import type { Timestamp } from '../../keys/index.js';
import { type BackfillOptions, backfillIndex } from './backfill.js';
import { assertUserObject, type CatalogChange } from './catalog_store.js';
import type { ClusterCore } from './core.js';
import { collectDropped, garbageRecords } from './garbage.js';
import { closedJournal, journalRecord, rollbackJournal } from './journal.js';
import { packPairs } from './packed_batch.js';
import type { MetaPut } from './store.js';
import { assertNotInterleaved } from './table_relations.js';

/** A new version of a table, made from the one before. */
export type TableEdit = (table: Table, time: Timestamp) => Uint8Array;

const NO_MOVES: ReadonlyMap<number, number> = new Map();

/**
 * Changes of the schema, one after the other. Each is one commit: versions of descriptors and names at its time, with zone
 * configurations that follow indexes. An index that must be filled first is written under an id that no descriptor names, and
 * a journal record says what to erase when that does not come to its end.
 */
export class CatalogChanges {
  readonly #core: ClusterCore;
  #last: Promise<unknown> = Promise.resolve();
  /** Tables whose rows are being read into an index: writes to them wait. */
  readonly #busy = new Map<number, Promise<unknown>>();

  constructor(core: ClusterCore) {
    this.#core = core;
  }

  isIdle(tableId: number): boolean {
    return !this.#busy.has(tableId);
  }

  /** Resolves when the rows of a table may be written. */
  async idle(tableId: number): Promise<void> {
    while (this.#busy.has(tableId)) await this.#busy.get(tableId);
  }

  /** @throws SpanvaultError SV_CONSTRAINT while an index of the table is being filled; `idle` waits for its end */
  assertIdle(table: Table): void {
    if (this.#busy.has(table.id))
      throw new SpanvaultError('SV_CONSTRAINT', `an index of table ${JSON.stringify(table.name)} is being filled`);
  }

  /** Commits a change of the catalog: data without a descriptor becomes garbage, ranges are cut anew. */
  apply(
    change: CatalogChange,
    time: Timestamp,
    meta: readonly MetaPut[] = [],
    pairs: CatalogChange['pairs'] = [],
  ): void {
    const core = this.#core;
    const garbage = garbageRecords(change.dropped, core, time);
    core.write(packPairs([...change.pairs, ...pairs], time), { meta: [...change.meta, ...garbage, ...meta] });
    core.reconcile({ balance: true });
    if (change.dropped.tables.length + change.dropped.indexes.length > 0) collectDropped(core);
  }

  /** Runs a change when those before it have ended, whatever became of them. */
  turn<T>(run: (catalog: Catalog) => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(() => run(this.#core.catalog.current()));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** One commit of new versions of descriptors, and of the zone configurations of indexes that moved or went. */
  publish(
    make: (time: Timestamp) => {
      readonly put: readonly Uint8Array[];
      readonly moves?: (before: Table, after: Table) => ReadonlyMap<number, number>;
    },
    meta: readonly MetaPut[] = [],
  ): void {
    const core = this.#core;
    const time = core.now();
    const { put, moves } = make(time);
    const before = core.catalog.current();
    let zones = core.zones.current();
    const changed: number[] = [];
    for (const after of put.map(decodeDescriptor)) {
      const old = before.tableById(after.id);
      if (after.kind !== 'table' || old === undefined) continue;
      const followed = followIndexes(before.with([after]), zones, after, moves?.(old, after) ?? NO_MOVES);
      if (followed === undefined) continue;
      zones = followed;
      changed.push(after.id);
    }
    const zoneChange = changed.length === 0 ? { pairs: [], meta: [] } : core.zones.change(zones, changed);
    this.apply(core.catalog.change(put, [], time), time, [...zoneChange.meta, ...meta], zoneChange.pairs);
  }

  /** Fills an index of the version that `edit` makes, and publishes that. A failure leaves nothing. */
  async backfilled(
    what: string,
    before: Table,
    edit: TableEdit,
    indexId: number,
    moves: ReadonlyMap<number, number>,
    options: BackfillOptions,
  ): Promise<void> {
    const core = this.#core;
    const ofChild = (before.message.primaryIndex?.interleave?.ancestors ?? []).length > 0;
    if (ofChild || moves.size > 0) assertNotInterleaved(core.catalog.current(), before, what);
    const draft = decodeDescriptor(edit(before, core.now()));
    if (draft.kind !== 'table') throw new SpanvaultError('SV_INTERNAL', `${what} made a ${draft.kind} of a table`);
    const id = randomUUID();
    const span = prefixSpan(indexPrefix(before.id, indexId));
    core.write(undefined, { meta: [journalRecord(id, what, [span])] });
    let end = (): void => undefined;
    this.#busy.set(before.id, new Promise<void>((resolve) => (end = resolve)));
    try {
      const zones = followIndexes(core.catalog.current().with([draft]), core.zones.current(), draft, moves);
      core.setPending(id, { descriptors: [draft], dropped: new Set(), zones });
      core.reconcile({ balance: true });
      await backfillIndex(core, { before, after: draft, indexId, time: core.now() }, options);
      await Promise.all([core.store.syncAside(), core.recount([span])]);
      const now = requireTable(core.catalog.current(), before);
      this.publish((time) => ({ put: [edit(now, time)], moves: () => moves }), [closedJournal(id)]);
      core.setPending(id, undefined);
      core.reconcile({ balance: true });
    } catch (error) {
      core.setPending(id, undefined);
      rollbackJournal(core, id);
      core.reconcile({ balance: true });
      throw error;
    } finally {
      this.#busy.delete(before.id);
      end();
    }
  }
}

/** The table as it is now. */
export function requireTable(catalog: Catalog, target: Table): Table {
  const table = catalog.tableById(target.id);
  if (table === undefined || table.state !== 'public')
    throw new SpanvaultError('SV_UNDEFINED', `relation ${JSON.stringify(target.name)} does not exist`);
  assertUserObject(catalog, table, 'change');
  return table;
}
