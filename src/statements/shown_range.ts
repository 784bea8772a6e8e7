import { dataIndexes, indexKeyPrefix, prefixSpan, type Table, tableSchema } from '../catalog/index.js';
import type { EmbeddedCluster } from '../cluster/index.js';
import { isSpanvaultError, SpanvaultError } from '../fault/index.js';
import { compareBytes, hasPrefix, intersectSpans, printKey, printLocality, type Span } from '../keys/index.js';
import { ByteReader } from '../rows/byte_reader.js';
import { type ColumnSchema, type Datum, datumText, type IndexSchema, type TableSchema } from '../rows/index.js';
import { readKeyDatum } from '../rows/key_codec.js';
import type { ShownRange } from './engine.js';

/**
 * The ranges of one index of a table, or of all its data; keys are printed relative to the index, null at its edges.
 * @throws SpanvaultError SV_UNDEFINED
 */
export function shownRanges(
  cluster: EmbeddedCluster,
  table: Table,
  indexName: string | undefined,
): readonly ShownRange[] {
  const index = dataIndexes(table).find(
    ({ index: one }) => one.name === (indexName ?? table.message.primaryIndex?.name),
  )?.index;
  if (index === undefined)
    throw new SpanvaultError('SV_UNDEFINED', `index ${JSON.stringify(indexName ?? 'primary')} does not exist`);
  const schema = tableSchema(cluster.catalog(), table);
  const indexSchema = [schema.primaryIndex, ...schema.indexes].find(({ id }) => id === index.id);
  const prefix = indexKeyPrefix(table.id, index);
  const span = prefixSpan(prefix);
  const localities = new Map(cluster.nodes().map(({ nodeId, locality }) => [nodeId, printLocality(locality)]));
  return cluster.ranges([span]).map((range) => {
    const own: Span = intersectSpans(range.span, span) ?? span;
    const edge = (key: Uint8Array, limit: Uint8Array): string | null =>
      compareBytes(key, limit) === 0 ? null : printIndexKey(key, prefix, schema, indexSchema);
    return {
      startKey: edge(own.key, span.key),
      endKey: edge(own.endKey, span.endKey),
      rangeId: range.rangeId,
      bytes: range.approximateBytes,
      leaseholder: range.leaseholder,
      leaseholderLocality: localities.get(range.leaseholder) ?? '',
      replicas: range.replicas,
      replicaLocalities: range.replicas.map((id) => localities.get(id) ?? ''),
    };
  });
}

/**
 * A key as CockroachDB prints it: `/"amsterdam"/1`, `/"amsterdam"/PrefixEnd` for the key behind all that begin so; what is
 * neither is printed as bytes.
 */
function printIndexKey(
  key: Uint8Array,
  prefix: Uint8Array,
  schema: TableSchema,
  index: IndexSchema | undefined,
): string {
  if (index === undefined || !hasPrefix(key, prefix)) return `/${printKey(key)}`;
  const last = key.at(-1) ?? 0;
  const before = Uint8Array.from(key);
  before[before.length - 1] = Math.max(0, last - 1);
  const inner = last === 0 ? undefined : keyColumns(before, prefix, schema, index);
  return keyColumns(key, prefix, schema, index) ?? (inner === undefined ? `/${printKey(key)}` : `${inner}/PrefixEnd`);
}

/** The columns of a key, or undefined when its bytes are no whole values of them. */
function keyColumns(key: Uint8Array, prefix: Uint8Array, schema: TableSchema, index: IndexSchema): string | undefined {
  const reader = new ByteReader(key);
  reader.seek(prefix.length, key.length);
  let text = '';
  try {
    for (const [at, id] of index.keyColumnIds.entries()) {
      const column = schema.columns.find((one) => one.id === id);
      if (column === undefined || reader.pos >= key.length) break;
      text += `/${keyText(readKeyDatum(reader, column.type, index.keyDirections[at] ?? 'asc'), column)}`;
    }
  } catch (error) {
    if (!isSpanvaultError(error)) throw error;
    return undefined;
  }
  return reader.pos === key.length ? text : undefined;
}

function keyText(datum: Datum, column: ColumnSchema): string {
  if (datum === null) return 'NULL';
  return typeof datum === 'string' ? JSON.stringify(datum) : datumText(datum, column.type);
}
