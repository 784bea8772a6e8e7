import {
  type Catalog,
  type Database,
  findTable,
  indexNames,
  isSequence,
  isView,
  type Table,
} from '../catalog/index.js';
import type { EmbeddedCluster } from '../cluster/index.js';
import { hasCode, SpanvaultError } from '../fault/index.js';
import { columnRequest, indexSpec, tableSpec } from './schema_specs.js';
import type { IndexRef, SchemaStatement } from './schema_statement.js';
import type { Name, StatementOf } from './statement.js';
import { printName } from './words.js';

/** A schema that a new object goes into, and the object's name in it. */
interface Place {
  readonly database: Database;
  readonly schemaId: number;
  readonly name: string;
}

/** Statements that change the schema, on the embedded cluster. Each gives the notices that CockroachDB gives. */
export class EmbeddedSchema {
  readonly #cluster: EmbeddedCluster;

  constructor(cluster: EmbeddedCluster) {
    this.#cluster = cluster;
  }

  async change(statement: SchemaStatement, currentDatabase: string): Promise<readonly string[]> {
    const { schema } = this.#cluster;
    switch (statement.kind) {
      case 'createTable':
        return this.#createTable(statement, currentDatabase);
      case 'createIndex':
        return this.#createIndex(statement, currentDatabase);
      case 'createSchema':
        return this.#createSchema(statement, currentDatabase);
      case 'dropIndexes':
        return this.#dropIndexes(statement, currentDatabase);
      case 'addColumns':
        return this.#addColumns(statement, currentDatabase);
      case 'truncate': {
        const tables = statement.tables.map((name) => this.#table(name, currentDatabase));
        await schema.truncate(tables, statement.behaviour);
        return [];
      }
      case 'renameDatabase':
        await schema.renameDatabase(statement.database, statement.to);
        return [];
      case 'renameIndex': {
        const found = this.#index(statement.index, statement.ifExists, currentDatabase);
        if (found !== undefined) await schema.renameIndex(found, statement.index.index, statement.to);
        return [];
      }
      default:
        return this.#alterTable(statement, currentDatabase);
    }
  }

  async #alterTable(
    statement: StatementOf<'renameTable' | 'renameColumn' | 'setSchema' | 'setExcluded'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    const { schema } = this.#cluster;
    const table = this.#tableIf(statement.table, statement.ifExists, currentDatabase);
    if (table === undefined) return [];
    if (statement.kind === 'renameColumn') await schema.renameColumn(table, statement.column, statement.to);
    else if (statement.kind === 'setExcluded') await schema.setExcluded(table, statement.excluded);
    else if (statement.kind === 'renameTable') return this.#renameTable(table, statement.to, currentDatabase);
    else {
      const entry = this.#catalog.schema(table.parentId, statement.schema);
      if (entry === undefined)
        throw new SpanvaultError('SV_UNDEFINED', `unknown schema ${JSON.stringify(statement.schema)}`);
      if (entry.id !== table.parentSchemaId) await schema.moveTable(table, { schemaId: entry.id });
    }
    return [];
  }

