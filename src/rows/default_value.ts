import { randomBytes } from 'node:crypto';
import { SpanvaultError } from '../fault/index.js';
import { TickSequence, uniqueInt } from '../keys/index.js';
import { readConstant } from './constant_text.js';
import type { Datum } from './datum.js';
import { parseDatum } from './parse.js';
import type { ColumnSchema } from './schema.js';

const ticks = new TickSequence();

/** What defaults are computed from. */
export interface DefaultContext {
  /** Nanoseconds since 1970 of the statement. */
  readonly wall: bigint;
  readonly node: number;
}

/**
 * The value of a column that a row does not name.
 * @throws SpanvaultError SV_NOT_SUPPORTED for a default that is not computed here, SV_CONSTRAINT when it does not fit the type
 */
export function defaultDatum(column: ColumnSchema, { wall, node }: DefaultContext): Datum {
  const expression = column.defaultExpression.trim();
  if (expression === '') return null;
  if (/^unique_rowid\(\)/i.test(expression)) return uniqueInt(ticks.reserve(wall), node);
  if (/^gen_random_uuid\(\)/i.test(expression)) return { kind: 'uuid', bytes: randomUuid() };
  if (/^(now|current_timestamp|statement_timestamp|transaction_timestamp)\(\)/i.test(expression)) {
    const now = new Date(Number(wall / 1_000_000n)).toISOString().replace('T', ' ').replace('Z', '+00:00');
    return parseDatum(now, column.type);
  }
  const constant = readConstant(expression, column.type);
  if (constant !== undefined) return constant;
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
