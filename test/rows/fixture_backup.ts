import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { prefixEnd } from '#src/keys/index.js';
import {
  type ColumnSchema,
  type ColumnType,
  type IndexSchema,
  indexPrefix,
  type Row,
  RowDecoder,
  type TableSchema,
} from '#src/rows/index.js';
import { readSst, type SstEntry } from './fixture_sst.js';

/*
 * Table schemas and entries of a fixture backup, read with a tiny protobuf reader: row tests stand below the catalog.
 */

export const FIXTURES = new URL('../../../shared/fixtures/', import.meta.url).pathname;
export const hasFixtures = existsSync(FIXTURES);

type Fields = Map<number, (bigint | Uint8Array)[]>;

function parse(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    let value: bigint | Uint8Array;
    if ((tag & 7) === 0) value = varint();
    else if ((tag & 7) === 2) {
      const length = Number(varint());
      value = bytes.subarray(at, at + length);
      at += length;
    } else {
      const width = (tag & 7) === 1 ? 8 : 4;
      value = bytes.subarray(at, at + width);
      at += width;
    }
    const list = fields.get(tag >> 3) ?? [];
    list.push(value);
    fields.set(tag >> 3, list);
  }
  return fields;
}

const all = (fields: Fields, id: number): Uint8Array[] =>
  (fields.get(id) ?? []).filter((v): v is Uint8Array => typeof v !== 'bigint');
const one = (fields: Fields, id: number): Uint8Array => all(fields, id)[0] ?? new Uint8Array(0);
const text = (fields: Fields, id: number): string => Buffer.from(one(fields, id)).toString();
const num = (fields: Fields, id: number): number => Number((fields.get(id)?.at(-1) as bigint | undefined) ?? 0n);

function nums(fields: Fields, id: number): number[] {
  return (fields.get(id) ?? []).flatMap((value) => {
    if (typeof value === 'bigint') return [Number(value)];
    const out: number[] = [];
    let current = 0;
    let shift = 0;
    for (const byte of value) {
      current += (byte & 0x7f) * 128 ** shift++;
      if (byte < 0x80) {
        out.push(current);
        current = 0;
        shift = 0;
      }
    }
    return out;
  });
}

type Enums = Map<number, { physical: Uint8Array; logical: string }[]>;

function typeOf(bytes: Uint8Array, enums: Enums): ColumnType {
  const fields = parse(bytes);
  const oid = num(fields, 10);
  const contents = all(fields, 11)[0];
  const members = enums.get(oid - 100000);
  const oldElement = fields.has(7) ? num(fields, 7) : undefined;
  return {
    family: num(fields, 1),
    width: num(fields, 2),
    precision: num(fields, 3),
    oid,
    locale: text(fields, 5),
    ...(contents !== undefined ? { arrayContents: typeOf(contents, enums) } : {}),
    ...(contents === undefined && oldElement !== undefined
      ? { arrayContents: { family: oldElement, width: 0, precision: 0, oid: 0, locale: '' } }
      : {}),
    ...(num(fields, 1) === 24 && members !== undefined ? { enumMembers: members } : {}),
  };
}

function columnOf(bytes: Uint8Array, enums: Enums): ColumnSchema {
  const fields = parse(bytes);
  return {
    id: num(fields, 2),
    name: text(fields, 1),
    type: typeOf(one(fields, 3), enums),
    nullable: num(fields, 4) === 1,
    hidden: num(fields, 6) === 1,
    virtual: num(fields, 16) === 1,
    defaultExpression: text(fields, 5),
    computeExpression: text(fields, 11),
  };
}

function indexOf(bytes: Uint8Array, primary: boolean): IndexSchema {
  const fields = parse(bytes);
  return {
    id: num(fields, 2),
    name: text(fields, 1),
    unique: num(fields, 3) === 1,
    keyColumnIds: nums(fields, 6),
    keyDirections: nums(fields, 8).map((d) => (d === 1 ? 'desc' : 'asc')),
    keySuffixColumnIds: nums(fields, 7),
    storeColumnIds: nums(fields, 14),
    compositeColumnIds: nums(fields, 13),
    encoding: primary || num(fields, 19) === 1 ? 'primary' : 'secondary',
    inverted: num(fields, 16) === 1,
    predicate: text(fields, 23),
    version: num(fields, 18),
    ancestors: all(parse(one(fields, 11)), 1).map((ancestor) => {
      const inner = parse(ancestor);
      return { tableId: num(inner, 1), indexId: num(inner, 2), sharedPrefixLength: num(inner, 3) };
    }),
  };
}

