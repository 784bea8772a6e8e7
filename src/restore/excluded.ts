import { Catalog, excludedSpans, type Table, tableIndexSpans } from '../catalog/index.js';
import type { RestoreStage } from '../cluster/contract.js';
import { SpanvaultError } from '../fault/index.js';
import { equalTimestamps, overlaps, printTimestamp, subtractSpans, type Timestamp } from '../keys/index.js';
import type { Manifest } from '../manifest/index.js';

/*
 * Tables with `exclude_data_from_backup`: restored, and empty (crdb-features.md 4.2). The flag counts as it was at the restored
 * time; what layers held of their rows before it was set is part of a table only.
 */

/**
 * The stages of a restore without the spans of tables that are excluded.
 * @param tables those of the backup at the restored time
 * @param newest the layer that holds that time
 * @throws SpanvaultError SV_COVERAGE when the flag was set after that time and before the layer's end: its rows are not there
 */
export function withoutExcluded(
  stages: readonly RestoreStage[],
  tables: readonly Table[],
  newest: Pick<Manifest, 'startTime' | 'endTime' | 'descriptors'>,
  time: Timestamp,
): readonly RestoreStage[] {
  const excluded = excludedSpans(tables);
  const wanted =
    excluded.length === 0 ? stages : stages.map(({ name, spans }) => ({ name, spans: subtractSpans(spans, excluded) }));
  // At the end of a layer its tables are those of that time.
  if (equalTimestamps(time, newest.endTime)) return wanted;
  const isExcluded = ({ message }: Table): boolean => message.excludeDataFromBackup === true;
  const left = new Set(
    Catalog.decode(newest.descriptors)
      .tables()
      .filter(isExcluded)
      .map(({ id }) => id),
  );
  const read = wanted.flatMap(({ spans }) => spans);
  const lost = tables.find(
    (table) =>
      !isExcluded(table) &&
      left.has(table.id) &&
      tableIndexSpans(table).some((own) => read.some((span) => overlaps(own, span))),
  );
  if (lost === undefined) return wanted;
  throw new SpanvaultError(
    'SV_COVERAGE',
    `table ${JSON.stringify(lost.name)} was excluded from backup after ${printTimestamp(time)} and before ${printTimestamp(newest.endTime)}: the backup has not all of its rows at that time`,
    {
      hint: `restore as of ${printTimestamp(newest.startTime)} or earlier, or as of the end of the layer, which restores the table empty`,
    },
  );
}
