import { SpanvaultError } from '../fault/index.js';
import { compareSpans, concatBytes, prefixEnd, type Span, subtractSpans } from '../keys/index.js';
import { ByteReader } from '../rows/byte_reader.js';
import { ByteWriter } from '../rows/byte_writer.js';
import type { Datum } from '../rows/datum.js';
import { writeKeyDatum } from '../rows/key_codec.js';
import type { ColumnType, KeyDirection } from '../rows/schema.js';
import { readPayload, writeColumnValue } from '../rows/value_codec.js';
import { COLUMN_TAG, readValueTag, writeValueTag } from '../rows/value_tag.js';
import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import type { IndexDescriptor, PartitioningDescriptor } from './generated/descriptors.js';
import { columnType } from './rows_schema.js';
import { indexKeyPrefix } from './spans.js';

/** One value of a partition's tuple; the special ones are DEFAULT, MINVALUE and MAXVALUE. */
export type PartitionValue = { readonly datum: Datum } | { readonly special: 'default' | 'minvalue' | 'maxvalue' };

/** Keys of one partition. A partition may have many spans; a more specific one wins where two overlap. */
export interface PartitionSpans {
  readonly name: string;
  /** 1 for a partition of the index, 2 for a subpartition, and so on. */
  readonly depth: number;
  /** Sorted and disjoint, and disjoint from those of every other partition of the same depth. */
  readonly spans: readonly Span[];
}

/** NOT NULL followed by one of these stands for a special value. */
const SPECIALS = ['default', 'maxvalue', 'minvalue'] as const;

/** Encodes a tuple as PartitioningDescriptor holds it: value-tagged datums without column ids. */
export function encodePartitionTuple(values: readonly PartitionValue[], types: readonly ColumnType[]): Uint8Array {
  const writer = new ByteWriter(64);
  values.forEach((value, index) => {
    if ('special' in value) {
      writeValueTag(writer, 0, COLUMN_TAG.notNull);
      writer.nsu(SPECIALS.indexOf(value.special));
      return;
    }
    const type = types[index];
    if (type === undefined)
      throw new SpanvaultError(
        'SV_INTERNAL',
        `a partition tuple has ${values.length} values for ${types.length} columns`,
      );
    writeColumnValue(writer, 0, value.datum, type);
  });
  return writer.finish();
}

/** Inverse of encodePartitionTuple. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodePartitionTuple(bytes: Uint8Array, types: readonly ColumnType[]): PartitionValue[] {
  const reader = new ByteReader(bytes);
  return types.map((type) => {
    const { type: tag } = readValueTag(reader);
    if (tag !== COLUMN_TAG.notNull) return { datum: readPayload(reader, tag, type) };
    const special = SPECIALS[reader.nsu()];
    if (special === undefined)
      throw new SpanvaultError('SV_CORRUPT_VALUE', 'a partition value is of an unknown special kind');
    return { special };
  });
}

interface KeyColumn {
  readonly type: ColumnType;
  readonly direction: KeyDirection;
}

function keyColumns(catalog: Catalog, table: Table, index: IndexDescriptor.$Properties): KeyColumn[] {
  return (index.keyColumnIds ?? []).map((id, position) => {
    const column = table.message.columns.find((one) => one.id === id);
    if (column === undefined)
      throw new SpanvaultError(
        'SV_CORRUPT_MANIFEST',
        `index ${index.name} of table ${table.name} has the unknown column ${id}`,
      );
    return {
      type: columnType(catalog, column.type ?? {}),
      direction: (index.keyColumnDirections ?? [])[position] === 1 ? 'desc' : 'asc',
    };
  });
}

/** Key bytes of the leading datums of a tuple, and the first special value after them. */
function tupleKey(
  values: readonly PartitionValue[],
  columns: readonly KeyColumn[],
): { key: Uint8Array; special: string | undefined; datums: number } {
  const writer = new ByteWriter(64);
  let datums = 0;
  for (const [position, value] of values.entries()) {
    const column = columns[position];
    if (column === undefined) break;
    if ('special' in value) return { key: writer.finish(), special: value.special, datums };
    writeKeyDatum(writer, value.datum, column.type, column.direction);
    datums++;
  }
  return { key: writer.finish(), special: undefined, datums };
}

