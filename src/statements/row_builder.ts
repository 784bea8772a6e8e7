import { SpanvaultError } from '../fault/index.js';
import {
  type ColumnSchema,
  type Datum,
  type Row as DatumRow,
  type DefaultContext,
  datumText,
  defaultDatum,
  parseDatum,
  type TableSchema,
} from '../rows/index.js';
import { columnOrdinal } from './literals.js';

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

  /** Places in a row of the columns that values are given for. */
  get ordinals(): readonly number[] {
    return this.#targets;
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
