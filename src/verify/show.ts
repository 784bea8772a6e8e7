import { Catalog, type Descriptor, decodeDescriptor, tableSpan } from '../catalog/index.js';
import {
  fileKey,
  inChainOrder,
  missingFilesError,
  type OpenedBackup,
  type OpenedLayer,
  openBackup,
  type SeenFiles,
  seeFiles,
} from '../collection/index.js';
import { compareBytes, isEmptyTimestamp, type Timestamp } from '../keys/index.js';
import type { FileRecord, Manifest } from '../manifest/index.js';
import { inLanes, type StorageSettings } from '../storage/index.js';

export interface ShowOptions {
  /** 'LATEST', a subdirectory, or undefined when the URIs name the backup's own directory. */
  readonly from: string | undefined;
  /** The URIs that together hold the backup, in any order. */
  readonly in: readonly string[];
  readonly storage?: StorageSettings;
  /** Where the incrementals lie that were taken WITH incremental_location. */
  readonly incrementalLocation?: readonly string[];
  /** With `from` undefined: the further layers, each by the URIs that together hold it. */
  readonly incrementals?: readonly (readonly string[])[];
  /** Show compacted layers too, which only repeat what others hold. */
  readonly compacted?: boolean;
  /** Look for every data file in its store, and sum their sizes. */
  readonly checkFiles?: boolean;
  readonly signal?: AbortSignal;
}

/** One object of one layer. Sizes are null for what has no rows. */
export interface ShownObject {
  readonly databaseName: string | null;
  readonly parentSchemaName: string | null;
  readonly objectName: string;
  readonly objectType: 'database' | 'schema' | 'type' | 'table' | 'function';
  /** Key and value bytes. */
  readonly sizeBytes: number | null;
  readonly rows: number | null;
  /** Physical bytes of the object's share of its files; only with checkFiles. */
  readonly fileBytes?: number | null;
  readonly databaseId: number | null;
  readonly parentSchemaId: number | null;
  readonly objectId: number;
  readonly descriptor: Descriptor;
}

export interface ShownLayer {
  readonly backupType: 'full' | 'incremental';
  readonly startTime: Timestamp | null;
  readonly endTime: Timestamp;
  readonly isFullCluster: boolean;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly objects: readonly ShownObject[];
}

export interface ShownBackup {
  readonly subdir: string | undefined;
  readonly layers: readonly ShownLayer[];
  /** What was left out and why, one sentence each. */
  readonly notices: readonly string[];
}

/** Opens what is to be shown. @throws SpanvaultError what opening a backup throws */
export function openShown(options: ShowOptions): Promise<OpenedBackup> {
  return openBackup({
    uris: options.in,
    subdir: options.from,
    settings: options.storage ?? {},
    ...(options.incrementalLocation === undefined ? {} : { incrementalLocation: options.incrementalLocation }),
    ...(options.incrementals === undefined ? {} : { incrementals: options.incrementals }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/**
 * Describes every layer of a backup from its metadata, oldest first; with checkFiles, also that each data file is there.
 * @throws SpanvaultError SV_COVERAGE naming up to ten missing files, and what opening a backup throws
 */
export async function showBackup(options: ShowOptions): Promise<ShownBackup> {
  const { signal } = options;
  const opened = await openShown(options);
  // Compacted layers hold nothing that the others do not.
  const chosen = inChainOrder(opened.layers).filter(({ head }) => options.compacted === true || !head.isCompacted);
  const loaded = await inLanes(chosen, async (layer) => ({ layer, manifest: await layer.load(signal) }));
  const seen =
    options.checkFiles === true
      ? await seeFiles(
          loaded.map(({ layer, manifest }) => ({ layer, files: manifest.files })),
          signal,
        )
      : undefined;
  const missing = seen?.flatMap((layer) => layer.missing) ?? [];
  if (missing.length > 0) throw missingFilesError(missing);
  const layers = loaded.map(({ layer, manifest }, index) => showLayer(layer, manifest, seen?.[index]));
  return { subdir: opened.subdir, layers, notices: opened.notices };
}

function showLayer({ directory }: OpenedLayer, manifest: Manifest, seen: SeenFiles | undefined): ShownLayer {
  const catalog = Catalog.decode(manifest.descriptors);
  const files = [...manifest.files].sort((a, b) => compareBytes(a.span.key, b.span.key));
  return {
    backupType: isEmptyTimestamp(manifest.startTime) ? 'full' : 'incremental',
    startTime: isEmptyTimestamp(manifest.startTime) ? null : manifest.startTime,
    endTime: manifest.endTime,
    isFullCluster: manifest.descriptorCoverage === 'cluster',
    directory,
    manifest,
    catalog,
    // In the manifest's own order, which is that of the cluster's catalog.
    objects: manifest.descriptors.map((raw) => showObject(decodeDescriptor(raw), catalog, files, seen)),
  };
}

function showObject(
  descriptor: Descriptor,
  catalog: Catalog,
  files: readonly FileRecord[],
  seen: SeenFiles | undefined,
): ShownObject {
  const parent = descriptor.parentId === 0 ? undefined : catalog.byId(descriptor.parentId);
  const schema =
    descriptor.kind === 'database' || descriptor.kind === 'schema' ? undefined : catalog.schemaName(descriptor);
  const own = descriptor.kind === 'table' ? filesOfTable(descriptor.id, files) : undefined;
  return {
    databaseName: parent?.name ?? null,
    parentSchemaName: schema ?? null,
    objectName: descriptor.name,
    objectType: descriptor.kind,
    sizeBytes: own === undefined ? null : own.reduce((sum, file) => sum + Number(file.entryCounts.dataSize), 0),
    rows: own === undefined ? null : own.reduce((sum, file) => sum + Number(file.entryCounts.rows), 0),
    ...(seen === undefined ? {} : { fileBytes: own === undefined ? null : physicalBytes(own, seen) }),
    databaseId: descriptor.parentId === 0 ? null : descriptor.parentId,
    parentSchemaId: schema === undefined ? null : descriptor.parentSchemaId,
    objectId: descriptor.id,
    descriptor,
  };
}

/** Bytes of the files of some entries; one that holds several of them counts once for each, as in CockroachDB. */
function physicalBytes(files: readonly FileRecord[], { bytes }: SeenFiles): number {
  return files.reduce((sum, file) => sum + (bytes.get(fileKey(file)) ?? 0), 0);
}

/** Entries whose span begins in the table's key space; rows of interleaved tables count for their ancestor, as in CockroachDB. */
function filesOfTable(tableId: number, sorted: readonly FileRecord[]): readonly FileRecord[] {
  const { key, endKey } = tableSpan(tableId);
  return sorted.slice(firstFrom(sorted, key), firstFrom(sorted, endKey));
}

/** Index of the first file that begins at `key` or after it. */
function firstFrom(sorted: readonly FileRecord[], key: Uint8Array): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(sorted[middle]!.span.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
