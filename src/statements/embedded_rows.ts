import { type Table, tableSchema } from '../catalog/index.js';
import type { EmbeddedCluster } from '../cluster/index.js';
import { SpanvaultError } from '../fault/index.js';
import { type Datum, type Row as DatumRow, datumText, type TableSchema, TYPE_FAMILY } from '../rows/index.js';
import type { InsertSource, SelectRequest, TableRef } from './engine.js';
import { columnOrdinal, literalDatum, whereKey } from './literals.js';
import type { Column, Row } from './result.js';
import { convertDatum, RowBuilder, visibleOrdinals } from './row_builder.js';
import type { ColumnValue, Literal } from './statement.js';

/** Rows that one INSERT may hold in memory; more are a job for BACKUP and RESTORE. */
const INSERT_ROWS_MAX = 1_000_000;

const NUMERIC: ReadonlySet<number> = new Set([
  TYPE_FAMILY.int,
  TYPE_FAMILY.float,
  TYPE_FAMILY.decimal,
  TYPE_FAMILY.oid,
]);

/** SELECT, INSERT, UPDATE and DELETE on the embedded cluster: names and constants become datums, and back. */
export class EmbeddedRows {
  readonly #cluster: EmbeddedCluster;
  readonly #node: number;

  constructor(cluster: EmbeddedCluster, node: number) {
    this.#cluster = cluster;
    this.#node = node;
  }

  select(
    { name, currentDatabase }: TableRef,
    request: SelectRequest,
  ): { readonly columns: readonly Column[]; readonly rows: AsyncIterable<Row> } {
    const { schema, rows } = this.#read({ name, currentDatabase }, request);
    const shown = visibleOrdinals(schema).map((ordinal) => ({ ordinal, column: schema.columns[ordinal]! }));
    return {
      columns: shown.map(({ column }) => ({ name: column.name, numeric: NUMERIC.has(column.type.family) })),
      rows: mapRows(rows, (row) =>
        shown.map(({ ordinal, column }) => {
          const datum = row[ordinal] ?? null;
          return datum === null ? null : datumText(datum, column.type);
        }),
      ),
    };
  }

  /** Selected rows are built again when the table changed while they were read. */
  async insert(target: TableRef, columns: readonly string[] | null, source: InsertSource): Promise<number> {
    if (source.kind === 'values') {
      return this.#write(target, (table, schema) => {
        const builder = this.#builder(schema, columns);
        return this.#cluster.rows.insert(table, this.#valueRows(builder, source.tuples));
      });
    }
    for (;;) {
      const { table, schema } = this.#table(target, undefined);
      const rows = await this.#selectedRows(this.#builder(schema, columns), source);
      const count = await this.#write(target, (now) =>
        now.raw === table.raw ? this.#cluster.rows.insert(now, rows) : undefined,
      );
      if (count !== undefined) return count;
    }
  }

  upsert(
    target: TableRef,
    columns: readonly string[] | null,
    tuples: readonly (readonly Literal[])[],
  ): Promise<number> {
    return this.#write(target, (table, schema) => {
      const builder = this.#builder(schema, columns);
      const given = columns === null ? undefined : builder.ordinals;
      return this.#cluster.rows.upsert(table, this.#valueRows(builder, tuples), given);
    });
  }

  update(target: TableRef, set: readonly ColumnValue[], where: readonly ColumnValue[]): Promise<number> {
    return this.#write(target, (table, schema) => {
      const changes = new Map<string, Datum>();
      for (const { column, value } of set) {
        if (changes.has(column))
          throw new SpanvaultError('SV_USAGE', `multiple assignments to the same column ${JSON.stringify(column)}`);
        changes.set(column, literalDatum(value, schema.columns[columnOrdinal(schema, column)]!));
      }
      const key = whereKey(schema, where);
      return key === undefined ? 0 : this.#cluster.rows.update(table, key, changes);
    });
  }

  remove(target: TableRef, where: readonly ColumnValue[]): Promise<number> {
    return this.#write(target, (table, schema) => {
      const key = whereKey(schema, where);
      return key === undefined ? 0 : this.#cluster.rows.remove(table, key);
    });
  }

  /** Looks the table up and writes at once, as soon as no index of it is being filled. */
  async #write<T>(target: TableRef, write: (table: Table, schema: TableSchema) => T): Promise<T> {
    for (;;) {
      const { table, schema } = this.#table(target, undefined);
      if (this.#cluster.schema.isIdle(table.id)) return write(table, schema);
      await this.#cluster.schema.idle(table.id);
    }
  }

  #builder(schema: TableSchema, columns: readonly string[] | null): RowBuilder {
    return new RowBuilder(schema, columns, { wall: this.#cluster.now().wall, node: this.#node });
  }

  #table(
    { name, currentDatabase }: TableRef,
    asOf: SelectRequest['asOf'],
  ): { readonly table: Table; readonly schema: TableSchema } {
    const table = this.#cluster.table(name, currentDatabase, asOf);
    return { table, schema: tableSchema(this.#cluster.catalog(asOf), table) };
  }

  #read(
    target: TableRef,
    { asOf, where, limit }: SelectRequest,
  ): { readonly schema: TableSchema; readonly rows: AsyncIterable<DatumRow> } {
    const { table, schema } = this.#table(target, asOf);
    const key = where.length === 0 ? [] : whereKey(schema, where);
    if (key === undefined) return { schema, rows: noRows() };
    const rows = this.#cluster.rows.select(table, {
      ...(key.length === 0 ? {} : { key }),
      ...(limit === undefined ? {} : { limit }),
      ...(asOf === undefined ? {} : { asOf }),
    });
    return { schema, rows };
  }

  #valueRows(builder: RowBuilder, tuples: readonly (readonly Literal[])[]): DatumRow[] {
    return tuples.map((tuple) => {
      const values = tuple.map((literal, index) => {
        const column = builder.columns[index];
        return column === undefined ? null : literalDatum(literal, column);
      });
      return builder.build(values);
    });
  }

  async #selectedRows(builder: RowBuilder, source: InsertSource & { readonly kind: 'select' }): Promise<DatumRow[]> {
    const { schema, rows } = this.#read(source.table, source.request);
    const shown = visibleOrdinals(schema);
    const built: DatumRow[] = [];
    for await (const row of rows) {
      if (built.length >= INSERT_ROWS_MAX) {
        throw new SpanvaultError(
          'SV_LIMIT',
          `INSERT … SELECT of more than ${INSERT_ROWS_MAX} rows is beyond one statement`,
        );
      }
      const values = shown.map((ordinal, index) => {
        const to = builder.columns[index];
        const datum = row[ordinal] ?? null;
        return to === undefined ? datum : convertDatum(datum, schema.columns[ordinal]!, to);
      });
      built.push(builder.build(values));
    }
    return built;
  }
}

async function* mapRows(
  rows: AsyncIterable<DatumRow>,
  map: (row: DatumRow) => Row,
): AsyncGenerator<Row, void, undefined> {
  for await (const row of rows) yield map(row);
}

async function* noRows(): AsyncGenerator<DatumRow, void, undefined> {}
