import type { Datum, Decimal, JsonDatum, TimestampDatum, UuidDatum } from '../../../rows/index.js';
import { Random } from './random.js';

/** The three partitions that movr's tables have. */
export type MovrPartition = 'us_west' | 'us_east' | 'europe_west';

/** Cities in the order that row numbers run through them. */
export const MOVR_CITIES: readonly { readonly name: string; readonly partition: MovrPartition }[] = [
  { name: 'new york', partition: 'us_east' },
  { name: 'boston', partition: 'us_east' },
  { name: 'washington dc', partition: 'us_east' },
  { name: 'seattle', partition: 'us_west' },
  { name: 'san francisco', partition: 'us_west' },
  { name: 'los angeles', partition: 'us_west' },
  { name: 'amsterdam', partition: 'europe_west' },
  { name: 'paris', partition: 'europe_west' },
  { name: 'rome', partition: 'europe_west' },
];

/** Rows of each table. */
export interface MovrCounts {
  readonly users: number;
  readonly vehicles: number;
  readonly rides: number;
  readonly vehicle_location_histories: number;
  readonly promo_codes: number;
  readonly user_promo_codes: number;
}

/** What `cockroach workload init movr` makes. */
export const MOVR_DEFAULT_COUNTS: MovrCounts = {
  users: 50,
  vehicles: 15,
  rides: 500,
  vehicle_location_histories: 1000,
  promo_codes: 1000,
  user_promo_codes: 0,
};

const DEFAULT_TOTAL = 2565;

/** Counts of about `rows` rows in sum, in the default proportions; every city has a user and a vehicle. */
export function movrCounts(rows: number | undefined): MovrCounts {
  if (rows === undefined) return MOVR_DEFAULT_COUNTS;
  const share = (count: number, least: number) => Math.max(least, Math.round((count * rows) / DEFAULT_TOTAL));
  const cities = MOVR_CITIES.length;
  const base = {
    users: share(50, cities),
    vehicles: share(15, cities),
    rides: share(500, cities),
    user_promo_codes: 0,
  };
  return { ...base, vehicle_location_histories: share(1000, cities), promo_codes: share(1000, 1) };
}

const WORDS =
  `stop live sing car maybe give safe edge chair discuss resource entire look support instead sister focus long agency
like argue throw road him two industry follow top add protect tree trip generation anyone billion lose paper city work attorney
environment wind project operation response see kind head good fire peace science recent adult report rock analysis list seat
month family old energy picture blood story return sort explain theory population worker development cold wonder suggest many
quality`.split(/\s+/);
const FIRST =
  'Patricia Holly Devin Catherine James Tyler Robert Maria Kyle Joshua Nathan Brandon Laura Thomas Emily Victoria'.split(
    ' ',
  );
const LAST =
  'Herrera Williams Jordan Nelson Dalton Hamilton Ramirez Graham Mcconnell Baker Ross Moore Powell Atkinson Wade Lopez'.split(
    ' ',
  );
const STREET =
  'Perez Harvey Angela Lee Stephanie Mitchell Christina Naomi Rivera Jackson Thomas George Anderson Megan Rachel'.split(
    ' ',
  );
const STREET_KIND = [
  'Camp',
  'Street',
  'Ferry',
  'Alley',
  'Route',
  'Shoals',
  'Ville',
  'Cliffs',
  'Course',
  'Trail',
  'Bypass',
  'Mills',
];
const VEHICLES = ['skateboard', 'bike', 'scooter'];
const STATUSES = ['available', 'in_use', 'lost'];
const COLORS = ['red', 'yellow', 'blue', 'green', 'black'];
const BIKE_BRANDS = ['Merida', 'Fuji', 'Cervelo', 'Pinarello', 'Santa Cruz', 'Kona', 'Schwinn'];

/** 2019-01-02 03:04:05 UTC, movr's now. */
const NOW_NANOS = BigInt(Date.UTC(2019, 0, 2, 3, 4, 5)) * 1_000_000n;
const HOUR_NANOS = 3_600_000_000_000n;

/**
 * The UUIDs that CockroachDB's workload gives row `index` of `count`: spread evenly over all, with 53 significant bits,
 * version 4 and the row number in the low bytes.
 */
export function movrUuid(index: number, count: number): UuidDatum {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  // A double times a power of two is exact, so the two halves are those of the 64-bit number.
  const scaled = (index / count) * 2 ** 32;
  const high = Math.floor(scaled);
  view.setUint32(0, high);
  view.setUint32(4, Math.floor((scaled - high) * 2 ** 32));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  view.setUint32(8, 0x80000000 + Math.floor(index / 2 ** 32));
  view.setUint32(12, index % 2 ** 32);
  return { kind: 'uuid', bytes };
}

/** Row numbers of a city: the k-th of 9 cities has the rows from ceil(k·n/9) on. */
export function cityRows(city: number, rows: number): { readonly first: number; readonly end: number } {
  const start = (k: number) => Math.ceil((k * rows) / MOVR_CITIES.length);
  return { first: start(city), end: start(city + 1) };
}

function timestamp(nanos: bigint): TimestampDatum {
  return { kind: 'timestamp', nanos };
}

