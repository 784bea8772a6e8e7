import {
  Catalog,
  type Descriptor,
  decodeDescriptor,
  indexPrefix,
  PUBLIC_SCHEMA_ID,
  SYSTEM_TABLE_IDS,
  systemDescriptors,
  tableSchema,
  tableSpan,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { decodeVarintAscending, EMPTY_TIMESTAMP, type Span, type Timestamp } from '../../keys/index.js';
import { type Row, RowDecoder, RowEncoder, type TableSchema } from '../../rows/index.js';
import type { Entry } from './entries.js';
import type { KeyValue } from './packed_batch.js';

/*
 * The catalog as data: rows of system.descriptor (3) and system.namespace (30), encoded as CockroachDB 21.1 does. These
 * two tables are never restored, so their own schema is fixed.
 */

function fixedSchema(tableId: number): TableSchema {
  const catalog = Catalog.decode(systemDescriptors(EMPTY_TIMESTAMP));
  const table = catalog.tableById(tableId);
  if (table === undefined) throw new SpanvaultError('SV_INTERNAL', `system table ${tableId} is not defined`);
  return tableSchema(catalog, table);
}

const DESCRIPTOR_SCHEMA = fixedSchema(SYSTEM_TABLE_IDS.descriptor);
const NAMESPACE_SCHEMA = fixedSchema(SYSTEM_TABLE_IDS.namespace);

/** Keys of system.descriptor. */
export const DESCRIPTOR_SPAN: Span = tableSpan(SYSTEM_TABLE_IDS.descriptor);

const PRIMARY_PREFIX = indexPrefix(SYSTEM_TABLE_IDS.descriptor, 1);

const TOMBSTONE = new Uint8Array(0);

function encode(schema: TableSchema, row: Row): KeyValue[] {
  return [...new RowEncoder(schema).encode(row)];
}

function erase(pairs: readonly KeyValue[]): KeyValue[] {
  return pairs.map(({ key }) => ({ key, value: TOMBSTONE }));
}

/** Rows of system.namespace that name a descriptor: parent, parent schema, name, id. */
function namespaceRows(descriptor: Descriptor): Row[] {
  const id = BigInt(descriptor.id);
  const row = (parent: number, schema: number, name: string, target: bigint): Row => [
    BigInt(parent),
    BigInt(schema),
    name,
    target,
  ];
  if (descriptor.kind === 'database') {
    // A database names its public schema, which has no descriptor in 21.1.
    return [row(0, 0, descriptor.name, id), row(descriptor.id, 0, 'public', BigInt(PUBLIC_SCHEMA_ID))];
  }
  if (descriptor.kind === 'schema') {
    if (descriptor.name === 'public') return [row(descriptor.parentId, 0, 'public', id)];
    return [row(descriptor.parentId, 0, descriptor.name, id)];
  }
  return [row(descriptor.parentId, descriptor.parentSchemaId, descriptor.name, id)];
}

/** Entries that add or replace a descriptor; a name that it had before is freed by freeNames. */
export function putDescriptor(raw: Uint8Array): KeyValue[] {
  const descriptor = decodeDescriptor(raw);
  const rows = namespaceRows(descriptor).flatMap((row) => encode(NAMESPACE_SCHEMA, row));
  return [...encode(DESCRIPTOR_SCHEMA, [BigInt(descriptor.id), raw]), ...rows];
}

/** Entries that delete a descriptor and its names. */
export function deleteDescriptor(descriptor: Descriptor): KeyValue[] {
  return [...erase(encode(DESCRIPTOR_SCHEMA, [BigInt(descriptor.id), descriptor.raw])), ...freeNames(descriptor)];
}

/** Entries that delete the names of a descriptor. */
export function freeNames(descriptor: Descriptor): KeyValue[] {
  return erase(namespaceRows(descriptor).flatMap((row) => encode(NAMESPACE_SCHEMA, row)));
}

/** The catalog of the live entries of system.descriptor. @throws SpanvaultError SV_CORRUPT_STORE, SV_CORRUPT_VALUE */
export function readCatalog(entries: Iterable<Entry>): Catalog {
  const decoder = new RowDecoder(DESCRIPTOR_SCHEMA);
  const descriptors: Descriptor[] = [];
  const take = (rows: readonly Row[]): void => {
    for (const [id, raw] of rows) {
      if (!(raw instanceof Uint8Array))
        throw new SpanvaultError('SV_CORRUPT_STORE', `descriptor ${String(id)} has no bytes`);
      descriptors.push(decodeDescriptor(raw));
    }
  };
  for (const { key, value } of entries) take(decoder.add(key, value));
  take(decoder.finish());
  return new Catalog(descriptors);
}

/** One version of a descriptor; `desc` undefined = it was deleted. */
export interface DescriptorVersion {
  readonly time: Timestamp;
  readonly id: number;
  readonly desc: Uint8Array | undefined;
}

/** Versions of system.descriptor, as they come. @throws SpanvaultError SV_CORRUPT_STORE, SV_CORRUPT_VALUE */
export function* readDescriptorVersions(entries: Iterable<Entry>): Generator<DescriptorVersion, void, undefined> {
  for (const { key, timestamp, value } of entries) {
    if (value.length === 0) {
      yield { time: timestamp, id: Number(decodeVarintAscending(key, PRIMARY_PREFIX.length).value), desc: undefined };
      continue;
    }
    const decoder = new RowDecoder(DESCRIPTOR_SCHEMA);
    for (const [id, raw] of [...decoder.add(key, value), ...decoder.finish()]) {
      // The id alone stands in a column family of its own.
      if (raw instanceof Uint8Array) yield { time: timestamp, id: Number(id), desc: raw };
    }
  }
}
