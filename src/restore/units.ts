import type { RestoreStage, RestoreTicket } from '../cluster/contract.js';
import type { OpenedLayer } from '../collection/index.js';
import type { TaskSpec } from '../executor/index.js';
import { compareBytes, containsSpan, type Timestamp } from '../keys/index.js';
import { type FileRecord, versionAtLeast } from '../manifest/index.js';
import type { StorageConfig } from '../storage/index.js';
import { type CoverLayer, coverSpans, type RestoreUnit } from './cover.js';
import { elidedPrefixOf } from './elision.js';
import type { IngestTaskArgs } from './ingest_task.js';
import type { RestoreOptions } from './options.js';

/*
 * From the layers of a chain to units, and from a unit to what a worker is told.
 */

const MiB = 1024 * 1024;
const BATCH_BYTES = 8 * MiB;
const UNIT_BYTES = 32 * MiB;
/**
 * A unit's batches hold versions besides the keys and values that its size counts; and where the files of a long chain share their
 * bounds, a unit is a whole range of 64 MiB: what can be held is merged before its turn, and the other worker need not wait.
 */
const HOLD_SLACK_BYTES = 48 * MiB;
/** Most files of one unit: bounds what a worker holds open (crdb-format.md 7.5). */
const UNIT_FILES_MAX = 200;

/** A layer of the chain with what it lists. */
export interface LoadedLayer {
  readonly opened: OpenedLayer;
  readonly files: readonly FileRecord[];
}

/** A layer with its files in key order, as the covering's file indexes count them. */
export interface SortedLayer extends LoadedLayer {
  readonly records: readonly FileRecord[];
  readonly cover: CoverLayer;
}

/** Sorts a layer's files for the covering. */
export function sortLayer({ opened, files }: LoadedLayer, endInclusive: boolean): SortedLayer {
  const { startTime, endTime, spans, introducedSpans } = opened.head;
  const records = [...files].sort((a, b) => compareBytes(a.span.key, b.span.key));
  const coverFiles = records.map(({ path, localityKv, span, entryCounts }) => ({
    path,
    localityKv,
    span,
    dataBytes: Number(entryCounts.dataSize),
  }));
  return {
    opened,
    files,
    records,
    cover: { startTime, endTime, spans, introducedSpans, endInclusive, files: coverFiles },
  };
}

/** Files may share a boundary key when a writer before 24.1 cut revisions apart (crdb-format.md 7.5, step 3). */
export function endsAreInclusive(layers: readonly LoadedLayer[]): boolean {
  return layers.some(
    ({ opened: { head } }) => head.mvccFilter === 'all' && !versionAtLeast(head.clusterVersion, 24, 1),
  );
}

/** The units of a stage. */
export function planStage(
  stage: RestoreStage,
  layers: readonly SortedLayer[],
  ticket: RestoreTicket,
  options: RestoreOptions,
): RestoreUnit[] {
  return coverSpans({
    spans: stage.spans,
    layers: layers.map((layer) => layer.cover),
    cutKeys: ticket.rewrites.map(({ from }) => from),
    targetBytes: unitBytesOf(options),
    maxFiles: UNIT_FILES_MAX,
  });
}

/** What a worker is told of a unit. */
export function unitTask(
  unit: RestoreUnit,
  layers: readonly SortedLayer[],
  ticket: RestoreTicket,
  time: Timestamp,
  options: RestoreOptions,
  primaries: readonly Uint8Array[],
): TaskSpec<IngestTaskArgs> {
  const stores: StorageConfig[] = [];
  const indexes = new Map<string, number>();
  const storeIndex = (config: StorageConfig): number => {
    const known = indexes.get(config.uri) ?? stores.push(config) - 1;
    indexes.set(config.uri, known);
    return known;
  };
  const files = unit.files.map(({ layer, file, endInclusive }) => {
    const { opened, records } = layers[layer]!;
    const record = records[file]!;
    const { location, name } = opened.placeOf(record);
    return {
      store: storeIndex(location),
      path: name,
      layer,
      elidedPrefix: elidedPrefixOf(opened.head, record.span.key),
      span: record.span,
      endInclusive,
      // A file of which a unit takes a part is not worth reading whole.
      wholeBytes: containsSpan(unit.span, record.span) ? Number(record.entryCounts.dataSize) : 0,
    };
  });
  return {
    module: new URL('./ingest_task.js', import.meta.url).href,
    export: 'ingestTask',
    args: {
      writer: options.schemaOnly === true ? null : options.sink.writer,
      stores,
      files,
      span: unit.span,
      asOf: time,
      // All pairs: keys of interleaved tables lie in their ancestors' spans.
      rewrites: ticket.rewrites.flatMap(({ from, to }) => [from, to]),
      primaries,
      writeTime: ticket.writeTime,
      batchBytes: options.batchBytes ?? BATCH_BYTES,
      holdBytes: unitBytesOf(options) + HOLD_SLACK_BYTES,
    },
  };
}

function unitBytesOf(options: RestoreOptions): number {
  return options.unitBytes ?? UNIT_BYTES;
}
