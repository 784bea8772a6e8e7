import { type Catalog, initialZoneRows, SYSTEM_TABLE_IDS, tableSchema } from '../../catalog/index.js';
import { SpanvaultError } from '../../fault/index.js';
import { fromHex, type Timestamp } from '../../keys/index.js';
import { type Datum, type Decimal, type Row, RowEncoder } from '../../rows/index.js';
import type { KeyValue } from './packed_batch.js';

/*
 * The rows that system tables of a new cluster hold, as ordinary data: what `cockroach start` of 21.1 leaves there.
 */

/** ClusterVersion {active_version {21, 1}} as the row `version` of system.settings holds it. */
const VERSION_21_1 = fromHex('12 08 08 15 10 01 18 00 20 00');

/** Where CockroachDB's map draws the regions that the examples use. */
const LOCATIONS: readonly (readonly [string, string, string])[] = [
  ['us-east1', '33.836082', '-81.163727'],
  ['us-west1', '43.804133', '-120.554201'],
  ['europe-west1', '50.44816', '3.81886'],
];

/** DECIMAL(18,15) of a number in plain notation. */
function coordinate(text: string): Decimal {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.');
  const coefficient = BigInt(whole + fraction.padEnd(15, '0'));
  return { kind: 'decimal', form: 'finite', negative: text.startsWith('-'), coefficient, exponent: -15 };
}

function initialRows(time: Timestamp): ReadonlyMap<number, readonly Row[]> {
  const now: Datum = { kind: 'timestamp', nanos: (time.wall / 1000n) * 1000n };
  const noPassword = new Uint8Array(0);
  return new Map<number, readonly Row[]>([
    [
      SYSTEM_TABLE_IDS.users,
      [
        ['admin', noPassword, true],
        ['root', noPassword, false],
      ],
    ],
    [SYSTEM_TABLE_IDS.roleMembers, [['admin', 'root', true]]],
    [SYSTEM_TABLE_IDS.zones, initialZoneRows().map(({ id, config }) => [BigInt(id), config])],
    [SYSTEM_TABLE_IDS.settings, [['version', Buffer.from(VERSION_21_1).toString('latin1'), now, 'm']]],
    [
      SYSTEM_TABLE_IDS.locations,
      LOCATIONS.map(([region, latitude, longitude]) => ['region', region, coordinate(latitude), coordinate(longitude)]),
    ],
  ]);
}

/** Entries of every system table of a new cluster. `catalog` holds the system tables. */
export function systemEntries(catalog: Catalog, time: Timestamp): KeyValue[] {
  return [...initialRows(time)].flatMap(([tableId, rows]) => {
    const table = catalog.tableById(tableId);
    if (table === undefined) throw new SpanvaultError('SV_INTERNAL', `system table ${tableId} is not defined`);
    const encoder = new RowEncoder(tableSchema(catalog, table));
    return rows.flatMap((row) => encoder.encode(row));
  });
}