function json(entries: readonly (readonly [string, string])[]): JsonDatum {
  return { kind: 'json', value: { kind: 'object', entries } };
}

function address(random: Random): string {
  const base = `${random.below(100_000)} ${random.pick(STREET)} ${random.pick(STREET_KIND)}`;
  const extra = random.below(4);
  return extra === 0 ? `${base} Apt. ${random.below(100)}` : extra === 1 ? `${base} Suite ${random.below(100)}` : base;
}

function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(WORDS)).join(' ');
}

/** A row number of a city's share of a table, at random. */
function pickRow(random: Random, city: number, rows: number): number {
  const { first, end } = cityRows(city, rows);
  return first + random.below(Math.max(end - first, 1));
}

/** Cities in key order. */
function sortedCities(): { readonly city: number; readonly name: string }[] {
  return MOVR_CITIES.map(({ name }, city) => ({ city, name })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function* movrUsers(counts: MovrCounts, seed: number): Generator<Datum[]> {
  for (const { city, name } of sortedCities()) {
    const { first, end } = cityRows(city, counts.users);
    for (let row = first; row < end; row++) {
      const random = new Random(seed ^ (row * 8 + 1));
      const card = String(random.below(1e9)).padStart(10, '0');
      yield [movrUuid(row, counts.users), name, `${random.pick(FIRST)} ${random.pick(LAST)}`, address(random), card];
    }
  }
}

export function* movrVehicles(counts: MovrCounts, seed: number): Generator<Datum[]> {
  for (const { city, name } of sortedCities()) {
    const { first, end } = cityRows(city, counts.vehicles);
    for (let row = first; row < end; row++) {
      const random = new Random(seed ^ (row * 8 + 2));
      const type = random.pick(VEHICLES);
      const owner = movrUuid(pickRow(random, city, counts.users), counts.users);
      const ext =
        type === 'bike'
          ? json([
              ['brand', random.pick(BIKE_BRANDS)],
              ['color', random.pick(COLORS)],
            ])
          : json([['color', random.pick(COLORS)]]);
      yield [
        movrUuid(row, counts.vehicles),
        name,
        type,
        owner,
        timestamp(NOW_NANOS),
        random.pick(STATUSES),
        address(random),
        ext,
      ];
    }
  }
}

function money(cents: number): Decimal {
  return { kind: 'decimal', form: 'finite', negative: false, coefficient: BigInt(cents), exponent: -2 };
}

export function* movrRides(counts: MovrCounts, seed: number): Generator<Datum[]> {
  for (const { city, name } of sortedCities()) {
    const { first, end } = cityRows(city, counts.rides);
    for (let row = first; row < end; row++) {
      const random = new Random(seed ^ (row * 8 + 3));
      const rider = movrUuid(pickRow(random, city, counts.users), counts.users);
      const vehicle = movrUuid(pickRow(random, city, counts.vehicles), counts.vehicles);
      const start = NOW_NANOS - BigInt(random.below(30) * 24) * HOUR_NANOS;
      const finish = start + BigInt(random.below(60)) * HOUR_NANOS;
      const id = movrUuid(row, counts.rides);
      yield [
        id,
        name,
        name,
        rider,
        vehicle,
        address(random),
        address(random),
        timestamp(start),
        timestamp(finish),
        money(random.below(100) * 100),
      ];
    }
  }
}

/** Positions of rides: the rows of a city go round its rides, a millisecond apart. */
export function* movrHistories(counts: MovrCounts, seed: number): Generator<Datum[]> {
  for (const { city, name } of sortedCities()) {
    const rides = cityRows(city, counts.rides);
    const histories = cityRows(city, counts.vehicle_location_histories);
    const rideCount = rides.end - rides.first;
    for (let ride = rides.first; ride < rides.end; ride++) {
      for (let row = histories.first + (ride - rides.first); row < histories.end; row += rideCount) {
        const random = new Random(seed ^ (row * 8 + 4));
        const time = timestamp(NOW_NANOS + BigInt(row) * 1_000_000n);
        yield [name, movrUuid(ride, counts.rides), time, random.below(180) - 90, random.below(360) - 180];
      }
    }
  }
}

export function* movrPromoCodes(counts: MovrCounts, seed: number): Generator<Datum[]> {
  // Codes begin with the row number in decimal, so their order is that of the digits' text.
  const order = Array.from({ length: counts.promo_codes }, (_, row) => `${row}_`).sort();
  const rules = json([
    ['type', 'percent_discount'],
    ['value', '10%'],
  ]);
  for (const prefix of order) {
    const random = new Random(seed ^ (Number.parseInt(prefix, 10) * 8 + 5));
    const code = `${prefix}${words(random, 3).replaceAll(' ', '_')}`;
    const created = NOW_NANOS - BigInt(random.below(30) * 24) * HOUR_NANOS;
    const expires = created + BigInt(random.below(30) * 24) * HOUR_NANOS;
    const text = `${words(random, 8 + random.below(12))}.`;
    yield [code, text.charAt(0).toUpperCase() + text.slice(1), timestamp(created), timestamp(expires), rules];
  }
}
