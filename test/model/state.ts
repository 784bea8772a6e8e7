/*
 * The plain model that clusters are compared with: databases, tables, rows, as maps in memory.
 */

export interface ModelColumn {
  readonly name: string;
  readonly type: 'INT8' | 'STRING';
  /** What an absent value becomes. */
  readonly fill: string | null;
}

export interface ModelTable {
  readonly columns: readonly ModelColumn[];
  /** Names of the primary key's columns. */
  readonly key: readonly string[];
  readonly indexes: readonly string[];
  /** Row by the JSON of its key. */
  readonly rows: ReadonlyMap<string, readonly (string | null)[]>;
}

/** Tables by database and name. */
export type ModelState = ReadonlyMap<string, ReadonlyMap<string, ModelTable>>;

export const EMPTY_STATE: ModelState = new Map();

/** The state with one table put, or taken away. */
export function withTable(
  state: ModelState,
  database: string,
  name: string,
  table: ModelTable | undefined,
): ModelState {
  const tables = new Map(state.get(database));
  if (table === undefined) tables.delete(name);
  else tables.set(name, table);
  return new Map(state).set(database, tables);
}

export function withoutDatabase(state: ModelState, database: string): ModelState {
  const rest = new Map(state);
  rest.delete(database);
  return rest;
}

export function keyOf(table: ModelTable, row: readonly (string | null)[]): string {
  return JSON.stringify(table.key.map((name) => row[table.columns.findIndex((column) => column.name === name)]));
}

/** Rows as `SELECT *` prints them, sorted by text: order of keys is not the model's business. */
export function rowLines(table: ModelTable): string[] {
  return [...table.rows.values()].map((row) => row.map((cell) => cell ?? 'NULL').join('|')).sort();
}

/** `db.table` of every table. */
export function tableNames(state: ModelState): string[] {
  return [...state].flatMap(([database, tables]) => [...tables.keys()].map((name) => `${database}.${name}`)).sort();
}
