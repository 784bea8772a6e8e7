import { concatBytes, encodeUvarintAscending, mergeSpans, prefixEnd, type Span, subtractSpans } from '../keys/index.js';
import { isPlainView, type Table } from './descriptor.js';
import type { IndexDescriptor } from './generated/descriptors.js';

/** Direction and state numbers of a DescriptorMutation. */
const MUTATION_ADD = 1;

/** Key prefix of a table of the system tenant (crdb-format.md 5.3). */
export function tablePrefix(tableId: number): Uint8Array {
  return encodeUvarintAscending(tableId);
}

/** All keys of a table: [UVA(id), UVA(id+1)). */
export function tableSpan(tableId: number): Span {
  return { key: tablePrefix(tableId), endKey: tablePrefix(tableId + 1) };
}

/** Key prefix of an index. */
export function indexPrefix(tableId: number, indexId: number): Uint8Array {
  return concatBytes(tablePrefix(tableId), encodeUvarintAscending(indexId));
}

/** Keys under a prefix. */
export function prefixSpan(prefix: Uint8Array): Span {
  return { key: prefix, endKey: prefixEnd(prefix) };
}

/** The indexes that hold data of a table: public ones, and those being added. */
export interface DataIndex {
  readonly index: IndexDescriptor.$Properties;
  readonly state: 'public' | 'adding';
}

/** Primary index first, then secondary ones, then those of mutations that add an index. None for a plain view. */
export function dataIndexes(table: Table): DataIndex[] {
  const { message } = table;
  if (isPlainView(table) || message.primaryIndex === null || message.primaryIndex === undefined) return [];
  const found: DataIndex[] = [message.primaryIndex, ...message.indexes]
    .filter((index) => (index.id ?? 0) !== 0)
    .map((index) => ({ index, state: 'public' }));
  for (const mutation of message.mutations) {
    if (mutation.direction !== MUTATION_ADD || mutation.index === null || mutation.index === undefined) continue;
    found.push({ index: mutation.index, state: 'adding' });
  }
  return found;
}

/**
 * Prefix under which an index's keys lie. Rows of an interleaved index (up to 21.1) lie inside its outermost ancestor,
 * so that ancestor's prefix is returned.
 */
export function indexKeyPrefix(tableId: number, index: IndexDescriptor.$Properties): Uint8Array {
  const ancestor = index.interleave?.ancestors?.[0];
  if (ancestor !== undefined) return indexPrefix(ancestor.tableId ?? 0, ancestor.indexId ?? 0);
  return indexPrefix(tableId, index.id ?? 0);
}

/** Spans of the public and being-added indexes of a table, sorted and merged: what BACKUP exports (crdb-format.md 7.5). */
export function tableIndexSpans(table: Table): Span[] {
  return mergeSpans(dataIndexes(table).map(({ index }) => prefixSpan(indexKeyPrefix(table.id, index))));
}

/**
 * Prefixes of primary indexes whose id is not 1, which TRUNCATE and changes of the primary key give: what counts rows must know
 * them. None for interleaved ones, whose rows lie inside other tables.
 */
export function renumberedPrimaries(tables: Iterable<Table>): Uint8Array[] {
  return [...tables].flatMap((table) => {
    const index = table.message.primaryIndex;
    const plain = index?.id != null && index.id > 1 && index.interleave?.ancestors?.[0] === undefined;
    return plain && !isPlainView(table) ? [indexPrefix(table.id, index.id ?? 0)] : [];
  });
}

/** Spans of the indexes of many tables, merged. Materialised views and sequences have spans; plain views have none. */
export function indexSpans(tables: Iterable<Table>): Span[] {
  return mergeSpans([...tables].flatMap(tableIndexSpans));
}

/**
 * Spans of the tables with `exclude_data_from_backup`: a backup claims and does not hold them, a restore leaves them empty
 * (crdb-format.md 7.1). What an interleaved table shares with one that is not excluded is not among them.
 */
export function excludedSpans(tables: readonly Table[]): Span[] {
  const excluded = tables.filter((table) => table.message.excludeDataFromBackup === true);
  if (excluded.length === 0) return [];
  return subtractSpans(indexSpans(excluded), indexSpans(tables.filter((table) => !excluded.includes(table))));
}