export interface FixtureTable extends TableSchema {
  readonly parentId: number;
  readonly schemaId: number;
  readonly isView: boolean;
  readonly isSequence: boolean;
}

function tableOf(bytes: Uint8Array, enums: Enums): FixtureTable {
  const fields = parse(bytes);
  return {
    id: num(fields, 3),
    name: text(fields, 1),
    parentId: num(fields, 4),
    schemaId: num(fields, 40),
    isView: text(fields, 24) !== '',
    isSequence: fields.has(28),
    columns: all(fields, 8).map((column) => columnOf(column, enums)),
    families: all(fields, 22).map((family) => {
      const inner = parse(family);
      return { id: num(inner, 2), columnIds: nums(inner, 4), defaultColumnId: num(inner, 5) };
    }),
    primaryIndex: indexOf(one(fields, 10), true),
    indexes: all(fields, 11).map((index) => indexOf(index, false)),
    tenantPrefix: new Uint8Array(0),
  };
}

export interface FixtureBackup {
  readonly directory: string;
  readonly databases: ReadonlyMap<number, string>;
  readonly schemas: ReadonlyMap<number, string>;
  readonly tables: readonly FixtureTable[];
  /** Newest version of every live user key, in order. */
  readonly entries: readonly SstEntry[];
}

export function userKey(engineKey: Uint8Array): Uint8Array {
  const version = engineKey.at(-1)!;
  return engineKey.subarray(0, version === 0 ? -1 : -version - 1);
}

/** Reads one layer with the SSTs beside its manifest. */
export function readFixture(name: string): FixtureBackup {
  let directory = join(FIXTURES, 'cockroach-backups', name);
  if (existsSync(join(directory, 'LATEST'))) {
    directory = join(directory, readFileSync(join(directory, 'LATEST'), 'utf8'));
  }
  const manifest = ['BACKUP_MANIFEST', 'BACKUP'].map((file) => join(directory, file)).find((path) => existsSync(path))!;
  const raw = readFileSync(manifest);
  const fields = parse(raw[0] === 0x1f ? gunzipSync(raw) : raw);
  const descriptors = all(fields, 5).map(parse);
  const enums: Enums = new Map();
  for (const type of descriptors.flatMap((d) => all(d, 3)).map(parse)) {
    enums.set(
      num(type, 4),
      all(type, 6)
        .map(parse)
        .map((member) => ({ physical: Uint8Array.from(one(member, 1)), logical: text(member, 2) })),
    );
  }
  const named = (kind: number, idField: number, nameField: number): Map<number, string> =>
    new Map(
      descriptors
        .flatMap((d) => all(d, kind))
        .map(parse)
        .map((d) => [num(d, idField), text(d, nameField)]),
    );
  const files = readdirSync(directory).filter((file) => file.endsWith('.sst'));
  const entries = files.flatMap((file) => [...readSst(readFileSync(join(directory, file)))]);
  entries.sort((a, b) => Buffer.compare(userKey(a.key), userKey(b.key)));
  return {
    directory,
    databases: named(2, 2, 1),
    schemas: named(4, 3, 2),
    tables: descriptors.flatMap((d) => all(d, 1)).map((table) => tableOf(table, enums)),
    entries,
  };
}

/** Entries whose keys lie under the span of an index; interleaved rows of other tables among them. */
export function entriesOf(
  backup: FixtureBackup,
  table: TableSchema,
  index: IndexSchema,
): { key: Uint8Array; value: Uint8Array }[] {
  const root = index.ancestors[0];
  const prefix =
    root === undefined
      ? indexPrefix(table, index)
      : indexPrefix({ ...table, id: root.tableId }, { ...index, id: root.indexId });
  const end = prefixEnd(prefix);
  return backup.entries
    .map(({ key, value }) => ({ key: userKey(key), value }))
    .filter(({ key }) => Buffer.compare(key, prefix) >= 0 && Buffer.compare(key, end) < 0);
}

export function rowsOf(backup: FixtureBackup, table: TableSchema, index: IndexSchema = table.primaryIndex): Row[] {
  const decoder = new RowDecoder(table, index);
  const rows = entriesOf(backup, table, index).flatMap(({ key, value }) => decoder.add(key, value));
  return [...rows, ...decoder.finish()];
}
