import { Catalog, isPlainView, isSequence, SYSTEM_DATABASE_ID, type Table, tableSpan } from '../catalog/index.js';
import { containsKey, type Timestamp } from '../keys/index.js';
import type { TableStatistic } from '../manifest/index.js';
import type { PlacedExport } from './assemble.js';

/** The name that CockroachDB gives to statistics that it collects by itself. */
const AUTOMATIC = '__auto__';
const NANOS = 1_000_000_000n;

/**
 * Row counts of the tables in a backup, as statistics on their primary keys: what the export has counted anyway, so that a
 * restored cluster plans with true sizes at once. Primary keys are unique and never NULL, so the counts are exact.
 */
export function tableStatistics(
  descriptors: readonly Uint8Array[],
  files: readonly PlacedExport[],
  endTime: Timestamp,
): readonly TableStatistic[] {
  // Statistics of system tables belong to the cluster that collects them.
  const tables = Catalog.decode(descriptors)
    .tables()
    .filter(({ parentId }) => parentId !== SYSTEM_DATABASE_ID);
  return tables.flatMap((table, index) => statisticOf(table, BigInt(index + 1), files, endTime) ?? []);
}

function statisticOf(
  table: Table,
  number: bigint,
  files: readonly PlacedExport[],
  endTime: Timestamp,
): TableStatistic | undefined {
  const { primaryIndex } = table.message;
  // Views and sequences have no primary key to count; rows of interleaved tables lie in the files of their ancestors.
  if (
    isPlainView(table) ||
    isSequence(table) ||
    primaryIndex?.keyColumnIds === undefined ||
    primaryIndex.keyColumnIds === null
  )
    return undefined;
  if ((primaryIndex.interleave?.ancestors?.length ?? 0) > 0 || (primaryIndex.interleavedBy?.length ?? 0) > 0)
    return undefined;
  const span = tableSpan(table.id);
  const rows = files.filter((file) => containsKey(span, file.span.key)).reduce((sum, file) => sum + file.rows, 0);
  return {
    tableId: table.id,
    // Unique within the file: CockroachDB gives it a new one when it inserts the row.
    statisticId: number,
    name: AUTOMATIC,
    columnIds: primaryIndex.keyColumnIds,
    createdAt: { seconds: endTime.wall / NANOS, nanos: Number(endTime.wall % NANOS) },
    rowCount: BigInt(rows),
    distinctCount: BigInt(rows),
    nullCount: 0n,
    avgSize: 0n,
    histogramData: undefined,
  };
}
