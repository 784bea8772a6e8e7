import {
  BANK_TABLE,
  buildTables,
  configureZone,
  type Database,
  decodeDescriptor,
  KV_TABLE,
  MOVR_PARTITIONS,
  MOVR_REGIONS,
  MOVR_TABLES,
  MOVR_TABLES_PLAIN,
  partitionNames,
  type Table,
  type TableSpec,
  type Zones,
} from '../../../catalog/index.js';
import { SpanvaultError } from '../../../fault/index.js';
import { parseLocality } from '../../../keys/index.js';
import { native } from '../../../native/index.js';
import type { Row } from '../../../rows/index.js';
import { type BulkFacts, type BulkOptions, type BulkTable, type BulkWriter, bulkLoad } from '../bulk_load.js';
import type { EmbeddedCluster } from '../cluster.js';
import {
  type MovrCounts,
  movrCounts,
  movrHistories,
  movrPromoCodes,
  movrRides,
  movrUsers,
  movrVehicles,
} from './movr_data.js';
import { Random, randomLetters } from './random.js';

export type WorkloadName = 'movr' | 'bank' | 'kv';

export interface WorkloadOptions {
  /** Rows over all tables; default: what CockroachDB's workload makes. */
  readonly rows?: number;
  /** Equal seeds give equal rows. Default 1. */
  readonly seed?: number;
  /** Default: the workload's name. Created when it does not exist. */
  readonly database?: string;
  /** movr: region of each partition (`us_west`, `us_east`, `europe_west`); default a node's region of that name. */
  readonly regions?: Readonly<Record<string, string>>;
  /** movr: partitions with zone configurations; default: when the nodes are in more than one region. */
  readonly partitioned?: boolean;
  /** kv: bytes of each value, default 100; bank: bytes of each payload, default 100. */
  readonly valueBytes?: number;
  /** kv: share of a value that a compressor can remove, default 0.5. */
  readonly compressibility?: number;
  readonly signal?: AbortSignal;
  readonly onRows?: (rows: number, bytes: number) => void;
}

export interface WorkloadFacts extends BulkFacts {
  readonly database: string;
}

const DEFAULT_SEED = 1;
const DEFAULT_ROWS = 1000;
const DEFAULT_VALUE_BYTES = 100;
/** Bytes that one native fill makes: some tens of milliseconds. */
const FILL_STEP_BYTES = 16 * 1024 * 1024;

/**
 * Creates a workload's tables with their rows, in its own database.
 * @throws SpanvaultError SV_EXISTS when a table of it exists, SV_ABORTED
 */
