import {
  type Catalog,
  encodeZone,
  SYSTEM_TABLE_IDS,
  type Table,
  tableSchema,
  tableSpan,
  type ZoneRow,
  Zones,
} from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { MAX_TIMESTAMP, type Timestamp } from '../../keys/index.js';
import { type Row, RowDecoder, RowEncoder, type TableSchema } from '../../rows/index.js';
import type { CatalogStore } from './catalog_store.js';
import { type Entry, readEntries } from './entries.js';
import type { KeyValue } from './packed_batch.js';
import type { EmbeddedStore, MetaPut } from './store.js';

const GENERATION_KEY = 'generation/zones';
const TOMBSTONE = new Uint8Array(0);

/** Zone configurations as rows of system.zones. */
export class ZoneStore {
  readonly #store: EmbeddedStore;
  readonly #catalog: CatalogStore;
  #cached: { readonly generation: number; readonly zones: Zones } | undefined;

  constructor(store: EmbeddedStore, catalog: CatalogStore) {
    this.#store = store;
    this.#catalog = catalog;
  }

  /** The newest configurations; read again only when they changed, by whichever process. */
  current(): Zones {
    const generation = this.#generation();
    if (this.#cached?.generation !== generation) this.#cached = { generation, zones: this.at(MAX_TIMESTAMP) };
    return this.#cached.zones;
  }

  at(asOf: Timestamp): Zones {
    const schema = zonesSchema(this.#catalog.current());
    return zonesOf(schema, readEntries(this.#store, tableSpan(schema.id), asOf));
  }

  /** Entries and records that turn the present rows of `ids` into those of `zones`. */
  change(zones: Zones, ids: readonly number[]): { readonly pairs: KeyValue[]; readonly meta: MetaPut[] } {
    const encoder = new RowEncoder(zonesSchema(this.#catalog.current()));
    const pairs = ids.flatMap((id) => {
      const zone = zones.row(id);
      const entries = encoder.encode([BigInt(id), zone === undefined ? TOMBSTONE : encodeZone(zone)]);
      return zone === undefined ? entries.map(({ key }) => ({ key, value: TOMBSTONE })) : entries;
    });
    return { pairs, meta: [this.bump()] };
  }

  /** The record that makes every opener read the rows again; part of each commit that writes system.zones. */
  bump(): MetaPut {
    return { key: GENERATION_KEY, value: this.#generation() + 1 };
  }

  #generation(): number {
    return this.#store.metaGet<number>(GENERATION_KEY) ?? 0;
  }
}

/** The system.zones table of a catalog. */
export function zonesTable(catalog: Catalog): Table {
  const table = catalog.tableById(SYSTEM_TABLE_IDS.zones);
  if (table === undefined) throw new SpanvaultError('SV_CORRUPT_STORE', 'the catalog has no system.zones table');
  return table;
}

function zonesSchema(catalog: Catalog): TableSchema {
  return tableSchema(catalog, zonesTable(catalog));
}

/** Zone configurations out of live entries of a system.zones table. @throws SpanvaultError SV_CORRUPT_VALUE */
export function zonesOf(schema: TableSchema, entries: Iterable<Entry>): Zones {
  const decoder = new RowDecoder(schema);
  const rows: Row[] = [];
  for (const { key, value } of entries) rows.push(...decoder.add(key, value));
  rows.push(...decoder.finish());
  return Zones.decode(
    rows.flatMap(([id, config]): ZoneRow[] =>
      typeof id === 'bigint' && config instanceof Uint8Array ? [{ id: Number(id), config }] : [],
    ),
  );
}