  async #createTable(
    { table, elements, ifNotExists, excludeDataFromBackup = false }: StatementOf<'createTable'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    const { database, schemaId, name } = this.#place(table, currentDatabase);
    if (ifNotExists && this.#catalog.object(database.id, schemaId, name) !== undefined)
      return [`relation ${JSON.stringify(name)} already exists, skipping`];
    await this.#cluster.schema.createTables(database, schemaId, [
      { ...tableSpec(name, elements), excludeDataFromBackup },
    ]);
    return [];
  }

  async #createSchema(
    { schema, ifNotExists }: StatementOf<'createSchema'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    const [database, name] = schema.length === 1 ? [currentDatabase, schema[0]!] : [schema[0]!, schema[1]!];
    if (schema.length > 2) throw new SpanvaultError('SV_USAGE', `${printName(schema)} is no name of a schema`);
    try {
      await this.#cluster.schema.createSchema(database, name);
      return [];
    } catch (error) {
      if (ifNotExists && hasCode(error, 'SV_EXISTS'))
        return [`schema ${JSON.stringify(name)} already exists, skipping`];
      throw error;
    }
  }

  async #createIndex(
    { table: name, index, ifNotExists }: StatementOf<'createIndex'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    const table = this.#table(name, currentDatabase);
    if (ifNotExists && index.name !== null && indexNames(table).has(index.name))
      return [`index ${JSON.stringify(index.name)} already exists, skipping`];
    await this.#cluster.schema.createIndex(table, (current) => indexSpec(index, current));
    const partitioned = (table.message.primaryIndex?.partitioning?.numColumns ?? 0) > 0;
    return partitioned ? ['creating non-partitioned index on partitioned table may not be performant'] : [];
  }

  async #dropIndexes(
    { indexes, ifExists, behaviour }: StatementOf<'dropIndexes'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    for (const ref of indexes) {
      const table = this.#index(ref, ifExists, currentDatabase);
      if (table !== undefined) await this.#cluster.schema.dropIndex(table, ref.index, behaviour);
    }
    return ['the data for dropped indexes is reclaimed asynchronously'];
  }

  async #addColumns(
    { table: name, ifExists, columns }: StatementOf<'addColumns'>,
    currentDatabase: string,
  ): Promise<readonly string[]> {
    const table = this.#tableIf(name, ifExists, currentDatabase);
    if (table === undefined) return [];
    const known = new Set(table.message.columns.map((column) => column.name));
    const skipped = columns.filter(({ ifNotExists, column }) => ifNotExists && known.has(column.name));
    const wanted = columns.filter((column) => !skipped.includes(column)).map(({ column }) => columnRequest(column));
    for (const { spec, primaryKey, unique } of wanted) {
      if (primaryKey)
        throw new SpanvaultError(
          'SV_USAGE',
          `multiple primary keys for table ${JSON.stringify(table.name)} are not allowed`,
        );
      if (unique)
        throw new SpanvaultError(
          'SV_NOT_SUPPORTED',
          `ADD COLUMN ${printName([spec.name])} … UNIQUE is not supported yet`,
          {
            hint: 'add the column first, then CREATE UNIQUE INDEX',
          },
        );
    }
    if (wanted.length > 0) await this.#cluster.schema.addColumns(table, wanted);
    return skipped.map(
      ({ column }) =>
        `column ${JSON.stringify(column.name)} of relation ${JSON.stringify(table.name)} already exists, skipping`,
    );
  }

  /** An unqualified name stays where the table is. */
  async #renameTable(table: Table, to: Name, currentDatabase: string): Promise<readonly string[]> {
    if (to.length === 1) {
      await this.#cluster.schema.moveTable(table, { name: to[0]! });
      return [];
    }
    const { database, schemaId, name } = this.#place(to, currentDatabase);
    if (database.id === table.parentId && schemaId !== table.parentSchemaId) {
      throw new SpanvaultError('SV_USAGE', 'cannot change schema of table with RENAME', {
        hint: 'use ALTER TABLE ... SET SCHEMA instead',
      });
    }
    await this.#cluster.schema.moveTable(table, { name, databaseId: database.id, schemaId });
    return ['renaming tables with a qualification is deprecated'];
  }

  get #catalog(): Catalog {
    return this.#cluster.catalog();
  }

  /** Where a new object of that name goes: `t`, `schema.t`, `db.t` or `db.schema.t`. */
  #place(parts: Name, currentDatabase: string): Place {
    const catalog = this.#catalog;
    const current = catalog.database(currentDatabase);
    const [first, second, third] = parts;
    const missing = (): SpanvaultError =>
      new SpanvaultError(
        'SV_UNDEFINED',
        `cannot create ${JSON.stringify(parts.join('.'))} because the target database or schema does not exist`,
        { hint: 'verify that the current database and search_path are valid and/or the target database exists' },
      );
    const inSchema = (database: Database | undefined, schema: string, name: string): Place => {
      const entry = database === undefined ? undefined : catalog.schema(database.id, schema);
      if (database === undefined || entry === undefined) throw missing();
      return { database, schemaId: entry.id, name };
    };
    if (second === undefined) return inSchema(current, 'public', first!);
    if (third !== undefined) return inSchema(catalog.database(first!), second, third);
    if (current !== undefined && catalog.schema(current.id, first!) !== undefined)
      return inSchema(current, first!, second);
    return inSchema(catalog.database(first!), 'public', second);
  }

  /** @throws SpanvaultError SV_UNDEFINED, SV_USAGE for a view or sequence */
  #table(name: Name, currentDatabase: string): Table {
    const table = this.#cluster.table(name, currentDatabase);
    if (isView(table) || isSequence(table))
      throw new SpanvaultError('SV_USAGE', `${JSON.stringify(table.name)} is not a table`);
    return table;
  }

  #tableIf(name: Name, ifExists: boolean, currentDatabase: string): Table | undefined {
    if (ifExists && findTable(this.#catalog, name, currentDatabase) === undefined) return undefined;
    return this.#table(name, currentDatabase);
  }

  /** The table of an index; undefined when there is none and `ifExists`. */
  #index({ table: name, index }: IndexRef, ifExists: boolean, currentDatabase: string): Table | undefined {
    const absent = (): undefined => {
      if (ifExists) return undefined;
      throw new SpanvaultError('SV_UNDEFINED', `index ${JSON.stringify(index)} does not exist`);
    };
    if (name !== null) {
      const table = this.#tableIf(name, ifExists, currentDatabase);
      if (table === undefined) return undefined;
      return indexNames(table).has(index) ? table : absent();
    }
    const database = this.#catalog.requireDatabase(currentDatabase);
    const having = this.#catalog.tables(database.id).filter((table) => indexNames(table).has(index));
    if (having.length > 1) {
      const names = having.map((table) => `${table.name}@${index}`).join(', ');
      throw new SpanvaultError('SV_USAGE', `index name ${JSON.stringify(index)} is ambiguous (found in ${names})`);
    }
    return having[0] ?? absent();
  }
}
