import { SpanvaultError } from '../fault/index.js';
import {
  type ColumnType,
  constantText,
  type Datum,
  parseDatum,
  TYPE_FAMILY,
  typeName,
  typeWord,
  unboundedType,
} from '../rows/index.js';
import { acceptsConstant, constantType } from './literals.js';
import { printLiteral } from './print_literal.js';
import type { DefaultExpression } from './schema_statement.js';
import { printString } from './words.js';

interface DefaultFunction {
  /** Families of the columns that it fits. */
  readonly families: readonly number[];
  /** Its own type, in messages. */
  readonly type: string;
  /** True when the text says which of its types is meant. */
  readonly annotated: boolean;
}

const CLOCK: DefaultFunction = {
  families: [TYPE_FAMILY.timestamptz, TYPE_FAMILY.timestamp],
  type: 'timestamptz',
  annotated: true,
};

/** Functions that a DEFAULT may call. */
const FUNCTIONS: ReadonlyMap<string, DefaultFunction> = new Map([
  ['now', CLOCK],
  ['current_timestamp', CLOCK],
  ['statement_timestamp', CLOCK],
  ['transaction_timestamp', CLOCK],
  ['unique_rowid', { families: [TYPE_FAMILY.int], type: 'int', annotated: false }],
  ['gen_random_uuid', { families: [TYPE_FAMILY.uuid], type: 'uuid', annotated: false }],
]);

/**
 * A DEFAULT as 21.1 stores it: every constant with its type. Undefined for NULL, which is no default.
 * @throws SpanvaultError SV_USAGE when it is of another type than the column, SV_NOT_SUPPORTED for other functions
 */
export function defaultText(value: DefaultExpression, type: ColumnType): string | undefined {
  if (value.kind === 'null') return undefined;
  const unbounded = unboundedType(type);
  if (value.kind === 'call') return callText(value.name, type, unbounded);
  if (value.kind !== 'array') return constantText(constant(value, unbounded), unbounded);
  if (unbounded.arrayContents === undefined) throw mismatch(value, type, 'an array');
  const elements = value.elements.map((one) =>
    constantText(constant(one, unbounded.arrayContents!), unbounded.arrayContents!),
  );
  return constantText({ kind: 'array', elements: [] }, unbounded).replace('[]', () => `[${elements.join(', ')}]`);
}

function callText(name: string, type: ColumnType, unbounded: ColumnType): string {
  const known = FUNCTIONS.get(name);
  if (known === undefined) throw new SpanvaultError('SV_NOT_SUPPORTED', `DEFAULT ${name}() is not supported yet`);
  if (!known.families.includes(type.family)) throw mismatch({ kind: 'call', name }, type, known.type);
  return known.annotated ? `${name}():::${typeName(unbounded)}` : `${name}()`;
}

function constant(value: DefaultExpression, type: ColumnType): Datum {
  switch (value.kind) {
    case 'null':
      return null;
    case 'string':
      return parseDatum(value.value, type);
    case 'bits':
      if (type.family !== TYPE_FAMILY.bit) throw mismatch(value, type, 'varbit');
      return parseDatum(value.bits, type);
    case 'call':
    case 'array':
      throw new SpanvaultError(
        'SV_NOT_SUPPORTED',
        'DEFAULT of an array of anything but constants is not supported yet',
      );
    default:
      if (!acceptsConstant(value, type.family)) throw mismatch(value, type, constantType(value));
      if (value.kind === 'bytes') return Uint8Array.from(Buffer.from(value.hex, 'hex'));
      return parseDatum(value.kind === 'bool' ? String(value.value) : value.text, type);
  }
}

function mismatch(value: DefaultExpression, type: ColumnType, found: string): SpanvaultError {
  const text =
    value.kind === 'bits'
      ? `B'${value.bits}'`
      : value.kind === 'call'
        ? `${value.name}()`
        : value.kind === 'array'
          ? 'ARRAY[…]'
          : printLiteral(value);
  return new SpanvaultError(
    'SV_USAGE',
    `expected DEFAULT expression to have type ${typeWord(type)}, but ${printString(text)} has type ${found}`,
  );
}
