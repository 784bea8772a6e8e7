import { Catalog, excludedSpans, type Table, tableIndexSpans } from '../catalog/index.js';
import { SpanvaultError } from '../fault/index.js';
import { overlaps, printTimestamp, type Span, subtractSpans, type Timestamp } from '../keys/index.js';
import type { Manifest } from '../manifest/index.js';

/*
 * Tables with `exclude_data_from_backup`: restored, and empty (crdb-features.md 4.2). The flag counts as it was at the restored
 * time; what layers held of their rows before it was set is part of a table only.
 */

/**
 * What of some spans a restore reads: not those of tables that are excluded.
 * @param newest the layer that holds the restored time, `descriptors` the catalog at that time
 * @throws SpanvaultError SV_COVERAGE when the flag was set after that time and before the layer's end: its rows are not there
 */
export function withoutExcluded(
  spans: readonly Span[],
  newest: Pick<Manifest, 'startTime' | 'endTime' | 'descriptors'>,
  descriptors: readonly Uint8Array[],
  time: Timestamp,
): readonly Span[] {
  const atTime = Catalog.decode(descriptors).tables();
  const isExcluded = ({ message }: Table): boolean => message.excludeDataFromBackup === true;
  const wanted = atTime.some(isExcluded) ? subtractSpans(spans, excludedSpans(atTime)) : spans;
  const left = Catalog.decode(newest.descriptors).tables().filter(isExcluded);
  const lost = atTime.find(
    (table) =>
      !isExcluded(table) &&
      left.some(({ id }) => id === table.id) &&
      tableIndexSpans(table).some((own) => wanted.some((span) => overlaps(own, span))),
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
