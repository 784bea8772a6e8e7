import {
  buildDatabase,
  buildSchema,
  buildTables,
  type Catalog,
  type ColumnSpec,
  type Database,
  type FamilyChoice,
  type IndexSpec,
  indexPrefix,
  moved,
  prefixSpan,
  type Table,
  type TableSpec,
  tableSchema,
  withColumns,
  withDatabaseName,
  withExcluded,
  withFreshIndexes,
  withIndex,
  withoutIndex,
  withRenamedColumn,
  withRenamedIndex,
  withSchema,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import type { BackfillOptions } from './backfill.js';
import { type CatalogChanges, requireTable, type TableEdit } from './catalog_changes.js';
import { assertUserObject, type DropBehaviour } from './catalog_store.js';
import type { ClusterCore } from './core.js';
import { scanRows } from './row_scan.js';
import { assertMovable, assertNotInterleaved, assertNoViews, referencingTables } from './table_relations.js';

/** Where a table goes; what is left out stays. */
export interface TableMove {
  readonly name?: string | undefined;
  readonly databaseId?: number | undefined;
  readonly schemaId?: number | undefined;
}

/** Statements of the schema: what each checks, and which new versions of descriptors it makes. */
export class SchemaChanges {
  readonly #core: ClusterCore;
  readonly #changes: CatalogChanges;

  constructor(core: ClusterCore, changes: CatalogChanges) {
    this.#core = core;
    this.#changes = changes;
  }

  /** True while the rows of a table may be written: no index of it is being filled. */
  isIdle(tableId: number): boolean {
    return this.#changes.isIdle(tableId);
  }

  /** Resolves when the rows of a table may be written, until another change begins: ask isIdle before the write. */
  idle(tableId: number): Promise<void> {
    return this.#changes.idle(tableId);
  }

  /** @throws SpanvaultError SV_EXISTS `database "x" already exists` */
  createDatabase(name: string): Promise<void> {
    return this.#changes.turn((catalog) => {
      assertNoDatabase(catalog, name);
      this.#changes.publish((time) => ({ put: [buildDatabase(name, this.#core.catalog.nextId(), time)] }));
    });
  }

  /** @throws SpanvaultError SV_EXISTS, SV_UNDEFINED */
  renameDatabase(from: string, to: string): Promise<void> {
    return this.#changes.turn((catalog) => {
      const database = catalog.requireDatabase(from);
      assertUserObject(catalog, database, 'rename');
      if (from === to) return;
      assertNoDatabase(catalog, to);
      for (const table of catalog.tables(database.id)) assertNoViews(catalog, table, 'database');
      this.#changes.publish((time) => ({ put: [withDatabaseName(database, to, time)] }));
    });
  }

  dropDatabase(name: string, behaviour: DropBehaviour): Promise<void> {
    return this.#changes.turn((catalog) => {
      const database = catalog.requireDatabase(name);
      const time = this.#core.now();
      this.#changes.apply(this.#core.catalog.dropDatabase(database, behaviour, time), time);
    });
  }

  /** @throws SpanvaultError SV_EXISTS `schema "s" already exists`, SV_UNDEFINED */
  createSchema(databaseName: string, name: string): Promise<void> {
    return this.#changes.turn((catalog) => {
      const database = catalog.requireDatabase(databaseName);
      assertUserObject(catalog, database, 'change');
      if (/^(pg_|crdb_internal$|information_schema$)/.test(name))
        throw new SpanvaultError('SV_USAGE', `unacceptable schema name ${JSON.stringify(name)}`);
      if (catalog.schema(database.id, name) !== undefined)
        throw new SpanvaultError('SV_EXISTS', `schema ${JSON.stringify(name)} already exists`);
      const id = this.#core.catalog.nextId();
      this.#changes.publish((time) => ({
        put: [buildSchema(name, id, database.id, time), withSchema(database, name, id, time)],
      }));
    });
  }

  /** Creates tables that may refer to each other. @throws SpanvaultError SV_EXISTS `relation "t" already exists` */
  createTables(database: Database, schemaId: number, specs: readonly TableSpec[]): Promise<number[]> {
    return this.#changes.turn((catalog) => {
      const parent = catalog.databaseById(database.id) ?? catalog.requireDatabase(database.name);
      assertUserObject(catalog, parent, 'change');
      const firstId = this.#core.catalog.nextId();
      for (const { name } of specs) assertNoRelation(catalog, parent.id, schemaId, name);
      this.#changes.publish((time) => ({
        put: buildTables(specs, firstId, { databaseId: parent.id, schemaId, time }),
      }));
      return specs.map((_, index) => firstId + index);
    });
  }

  dropTables(tables: readonly Table[], behaviour: DropBehaviour): Promise<void> {
    return this.#changes.turn(() => {
      const time = this.#core.now();
      this.#changes.apply(this.#core.catalog.dropTables(tables, behaviour, time), time);
    });
  }

  /** Gives a table another name, schema or database. @throws SpanvaultError SV_EXISTS, SV_CONSTRAINT with CockroachDB's texts */
  moveTable(target: Table, to: TableMove): Promise<void> {
    return this.#changes.turn((catalog) => {
      const table = requireTable(catalog, target);
      assertNoViews(catalog, table, to.name === undefined ? 'schema' : 'table');
      const databaseId = to.databaseId ?? table.parentId;
      const schemaId = to.schemaId ?? table.parentSchemaId;
      const name = to.name ?? table.name;
      if (databaseId !== table.parentId) assertMovable(catalog, table, databaseId, schemaId);
      if (databaseId === table.parentId && schemaId === table.parentSchemaId && name === table.name) return;
      assertNoRelation(catalog, databaseId, schemaId, name);
      this.#changes.publish((time) => ({ put: [moved(table, to, time)] }));
    });
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_EXISTS, SV_CONSTRAINT */
  renameColumn(target: Table, from: string, to: string): Promise<void> {
    return this.#edit(target, (table, time) => withRenamedColumn(table, from, to, time));
  }

  /** Whether backups leave the rows of a table out. @throws SpanvaultError SV_CONSTRAINT when foreign keys of others need them */
  setExcluded(target: Table, excluded: boolean): Promise<void> {
    return this.#edit(target, (table, time) => withExcluded(table, excluded, time));
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
    return this.#changes.turn(async (catalog) => {
      const table = requireTable(catalog, target);
      const spec = specOf(table);
      const edit: TableEdit = (before, time) => withIndex(before, spec, time);
      await this.#changes.backfilled('CREATE INDEX', table, edit, table.message.nextIndexId, new Map(), options);
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
    return this.#changes.turn(async (catalog) => {
      const table = requireTable(catalog, target);
      const filled = columns.some(({ spec }) => spec.default !== undefined || spec.nullable === false);
      const rewrite = filled && hasRows(this.#core, catalog, table);
      const edit: TableEdit = (before, time) => withColumns(before, columns, rewrite, time);
      if (!rewrite) return this.#changes.publish((time) => ({ put: [edit(table, time)] }));
      const to = table.message.nextIndexId;
      const moves = new Map([[table.message.primaryIndex?.id ?? 0, to]]);
      await this.#changes.backfilled('ADD COLUMN', table, edit, to, moves, options);
    });
  }

  /** Empties tables. @throws SpanvaultError SV_CONSTRAINT when others refer to one and `behaviour` is not 'cascade' */
  truncate(targets: readonly Table[], behaviour: DropBehaviour): Promise<void> {
    return this.#changes.turn((catalog) => {
      const tables = referencingTables(
        catalog,
        targets.map((target) => requireTable(catalog, target)),
        behaviour === 'cascade',
      );
      for (const table of tables) assertNotInterleaved(catalog, table, 'TRUNCATE');
      this.#changes.publish((time) => ({
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

  #edit(target: Table, edit: TableEdit): Promise<void> {
    return this.#changes.turn((catalog) => {
      const table = requireTable(catalog, target);
      this.#changes.publish((time) => ({ put: [edit(table, time)] }));
    });
  }
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
