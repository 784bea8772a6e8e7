import { randomBytes } from 'node:crypto';
import { SpanvaultError } from '../fault/index.js';
import { TickSequence, uniqueInt } from '../keys/index.js';
import {
  type ColumnSchema,
  type Datum,
  type Row as DatumRow,
  datumText,
  parseDatum,
  type TableSchema,
} from '../rows/index.js';
import { columnOrdinal } from './literals.js';

const ticks = new TickSequence();

/** What defaults are computed from. */
export interface DefaultContext {
  /** Nanoseconds since 1970 of the statement. */
  readonly wall: bigint;
  readonly node: number;
}

/** Builds rows of a table out of values of some of its columns; the other columns take their defaults. */
export class RowBuilder {
  readonly #schema: TableSchema;
  readonly #targets: readonly number[];
  readonly #named: boolean;
  readonly #context: DefaultContext;

  /**
   * `columns` null means every visible column in order.
   * @throws SpanvaultError SV_UNDEFINED, SV_USAGE, SV_NOT_SUPPORTED for tables with stored computed columns
   */
  constructor(schema: TableSchema, columns: readonly string[] | null, context: DefaultContext) {
    this.#schema = schema;
    this.#context = context;
    this.#named = columns !== null;
    this.#targets = columns?.map((name) => columnOrdinal(schema, name)) ?? visibleOrdinals(schema);
    if (new Set(this.#targets).size < this.#targets.length) {
      const twice = columns?.find((name, index) => columns.indexOf(name) !== index) ?? '';
      throw new SpanvaultError('SV_USAGE', `multiple assignments to the same column ${JSON.stringify(twice)}`);
    }
    const computed = schema.columns.find((column) => column.computeExpression !== '' && !column.virtual);
    if (computed !== undefined) {
      throw new SpanvaultError(
        'SV_NOT_SUPPORTED',
        `INSERT into table ${schema.name} is not supported yet: column ${computed.name} is computed`,
      );
    }
  }

  /** The columns that values are given for, in the order of the values. */
  get columns(): readonly ColumnSchema[] {
    return this.#targets.map((ordinal) => this.#schema.columns[ordinal]!);
  }

  /** @throws SpanvaultError SV_USAGE for too many or too few values, SV_NOT_SUPPORTED for defaults that are not computed here */
  build(values: readonly Datum[]): DatumRow {
    // Without a list of columns, the last ones may be left out.
    if (values.length > this.#targets.length || (values.length < this.#targets.length && this.#named)) {
      const more = values.length > this.#targets.length;
      throw new SpanvaultError(
        'SV_USAGE',
        `INSERT has ${more ? 'more expressions than target columns' : 'more target columns than expressions'}, ${values.length} expressions for ${this.#targets.length} targets`,
      );
    }
    const row: DatumRow = this.#schema.columns.map(() => null);
    const filled = new Set(this.#targets.slice(0, values.length));
    for (const [index, datum] of values.entries()) row[this.#targets[index]!] = datum;
    for (const [ordinal, column] of this.#schema.columns.entries()) {
      if (!filled.has(ordinal) && !column.virtual) row[ordinal] = defaultDatum(column, this.#context);
    }
    return row;
  }
}

/** Places of the columns that SELECT * shows. */
export function visibleOrdinals(schema: TableSchema): readonly number[] {
  return schema.columns.flatMap(({ hidden }, ordinal) => (hidden ? [] : [ordinal]));
}

/** A datum of one column as a value of another: itself where the types agree, else through its SQL text. */
export function convertDatum(datum: Datum, from: ColumnSchema, to: ColumnSchema): Datum {
  if (datum === null || (from.type.family === to.type.family && from.type.width === to.type.width)) return datum;
  return parseDatum(datumText(datum, from.type), to.type);
}

/** The value of a column that a row does not name. */
function defaultDatum(column: ColumnSchema, { wall, node }: DefaultContext): Datum {
  const expression = column.defaultExpression.trim();
  if (expression === '' || /^NULL\b/i.test(expression)) return null;
  if (/^unique_rowid\(\)/i.test(expression)) return uniqueInt(ticks.reserve(wall), node);
  if (/^gen_random_uuid\(\)/i.test(expression)) return { kind: 'uuid', bytes: randomUuid() };
  if (/^(now|current_timestamp|statement_timestamp|transaction_timestamp)\(\)/i.test(expression)) {
    return parseDatum(
      new Date(Number(wall / 1_000_000n)).toISOString().replace('T', ' ').replace('Z', '+00:00'),
      column.type,
    );
  }
  const quoted = /^[eb]?'((?:[^'\\]|'')*)'(?::::?[\w ()[\].,]+)*$/i.exec(expression);
  if (quoted !== null && !/^[eb]'/i.test(expression)) return parseDatum(quoted[1]!.replaceAll("''", "'"), column.type);
  const plain = /^\(?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false)\)?(?::::?[\w ()[\].,]+)*$/i.exec(expression);
  if (plain !== null) return parseDatum(plain[1]!, column.type);
  throw new SpanvaultError(
    'SV_NOT_SUPPORTED',
    `the default ${expression} of column ${JSON.stringify(column.name)} is not computed yet: give a value`,
  );
}

/** A random UUID of version 4. */
function randomUuid(): Uint8Array {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return new Uint8Array(bytes);
}