interface Candidate {
  readonly name: string;
  readonly depth: number;
  /** Number of datums of the tuple: within one partitioning the more there are, the more specific it is. */
  readonly datums: number;
  readonly span: Span;
}

function rangeBound(prefix: Uint8Array, bytes: Uint8Array, columns: readonly KeyColumn[]): Uint8Array {
  const { key, special } = tupleKey(
    decodePartitionTuple(
      bytes,
      columns.map(({ type }) => type),
    ),
    columns,
  );
  const bound = concatBytes(prefix, key);
  // MINVALUE sorts before every key with these leading values, MAXVALUE after every one.
  return special === 'maxvalue' ? prefixEnd(bound) : bound;
}

function collect(
  partitioning: PartitioningDescriptor.$Properties | null | undefined,
  prefix: Uint8Array,
  columns: readonly KeyColumn[],
  depth: number,
): Candidate[] {
  const width = partitioning?.numColumns ?? 0;
  if (partitioning === null || partitioning === undefined || width === 0) return [];
  const own = columns.slice(0, width);
  const types = own.map(({ type }) => type);
  const found: Candidate[] = [];
  for (const list of partitioning.list ?? []) {
    for (const bytes of list.values ?? []) {
      const { key, datums } = tupleKey(decodePartitionTuple(bytes, types), own);
      const start = concatBytes(prefix, key);
      found.push({ name: list.name ?? '', depth, datums, span: { key: start, endKey: prefixEnd(start) } });
      found.push(...collect(list.subpartitioning, start, columns.slice(width), depth + 1));
    }
  }
  for (const range of partitioning.range ?? []) {
    const span = {
      key: rangeBound(prefix, range.fromInclusive ?? new Uint8Array(0), own),
      endKey: rangeBound(prefix, range.toExclusive ?? new Uint8Array(0), own),
    };
    found.push({ name: range.name ?? '', depth, datums: width, span });
  }
  return found;
}

/**
 * The keys of every partition of an index, subpartitions included. Spans of one depth are disjoint; those of a deeper
 * one lie inside those of their parent. Names come in the order of the descriptor. Empty when there is no partitioning.
 */
export function partitionSpans(catalog: Catalog, table: Table, index: IndexDescriptor.$Properties): PartitionSpans[] {
  if ((index.partitioning?.numColumns ?? 0) === 0) return [];
  const candidates = collect(index.partitioning, indexKeyPrefix(table.id, index), keyColumns(catalog, table, index), 1);
  const byName = new Map<string, { depth: number; spans: Span[] }>();
  for (const candidate of candidates) {
    // DEFAULT covers what no other tuple of the same partitioning names.
    const moreSpecific = candidates.filter(
      ({ depth, datums }) => depth === candidate.depth && datums > candidate.datums,
    );
    const spans = subtractSpans(
      [candidate.span],
      moreSpecific.map(({ span }) => span),
    );
    const entry = byName.get(candidate.name) ?? { depth: candidate.depth, spans: [] };
    entry.spans.push(...spans);
    byName.set(candidate.name, entry);
  }
  return [...byName].map(([name, { depth, spans }]) => ({ name, depth, spans: spans.sort(compareSpans) }));
}

/** Names of every partition of a partitioning, subpartitions included. */
export function partitionNames(partitioning: PartitioningDescriptor.$Properties | null | undefined): string[] {
  return [
    ...(partitioning?.list ?? []).flatMap(({ name, subpartitioning }) => [
      name ?? '',
      ...partitionNames(subpartitioning),
    ]),
    ...(partitioning?.range ?? []).map(({ name }) => name ?? ''),
  ];
}
