import {
  type Catalog,
  type Database,
  type Descriptor,
  dataIndexes,
  decodeDescriptor,
  editMessage,
  FIRST_USER_ID,
  readFields,
  readVarint,
  SYSTEM_DATABASE_ID,
  type Table,
  TIME_FIELDS,
  tableDependencies,
  type UserType,
  WRAPPER_FIELDS,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../keys/index.js';
import { DESCRIPTOR_SPAN, deleteDescriptor, freeNames, putDescriptor, readCatalog } from './descriptor_rows.js';
import { readEntries } from './entries.js';
import type { Dropped } from './garbage.js';
import type { KeyValue } from './packed_batch.js';
import type { EmbeddedStore, MetaPut } from './store.js';
import { assertInterleavedTogether } from './table_relations.js';

const NEXT_ID_KEY = 'next/descriptor';
const GENERATION_KEY = 'generation/catalog';
/** Ids of defaultdb and postgres, which every new cluster has. */
export const DEFAULT_DATABASES = [
  { name: 'defaultdb', id: FIRST_USER_ID },
  { name: 'postgres', id: FIRST_USER_ID + 1 },
] as const;

/** Counts changes of the catalog, with the wall time of the last one. */
interface Generation {
  readonly number: number;
  readonly changedAt: string;
}

/** What a change of the catalog writes, for the caller to commit at the time it was made for. */
export interface CatalogChange {
  readonly pairs: readonly KeyValue[];
  readonly meta: readonly MetaPut[];
  /** What has data that is garbage from now on. */
  readonly dropped: Dropped;
}

/** CASCADE, RESTRICT, or neither, which CockroachDB takes as RESTRICT for tables and CASCADE for databases. */
export type DropBehaviour = 'cascade' | 'restrict' | null;

/** Descriptors and names of a cluster, as rows of its own keyspace; readable at any time. */
export class CatalogStore {
  readonly #store: EmbeddedStore;
  #cached: { readonly number: number; readonly catalog: Catalog } | undefined;

  constructor(store: EmbeddedStore) {
    this.#store = store;
  }

  /** The newest catalog; read again only when it changed, by whichever process. */
  current(): Catalog {
    const { number } = this.#generation();
    if (this.#cached?.number !== number) this.#cached = { number, catalog: this.#read(MAX_TIMESTAMP) };
    return this.#cached.catalog;
  }

  /** The catalog as it was at a time. */
  at(asOf: Timestamp): Catalog {
    return asOf.wall > BigInt(this.#generation().changedAt) ? this.current() : this.#read(asOf);
  }

  #read(asOf: Timestamp): Catalog {
    return readCatalog(readEntries(this.#store, DESCRIPTOR_SPAN, asOf));
  }

  /** The id that the next descriptor gets. */
  nextId(): number {
    return this.#store.metaGet<number>(NEXT_ID_KEY) ?? FIRST_USER_ID + DEFAULT_DATABASES.length;
  }

  /** The record that takes ids below `next` out of use. */
  reserveIds(next: number): MetaPut {
    return { key: NEXT_ID_KEY, value: Math.max(next, this.nextId()) };
  }

  /** Descriptors that are added or replaced, perhaps under other names, and ones that go, at the time of the commit. */
  change(put: readonly Uint8Array[], drop: readonly Descriptor[], time: Timestamp): CatalogChange {
    const current = this.current();
    const added = put.map(decodeDescriptor);
    const replaced = added.map((after) => ({ after, before: current.byId(after.id) }));
    const highest = Math.max(0, ...added.map(({ id }) => id));
    const generation: Generation = { number: this.#generation().number + 1, changedAt: time.wall.toString() };
    return {
      // Names are freed first: a new object may take one.
      pairs: newestLast([
        ...drop.flatMap(deleteDescriptor),
        ...replaced.flatMap(({ before }) => (before === undefined ? [] : freeNames(before))),
        ...put.flatMap(putDescriptor),
      ]),
      meta: [{ key: GENERATION_KEY, value: generation }, this.reserveIds(highest + 1)],
      dropped: {
        tables: drop.filter((descriptor): descriptor is Table => descriptor.kind === 'table'),
        indexes: replaced.flatMap(({ before, after }) => lostIndexes(before, after)),
      },
    };
  }

  /**
   * Drops tables, views or sequences with what depends on them.
   * @throws SpanvaultError SV_CONSTRAINT when others depend on one and `behaviour` is not 'cascade'
   */
  dropTables(tables: readonly Table[], behaviour: DropBehaviour, time: Timestamp): CatalogChange {
    const catalog = this.current();
    const gone = new Map(tables.map((table) => [table.id, table]));
    for (const table of tables) assertUserObject(catalog, table, 'drop');
    for (const table of gone.values()) {
      for (const other of catalog.tables()) {
        if (gone.has(other.id) || !tableDependencies(other).reads.has(table.id)) continue;
        if (behaviour !== 'cascade') {
          throw new SpanvaultError(
            'SV_CONSTRAINT',
            `cannot drop relation ${JSON.stringify(table.name)} because view ${JSON.stringify(other.name)} depends on it`,
          );
        }
        gone.set(other.id, other);
      }
    }
    const edited: Uint8Array[] = [];
    for (const other of catalog.tables()) {
      if (gone.has(other.id)) continue;
      const referenced = [...gone.values()].find(({ id }) => tableDependencies(other).references.has(id));
      if (referenced !== undefined && behaviour !== 'cascade') {
        throw new SpanvaultError(
          'SV_CONSTRAINT',
          `${JSON.stringify(referenced.name)} is referenced by foreign key from table ${JSON.stringify(other.name)}`,
        );
      }
      const raw = withoutKeysOf(other, new Set(gone.keys()), time);
      if (raw !== undefined) edited.push(raw);
    }
    assertInterleavedTogether(catalog, gone);
    return this.change(edited, [...gone.values()], time);
  }

  /** Drops a database and everything in it. @throws SpanvaultError SV_CONSTRAINT under 'restrict' when it holds anything */
  dropDatabase(database: Database, behaviour: DropBehaviour, time: Timestamp): CatalogChange {
    const catalog = this.current();
    assertUserObject(catalog, database, 'drop');
    const inside = catalog.descriptors.filter(({ parentId, state }) => parentId === database.id && state !== 'drop');
    if (behaviour === 'restrict' && inside.length > 0) {
      throw new SpanvaultError(
        'SV_CONSTRAINT',
        `database ${JSON.stringify(database.name)} is not empty and RESTRICT was specified`,
      );
    }
    const ids = new Set(inside.map(({ id }) => id));
    const edited = catalog
      .tables()
      .filter(({ id }) => !ids.has(id))
      .flatMap((table) => withoutKeysOf(table, ids, time) ?? []);
    return this.change(edited, [...inside, database], time);
  }

  #generation(): Generation {
    return this.#store.metaGet<Generation>(GENERATION_KEY) ?? { number: 0, changedAt: '0' };
  }
}

/** Indexes that a new version of a table has no more. */
function lostIndexes(before: Descriptor | undefined, after: Descriptor): Dropped['indexes'] {
  if (before?.kind !== 'table' || after.kind !== 'table') return [];
  const kept = new Set(dataIndexes(after).map(({ index }) => index.id));
  return dataIndexes(before).flatMap(({ index }) => {
    const indexId = index.id ?? 0;
    return kept.has(indexId) ? [] : [{ tableId: after.id, indexId }];
  });
}

/** One pair per key, the last one given. */
function newestLast(pairs: readonly KeyValue[]): KeyValue[] {
  const byKey = new Map(pairs.map((pair) => [Buffer.from(pair.key).toString('latin1'), pair]));
  return [...byKey.values()];
}

/** @throws SpanvaultError SV_CONSTRAINT for the system database and what is in it */
export function assertUserObject(catalog: Catalog, descriptor: Descriptor, verb: 'drop' | 'change' | 'rename'): void {
  if (descriptor.id === SYSTEM_DATABASE_ID || descriptor.parentId === SYSTEM_DATABASE_ID) {
    const name = catalog.qualifiedName(descriptor);
    throw new SpanvaultError('SV_CONSTRAINT', `cannot ${verb} ${name}: objects of the system database are required`);
  }
}

/** Field numbers of foreign keys: of a table, and of one key's origin and referenced table (crdb-format.md 5.5). */
const OUTBOUND_KEYS = 36;
const INBOUND_KEYS = 37;
const ORIGIN_TABLE = 1;
const REFERENCED_TABLE = 4;
/** The same up to 19.1, where keys stood in indexes: of a table, of an index, and of a reference's table. */
const INDEXES = [10, 11] as const;
const INDEX_KEY = 9;
const INDEX_REFERENCED_BY = 10;
const INDEX_OTHER_TABLE = 1;

/** The table without foreign keys from or to `ids`, its version raised; undefined when it has none. */
function withoutKeysOf(table: Table, ids: ReadonlySet<number>, time: Timestamp): Uint8Array | undefined {
  const drop = (field: number, instead?: Uint8Array) => (key: Uint8Array) => {
    const found = readFields(key).find(({ number }) => number === field);
    const other = found === undefined ? 0 : readVarint(key, found.valueStart).value;
    return ids.has(other) ? instead : key;
  };
  const index = {
    message: {
      // CockroachDB writes the field always, empty where there is no key.
      [INDEX_KEY]: { replace: drop(INDEX_OTHER_TABLE, new Uint8Array(0)) },
      [INDEX_REFERENCED_BY]: { replace: drop(INDEX_OTHER_TABLE) },
    },
  };
  const edit = {
    [INDEXES[0]]: index,
    [INDEXES[1]]: index,
    [OUTBOUND_KEYS]: { replace: drop(REFERENCED_TABLE) },
    [INBOUND_KEYS]: { replace: drop(ORIGIN_TABLE) },
  };
  const edited = editMessage(table.raw, { [WRAPPER_FIELDS.table]: { message: edit } });
  return edited === table.raw ? undefined : touched(decodeDescriptor(edited), time);
}

/** A descriptor with its version raised by one and its modification time set. */
export function touched(descriptor: Descriptor, time: Timestamp): Uint8Array {
  const fields = TIME_FIELDS[descriptor.kind];
  return editMessage(descriptor.raw, {
    [WRAPPER_FIELDS[descriptor.kind]]: {
      message: {
        [fields.version]: { varint: (version) => version + 1 },
        [fields.time]: { replace: () => encodeHlc(time) },
      },
    },
  });
}

/** Protobuf of util.hlc.Timestamp {1 wall_time, 2 logical}, zero fields left out. */
function encodeHlc({ wall, logical }: Timestamp): Uint8Array {
  const bytes: number[] = [];
  const put = (tag: number, value: bigint): void => {
    if (value === 0n) return;
    bytes.push(tag);
    for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
    bytes.push(Number(value));
  };
  put(0x08, wall);
  put(0x10, BigInt(logical));
  return Uint8Array.from(bytes);
}

/** Types of a database by name; array types included. */
export function typesOf(catalog: Catalog, databaseId: number): UserType[] {
  return catalog.descriptors.filter(
    (one): one is UserType => one.kind === 'type' && one.parentId === databaseId && one.state !== 'drop',
  );
}
