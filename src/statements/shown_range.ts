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

/** `/"amsterdam"/1`: the key's columns as SQL prints them; what does not decode is printed as bytes. */
function printIndexKey(
  key: Uint8Array,
  prefix: Uint8Array,
  schema: TableSchema,
  index: IndexSchema | undefined,
): string {
  if (index === undefined || !hasPrefix(key, prefix)) return `/${printKey(key)}`;
  const reader = new ByteReader(key);
  reader.seek(prefix.length, key.length);
  let text = '';
  try {
    for (const [at, id] of index.keyColumnIds.entries()) {
      if (reader.pos >= key.length) break;
      const column = schema.columns.find((one) => one.id === id);
      if (column === undefined) break;
      text += `/${keyText(readKeyDatum(reader, column.type, index.keyDirections[at] ?? 'asc'), column)}`;
    }
  } catch (error) {
    // A range may be cut between two keys, at bytes that are no whole value.
    if (!isSpanvaultError(error)) throw error;
    return `${text}/${printKey(key.subarray(reader.pos))}`;
  }
  return text;
}

function keyText(datum: Datum, column: ColumnSchema): string {
  if (datum === null) return 'NULL';
  return typeof datum === 'string' ? JSON.stringify(datum) : datumText(datum, column.type);
}
