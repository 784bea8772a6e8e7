/** One cell as SQL prints it; null is NULL. */
export type Cell = string | null;
export type Row = readonly Cell[];

/** A result column; `numeric` ones align right. */
export interface Column {
  readonly name: string;
  readonly numeric?: boolean;
}

/** What a statement returns. */
export interface Result {
  /** Empty for statements that return no rows. */
  readonly columns: readonly Column[];
  /** Rows in order; an AsyncIterable is read once, and reading it may throw. */
  readonly rows: readonly Row[] | AsyncIterable<Row>;
  /** What a client prints when there are no columns: `CONFIGURE ZONE 1`, `INSERT 0 3`. */
  readonly tag: string;
  /** Sentences that the user should read: warnings of a restore, data that left its locality. */
  readonly notices: readonly string[];
}

/** A result with rows. */
export function rowsResult(
  tag: string,
  columns: readonly Column[],
  rows: Result['rows'],
  notices: readonly string[] = [],
): Result {
  return { columns, rows, tag, notices };
}

/** A result without rows. */
export function tagResult(tag: string, notices: readonly string[] = []): Result {
  return { columns: [], rows: [], tag, notices };
}

/** Text columns by name; a name with a trailing `#` is numeric. */
export function columns(...names: readonly string[]): readonly Column[] {
  return names.map((name) => (name.endsWith('#') ? { name: name.slice(0, -1), numeric: true } : { name }));
}

/** A number as a cell. */
export function numberCell(value: number | bigint | null | undefined): Cell {
  return value === null || value === undefined ? null : String(value);
}
