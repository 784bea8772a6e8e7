import { SpanvaultError } from '../fault/index.js';
import { type ExternalStorage, withSecondRead } from '../storage/index.js';
import { openEnvelope } from './envelope.js';
import * as pb from './generated/backup.js';
import { fill, fromBigInt, fromScalar, plainBytes, toSigned, toUnsigned } from './wire_values.js';

/** Name of the statistics file that every table's entry of a manifest names. */
export const STATISTICS_FILE = 'BACKUP-STATISTICS';

/** Statistics of one or more columns of a table (TableStatisticProto). */
export interface TableStatistic {
  readonly tableId: number;
  readonly statisticId: bigint;
  readonly name: string;
  readonly columnIds: readonly number[];
  /** Seconds and nanoseconds since 1970. */
  readonly createdAt: { readonly seconds: bigint; readonly nanos: number };
  readonly rowCount: bigint;
  readonly distinctCount: bigint;
  readonly nullCount: bigint;
  readonly avgSize: bigint;
  /** Marshalled HistogramData, undefined without histogram. */
  readonly histogramData: Uint8Array | undefined;
}

/** Decodes a StatsTable. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeStatistics(bytes: Uint8Array, name: string): TableStatistic[] {
  let table: pb.StatsTable;
  try {
    table = pb.StatsTable.decode(plainBytes(bytes));
  } catch (cause) {
    throw new SpanvaultError('SV_CORRUPT_MANIFEST', `${name} of ${bytes.length} bytes is malformed or cut`, { cause });
  }
  return table.statistics.map((statistic) => ({
    tableId: statistic.tableId ?? 0,
    statisticId: toUnsigned(statistic.statisticId),
    name: statistic.name ?? '',
    columnIds: statistic.columnIds ?? [],
    createdAt: { seconds: toSigned(statistic.createdAt?.seconds), nanos: statistic.createdAt?.nanos ?? 0 },
    rowCount: toUnsigned(statistic.rowCount),
    distinctCount: toUnsigned(statistic.distinctCount),
    nullCount: toUnsigned(statistic.nullCount),
    avgSize: toUnsigned(statistic.avgSize),
    histogramData: Object.hasOwn(statistic, 'histogramData') ? (statistic.histogramData ?? undefined) : undefined,
  }));
}

/** Encodes a StatsTable. */
export function encodeStatistics(statistics: readonly TableStatistic[]): Uint8Array {
  const messages = statistics.map((statistic) =>
    fill(new pb.TableStatistic(), {
      tableId: fromScalar(statistic.tableId),
      statisticId: fromBigInt(statistic.statisticId, true),
      name: fromScalar(statistic.name),
      columnIds: [...statistic.columnIds],
      createdAt: fill(new pb.GoogleTimestamp(), {
        seconds: fromBigInt(statistic.createdAt.seconds),
        nanos: fromScalar(statistic.createdAt.nanos),
      }),
      rowCount: fromBigInt(statistic.rowCount, true),
      distinctCount: fromBigInt(statistic.distinctCount, true),
      nullCount: fromBigInt(statistic.nullCount, true),
      histogramData: statistic.histogramData,
      avgSize: fromBigInt(statistic.avgSize, true),
    }),
  );
  return plainBytes(pb.StatsTable.encode(fill(new pb.StatsTable(), { statistics: messages })).finish());
}

/** Reads a statistics file, which is not compressed. @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_CORRUPT_MANIFEST, SV_USAGE */
export async function readStatistics(storage: ExternalStorage, name = STATISTICS_FILE): Promise<TableStatistic[]> {
  const shown = `${storage.display}/${name}`;
  return await withSecondRead(storage, async (again) => {
    const { bytes } = await storage.read(name, again);
    return decodeStatistics(await openEnvelope(bytes, shown), shown);
  });
}

/** Writes the statistics file. */
export async function writeStatistics(storage: ExternalStorage, statistics: readonly TableStatistic[]): Promise<void> {
  await storage.write(STATISTICS_FILE, encodeStatistics(statistics));
}