export async function workloadInit(
  cluster: EmbeddedCluster,
  name: WorkloadName,
  options: WorkloadOptions = {},
): Promise<WorkloadFacts> {
  const databaseName = options.database ?? name;
  const rows = options.rows ?? DEFAULT_ROWS;
  if (!Number.isSafeInteger(rows) || rows < 1)
    throw new SpanvaultError('SV_USAGE', `a workload of ${rows} rows cannot be made`);
  const database = cluster.catalog().database(databaseName) ?? (await cluster.createDatabase(databaseName));
  const plan = planOf(cluster, database, name, options);
  for (const { raw } of plan.tables) {
    const { parentId, parentSchemaId, name: tableName } = decodeDescriptor(raw);
    if (cluster.catalog().object(parentId, parentSchemaId, tableName) !== undefined) {
      throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(tableName)} already exists`);
    }
  }
  const bulk: BulkOptions = { what: `workload init ${name}`, signal: options.signal, onRows: options.onRows };
  const facts = await bulkLoad(
    cluster.core,
    plan.tables,
    plan.zones === undefined ? bulk : { ...bulk, zones: plan.zones },
  );
  return { database: databaseName, ...facts };
}

interface WorkloadPlan {
  readonly tables: readonly BulkTable[];
  readonly zones: BulkOptions['zones'];
}

function planOf(
  cluster: EmbeddedCluster,
  database: Database,
  name: WorkloadName,
  options: WorkloadOptions,
): WorkloadPlan {
  const build = (specs: readonly TableSpec[]): Uint8Array[] =>
    buildTables(specs, cluster.core.catalog.nextId(), { databaseId: database.id, time: cluster.now() });
  if (name === 'movr') return movrPlan(cluster, build, options);
  const [raw] = build([name === 'bank' ? BANK_TABLE : KV_TABLE]);
  const fill = name === 'bank' ? fillBank : fillKv;
  return { tables: [{ raw: raw!, fill: (writer) => fill(cluster, writer, options) }], zones: undefined };
}

function movrPlan(
  cluster: EmbeddedCluster,
  build: (specs: readonly TableSpec[]) => Uint8Array[],
  options: WorkloadOptions,
): WorkloadPlan {
  const regions = new Set(
    cluster.core.nodes
      .live()
      .flatMap(({ locality }) => locality.filter(({ key }) => key === 'region').map(({ value }) => value)),
  );
  const partitioned = options.partitioned ?? regions.size > 1;
  const specs = partitioned ? MOVR_TABLES : MOVR_TABLES_PLAIN;
  const raws = build(specs);
  const counts = movrCounts(options.rows);
  const seed = options.seed ?? DEFAULT_SEED;
  const tables = raws.map((raw, index): BulkTable => {
    const rows = movrRows(specs[index]!.name, counts, seed);
    return { raw, fill: (writer) => writer.rows(rows) };
  });
  return { tables, zones: partitioned ? movrZones(cluster, raws, regions, options.regions ?? {}) : undefined };
}

function movrRows(table: string, counts: MovrCounts, seed: number): Iterable<Row> {
  switch (table) {
    case 'users':
      return movrUsers(counts, seed);
    case 'vehicles':
      return movrVehicles(counts, seed);
    case 'rides':
      return movrRides(counts, seed);
    case 'vehicle_location_histories':
      return movrHistories(counts, seed);
    case 'promo_codes':
      return movrPromoCodes(counts, seed);
    default:
      return [];
  }
}

/** The region of a partition: the given one, else a node's region that is or begins with it, else the usual name. */
function regionOf(partition: string, regions: ReadonlySet<string>, given: Readonly<Record<string, string>>): string {
  const usual = MOVR_REGIONS[partition] ?? partition;
  const prefix = partition.replaceAll('_', '-');
  return (
    given[partition] ??
    [usual, ...[...regions].sort()].find((region) => regions.has(region) && region.startsWith(prefix)) ??
    usual
  );
}

/** Constrains every partition of every table to its region, whether or not a node is there yet. */
function movrZones(
  cluster: EmbeddedCluster,
  raws: readonly Uint8Array[],
  live: ReadonlySet<string>,
  given: Readonly<Record<string, string>>,
): NonNullable<BulkOptions['zones']> {
  const tables = raws.map(decodeDescriptor).filter((one): one is Table => one.kind === 'table');
  const catalog = cluster.catalog().with(tables);
  let zones: Zones = cluster.core.zones.current();
  const ids = new Set<number>();
  for (const partition of Object.keys(MOVR_PARTITIONS)) {
    const region = regionOf(partition, live, given);
    const nodes = [{ locality: parseLocality(`region=${region}`) }];
    const change = { kind: 'set', settings: [{ name: 'constraints', value: `[+region=${region}]` }] } as const;
    for (const table of tables) {
      if (!partitionNames(table.message.primaryIndex?.partitioning).includes(partition)) continue;
      const target = { kind: 'partition', partition, table: catalog.qualifiedName(table), index: '*' } as const;
      const changed = configureZone(catalog, zones, target, change, { currentDatabase: '', nodes });
      zones = changed.zones;
      for (const id of changed.changedIds) ids.add(id);
    }
  }
  return { zones, ids: [...ids] };
}

function* bankRows(rows: number, payloadBytes: number, seed: number): Generator<Row> {
  for (let id = 0; id < rows; id++) {
    const prefix = 'initial-';
    yield [
      BigInt(id),
      0n,
      prefix + randomLetters(new Random(seed ^ (id * 8 + 6)), Math.max(payloadBytes - prefix.length, 0)),
    ];
  }
}

async function fillBank(_cluster: EmbeddedCluster, writer: BulkWriter, options: WorkloadOptions): Promise<void> {
  await writer.rows(
    bankRows(options.rows ?? DEFAULT_ROWS, options.valueBytes ?? DEFAULT_VALUE_BYTES, options.seed ?? DEFAULT_SEED),
  );
}

/** kv is made in native code, a step at a time. */
async function fillKv(cluster: EmbeddedCluster, writer: BulkWriter, options: WorkloadOptions): Promise<void> {
  const rows = options.rows ?? DEFAULT_ROWS;
  const valueBytes = options.valueBytes ?? DEFAULT_VALUE_BYTES;
  const { directory, mapBytes } = cluster.core.store;
  const store = native.openStore(directory, mapBytes);
  try {
    const step = Math.max(1, Math.floor(FILL_STEP_BYTES / (valueBytes + 32)));
    for (let firstRow = 0; firstRow < rows; firstRow += step) {
      const count = Math.min(step, rows - firstRow);
      const bytes = native.fillKv(store, {
        tableId: writer.table.id,
        firstRow,
        rows: count,
        valueBytes,
        compressibility: options.compressibility ?? 0.5,
        seed: options.seed ?? DEFAULT_SEED,
        wall: writer.time.wall,
        checksums: true,
      });
      writer.counted(count, bytes);
      await new Promise(setImmediate);
    }
  } finally {
    native.closeStore(store);
  }
}
