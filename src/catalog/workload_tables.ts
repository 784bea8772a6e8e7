import type { PartitioningSpec, TableSpec } from './table_spec.js';

/*
 * Tables of the workloads that CockroachDB users know: movr, bank and kv.
 */

/** Cities of each partition of movr, as `movr --multi-region` and the geo-partitioned demo place them. */
export const MOVR_PARTITIONS: Readonly<Record<string, readonly string[]>> = {
  us_west: ['seattle', 'san francisco', 'los angeles'],
  us_east: ['new york', 'boston', 'washington dc'],
  europe_west: ['amsterdam', 'paris', 'rome'],
};

/** Region that each partition of movr is placed in. */
export const MOVR_REGIONS: Readonly<Record<string, string>> = {
  us_west: 'us-west1',
  us_east: 'us-east1',
  europe_west: 'europe-west1',
};

function byCity(column: string): PartitioningSpec {
  const list = Object.entries(MOVR_PARTITIONS).map(([name, cities]) => ({
    name,
    values: cities.map((city) => [{ datum: city }]),
  }));
  return { columns: [column], list };
}

/** Leaves out the partitioning of every index. */
function withoutPartitions(spec: TableSpec): TableSpec {
  const { partitioning: _, indexes, ...rest } = spec;
  return { ...rest, indexes: (indexes ?? []).map(({ partitioning: __, ...index }) => index) };
}

const text = (name: string) => ({ name, type: 'VARCHAR' });
const uuid = (name: string) => ({ name, type: 'UUID' });
const time = (name: string) => ({ name, type: 'TIMESTAMP' });

const USERS: TableSpec = {
  name: 'users',
  columns: [uuid('id'), text('city'), text('name'), text('address'), text('credit_card')],
  primaryKey: ['city', 'id'],
  partitioning: byCity('city'),
};

const VEHICLES: TableSpec = {
  name: 'vehicles',
  columns: [
    uuid('id'),
    text('city'),
    text('type'),
    uuid('owner_id'),
    time('creation_time'),
    text('status'),
    text('current_location'),
    { name: 'ext', type: 'JSONB' },
  ],
  primaryKey: ['city', 'id'],
  partitioning: byCity('city'),
  indexes: [
    { name: 'vehicles_auto_index_fk_city_ref_users', columns: ['city', 'owner_id'], partitioning: byCity('city') },
  ],
  foreignKeys: [
    {
      name: 'fk_city_ref_users',
      columns: ['city', 'owner_id'],
      references: 'users',
      referencedColumns: ['city', 'id'],
    },
  ],
};

const RIDES: TableSpec = {
  name: 'rides',
  columns: [
    uuid('id'),
    text('city'),
    text('vehicle_city'),
    uuid('rider_id'),
    uuid('vehicle_id'),
    text('start_address'),
    text('end_address'),
    time('start_time'),
    time('end_time'),
    { name: 'revenue', type: 'DECIMAL(10,2)' },
  ],
  primaryKey: ['city', 'id'],
  partitioning: byCity('city'),
  indexes: [
    { name: 'rides_auto_index_fk_city_ref_users', columns: ['city', 'rider_id'], partitioning: byCity('city') },
    {
      name: 'rides_auto_index_fk_vehicle_city_ref_vehicles',
      columns: ['vehicle_city', 'vehicle_id'],
      partitioning: byCity('vehicle_city'),
    },
  ],
  checks: [{ name: 'check_vehicle_city_city', expression: 'vehicle_city = city', columns: ['city', 'vehicle_city'] }],
  foreignKeys: [
    {
      name: 'fk_city_ref_users',
      columns: ['city', 'rider_id'],
      references: 'users',
      referencedColumns: ['city', 'id'],
    },
    {
      name: 'fk_vehicle_city_ref_vehicles',
      columns: ['vehicle_city', 'vehicle_id'],
      references: 'vehicles',
      referencedColumns: ['city', 'id'],
    },
  ],
};

const VEHICLE_LOCATION_HISTORIES: TableSpec = {
  name: 'vehicle_location_histories',
  columns: [
    text('city'),
    uuid('ride_id'),
    time('timestamp'),
    { name: 'lat', type: 'FLOAT8' },
    { name: 'long', type: 'FLOAT8' },
  ],
  primaryKey: ['city', 'ride_id', 'timestamp'],
  partitioning: byCity('city'),
  foreignKeys: [
    { name: 'fk_city_ref_rides', columns: ['city', 'ride_id'], references: 'rides', referencedColumns: ['city', 'id'] },
  ],
};

const PROMO_CODES: TableSpec = {
  name: 'promo_codes',
  columns: [
    text('code'),
    text('description'),
    time('creation_time'),
    time('expiration_time'),
    { name: 'rules', type: 'JSONB' },
  ],
  primaryKey: ['code'],
};

const USER_PROMO_CODES: TableSpec = {
  name: 'user_promo_codes',
  columns: [text('city'), uuid('user_id'), text('code'), time('timestamp'), { name: 'usage_count', type: 'INT8' }],
  primaryKey: ['city', 'user_id', 'code'],
  partitioning: byCity('city'),
  foreignKeys: [
    { name: 'fk_city_ref_users', columns: ['city', 'user_id'], references: 'users', referencedColumns: ['city', 'id'] },
  ],
};

/** movr with per-city partitions on every table and index that begins with a city. */
export const MOVR_TABLES: readonly TableSpec[] = [
  USERS,
  VEHICLES,
  RIDES,
  VEHICLE_LOCATION_HISTORIES,
  PROMO_CODES,
  USER_PROMO_CODES,
];

/** movr as `workload init movr` makes it on one region: no partitions. */
export const MOVR_TABLES_PLAIN: readonly TableSpec[] = MOVR_TABLES.map(withoutPartitions);

/** `workload init bank`. */
export const BANK_TABLE: TableSpec = {
  name: 'bank',
  columns: [
    { name: 'id', type: 'INT8' },
    { name: 'balance', type: 'INT8' },
    { name: 'payload', type: 'STRING' },
  ],
  primaryKey: ['id'],
  families: [{ name: 'fam_0_id_balance_payload', columns: ['id', 'balance', 'payload'] }],
};

/** `workload init kv`. */
export const KV_TABLE: TableSpec = {
  name: 'kv',
  columns: [
    { name: 'k', type: 'INT8' },
    { name: 'v', type: 'BYTES', nullable: false },
  ],
  primaryKey: ['k'],
};
