import { randomUUID } from 'node:crypto';
import {
  buildDatabase,
  buildSchema,
  buildTables,
  type Catalog,
  type ColumnSpec,
  type Database,
  decodeDescriptor,
  type FamilyChoice,
  followIndexes,
  type IndexSpec,
  indexPrefix,
  moved,
  prefixSpan,
  type Table,
  type TableSpec,
  tableSchema,
  withColumns,
  withDatabaseName,
  withFreshIndexes,
  withIndex,
  withoutIndex,
  withRenamedColumn,
  withRenamedIndex,
  withSchema,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import type { Timestamp } from '../../keys/index.js';
import { type BackfillOptions, backfillIndex } from './backfill.js';
import { assertUserObject, type CatalogChange, type DropBehaviour } from './catalog_store.js';
import type { ClusterCore } from './core.js';
import { collectGarbage, garbageRecords } from './garbage.js';
import { closedJournal, journalRecord, rollbackJournal } from './journal.js';
import { packPairs } from './packed_batch.js';
import { scanRows } from './row_scan.js';
import type { MetaPut } from './store.js';
import { assertMovable, assertNoViews, referencingTables } from './table_relations.js';

/** A new version of a table, made from the one before. */
type TableEdit = (table: Table, time: Timestamp) => Uint8Array;

/** Where a table goes; what is left out stays. */
export interface TableMove {
  readonly name?: string;
  readonly databaseId?: number;
  readonly schemaId?: number;
}

const NO_MOVES: ReadonlyMap<number, number> = new Map();

/**
 * Changes of the schema, one after the other. Each is one commit: versions of descriptors and names at its time, with zone
 * configurations that follow indexes. An index that must be filled first is written under an id that no descriptor names, and
 * a journal record says what to erase when that does not come to its end.
 */
export class SchemaChanges {
  readonly #core: ClusterCore;
  #last: Promise<unknown> = Promise.resolve();
  /** Tables whose rows are being read into an index: writes to them wait. */
  readonly #busy = new Map<number, Promise<unknown>>();

  constructor(core: ClusterCore) {
    this.#core = core;
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

  /** @throws SpanvaultError SV_EXISTS `database "x" already exists` */
  createDatabase(name: string): Promise<void> {
    return this.#turn((catalog) => {
      assertNoDatabase(catalog, name);
      this.#publish((time) => ({ put: [buildDatabase(name, this.#core.catalog.nextId(), time)] }));
    });
  }

  /** @throws SpanvaultError SV_EXISTS, SV_UNDEFINED */
  renameDatabase(from: string, to: string): Promise<void> {
    return this.#turn((catalog) => {
      const database = catalog.requireDatabase(from);
      assertUserObject(catalog, database, 'rename');
      if (from === to) return;
      assertNoDatabase(catalog, to);
      for (const table of catalog.tables(database.id)) assertNoViews(catalog, table, 'database');
      this.#publish((time) => ({ put: [withDatabaseName(database, to, time)] }));
    });
  }

  dropDatabase(name: string, behaviour: DropBehaviour): Promise<void> {
    return this.#turn((catalog) => {
      const database = catalog.requireDatabase(name);
      const time = this.#core.now();
      this.apply(this.#core.catalog.dropDatabase(database, behaviour, time), time);
    });
  }

  /** @throws SpanvaultError SV_EXISTS `schema "s" already exists`, SV_UNDEFINED */
  createSchema(databaseName: string, name: string): Promise<void> {
    return this.#turn((catalog) => {
      const database = catalog.requireDatabase(databaseName);
      assertUserObject(catalog, database, 'change');
      if (/^(pg_|crdb_internal$|information_schema$)/.test(name))
        throw new SpanvaultError('SV_USAGE', `unacceptable schema name ${JSON.stringify(name)}`);
      if (catalog.schema(database.id, name) !== undefined)
        throw new SpanvaultError('SV_EXISTS', `schema ${JSON.stringify(name)} already exists`);
      const id = this.#core.catalog.nextId();
      this.#publish((time) => ({
        put: [buildSchema(name, id, database.id, time), withSchema(database, name, id, time)],
      }));
    });
  }

  /** Creates tables that may refer to each other. @throws SpanvaultError SV_EXISTS `relation "t" already exists` */
  createTables(database: Database, schemaId: number, specs: readonly TableSpec[]): Promise<number[]> {
    return this.#turn((catalog) => {
      const parent = catalog.databaseById(database.id) ?? catalog.requireDatabase(database.name);
      assertUserObject(catalog, parent, 'change');
      const firstId = this.#core.catalog.nextId();
      for (const { name } of specs) assertNoRelation(catalog, parent.id, schemaId, name);
      this.#publish((time) => ({ put: buildTables(specs, firstId, { databaseId: parent.id, schemaId, time }) }));
      return specs.map((_, index) => firstId + index);
    });
  }

  dropTables(tables: readonly Table[], behaviour: DropBehaviour): Promise<void> {
    return this.#turn(() => {
      const time = this.#core.now();
      this.apply(this.#core.catalog.dropTables(tables, behaviour, time), time);
    });
  }

  /** Gives a table another name, schema or database. @throws SpanvaultError SV_EXISTS, SV_CONSTRAINT with CockroachDB's texts */
  moveTable(target: Table, to: TableMove): Promise<void> {
    return this.#turn((catalog) => {
      const table = requireTable(catalog, target);
      assertNoViews(catalog, table, to.schemaId === undefined ? 'table' : 'schema');
      const databaseId = to.databaseId ?? table.parentId;
      const schemaId = to.schemaId ?? table.parentSchemaId;
      const name = to.name ?? table.name;
      if (databaseId !== table.parentId) assertMovable(catalog, table, databaseId);
      if (databaseId === table.parentId && schemaId === table.parentSchemaId && name === table.name) return;
      assertNoRelation(catalog, databaseId, schemaId, name);
      this.#publish((time) => ({ put: [moved(table, to, time)] }));
    });
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_EXISTS, SV_CONSTRAINT */
  renameColumn(target: Table, from: string, to: string): Promise<void> {
    return this.#edit(target, (table, time) => withRenamedColumn(table, from, to, time));
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_EXISTS */
  renameIndex(target: Table, from: string, to: string): Promise<void> {
    return this.#edit(target, (table, time) => withRenamedIndex(table, from, to, time));
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT */
  dropIndex(target: Table, name: string, behaviour: DropBehaviour): Promise<void> {
    return this.#edit(target, (table, time) => withoutIndex(table, name, behaviour === 'cascade', time));
  }

  /**
   * Adds an index and fills it from the rows. `specOf` sees the table as it is when its turn has come.
   * @throws SpanvaultError SV_EXISTS, SV_UNDEFINED, SV_CONSTRAINT `duplicate key value violates unique constraint "i"`
   */
  createIndex(target: Table, specOf: (table: Table) => IndexSpec, options: BackfillOptions = {}): Promise<void> {
    return this.#turn(async (catalog) => {
      const table = requireTable(catalog, target);
      const spec = specOf(table);
      const edit: TableEdit = (before, time) => withIndex(before, spec, time);
      await this.#backfilled('CREATE INDEX', table, edit, table.message.nextIndexId, NO_MOVES, options);
    });
  }

  /**
   * Adds columns. Rows get the defaults in a new primary index, so that readers of the past keep theirs.
   * @throws SpanvaultError SV_EXISTS, SV_UNDEFINED, SV_CONSTRAINT for a NOT NULL column without default and a table with rows
   */
  addColumns(
    target: Table,
    columns: readonly { readonly spec: ColumnSpec; readonly family: FamilyChoice | null }[],
    options: BackfillOptions = {},
  ): Promise<void> {
    return this.#turn(async (catalog) => {
      const table = requireTable(catalog, target);
      const filled = columns.some(({ spec }) => spec.default !== undefined || spec.nullable === false);
      const rewrite = filled && hasRows(this.#core, catalog, table);
      const edit: TableEdit = (before, time) => withColumns(before, columns, rewrite, time);
      if (!rewrite) return this.#publish((time) => ({ put: [edit(table, time)] }));
      const to = table.message.nextIndexId;
      const moves = new Map([[table.message.primaryIndex?.id ?? 0, to]]);
      await this.#backfilled('ADD COLUMN', table, edit, to, moves, options);
    });
  }

  /** Empties tables. @throws SpanvaultError SV_CONSTRAINT when others refer to one and `behaviour` is not 'cascade' */
  truncate(targets: readonly Table[], behaviour: DropBehaviour): Promise<void> {
    return this.#turn((catalog) => {
      const tables = referencingTables(
        catalog,
        targets.map((target) => requireTable(catalog, target)),
        behaviour === 'cascade',
      );
      this.#publish((time) => ({
        put: tables.map((table) => withFreshIndexes(table, time)),
        moves: (before, after) => {
          const indexes = (of: Table): number[] =>
            [of.message.primaryIndex, ...of.message.indexes].map((index) => index?.id ?? 0);
          const fresh = indexes(after);
          return new Map(indexes(before).map((id, position) => [id, fresh[position] ?? 0]));
        },
      }));
    });
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
    if (change.dropped.tables.length + change.dropped.indexes.length > 0) collectGarbage(core);
  }

  /** Runs a change when those before it have ended, whatever became of them. */
  #turn<T>(run: (catalog: Catalog) => T | Promise<T>): Promise<T> {
    const turn = this.#last.then(() => run(this.#core.catalog.current()));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #edit(target: Table, edit: TableEdit): Promise<void> {
    return this.#turn((catalog) => {
      const table = requireTable(catalog, target);
      this.#publish((time) => ({ put: [edit(table, time)] }));
    });
  }

  /** One commit of new versions of descriptors, and of the zone configurations of indexes that moved or went. */
  #publish(
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
  async #backfilled(
    what: string,
    before: Table,
    edit: TableEdit,
    indexId: number,
    moves: ReadonlyMap<number, number>,
    options: BackfillOptions,
  ): Promise<void> {
    const core = this.#core;
    if (before.message.primaryIndex?.interleave?.ancestors?.length)
      throw new SpanvaultError(
        'SV_NOT_SUPPORTED',
        `${what} on the interleaved table ${before.name} is not supported yet`,
      );
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
      await core.store.syncAside();
      await core.recount([span]);
      const now = requireTable(core.catalog.current(), before);
      this.#publish((time) => ({ put: [edit(now, time)], moves: () => moves }), [closedJournal(id)]);
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
function requireTable(catalog: Catalog, target: Table): Table {
  const table = catalog.tableById(target.id);
  if (table === undefined || table.state !== 'public')
    throw new SpanvaultError('SV_UNDEFINED', `relation ${JSON.stringify(target.name)} does not exist`);
  assertUserObject(catalog, table, 'change');
  return table;
}

function assertNoDatabase(catalog: Catalog, name: string): void {
  if (catalog.database(name) !== undefined)
    throw new SpanvaultError('SV_EXISTS', `database ${JSON.stringify(name)} already exists`);
}

function assertNoRelation(catalog: Catalog, databaseId: number, schemaId: number, name: string): void {
  if (catalog.object(databaseId, schemaId, name) !== undefined)
    throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(name)} already exists`);
}

function hasRows(core: ClusterCore, catalog: Catalog, table: Table): boolean {
  const schema = tableSchema(catalog, table);
  const span = prefixSpan(indexPrefix(table.id, schema.primaryIndex.id));
  for (const rows of scanRows(core.store, schema, schema.primaryIndex, span, core.now()))
    if (rows.length > 0) return true;
  return false;
}
