import { Catalog, type Descriptor, decodeDescriptor, tableSpan } from '../catalog/index.js';
import {
  listFulls,
  missingFiles,
  missingFilesError,
  type OpenedBackup,
  type OpenedLayer,
  openBackup,
  parseSourceUris,
  storeOf,
} from '../collection/index.js';
import { compareBytes, isEmptyTimestamp, type Timestamp } from '../keys/index.js';
import type { FileRecord, Manifest } from '../manifest/index.js';
import { openStorage, type StorageSettings } from '../storage/index.js';

export interface ShowOptions {
  /** 'LATEST', a subdirectory, or undefined when the URIs name the backup's own directory. */
  readonly from: string | undefined;
  /** The URIs that together hold the backup, in any order. */
  readonly in: readonly string[];
  readonly storage?: StorageSettings;
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
}

/** Most paths that the error of check_files names, as in CockroachDB. */
const MISSING_LISTED_MAX = 10;

/**
 * Subdirectories of the full backups of a collection, oldest first. Any of a locality-aware backup's locations may be given;
 * only the default one holds manifests.
 */
export async function listBackups(uris: readonly string[], settings: StorageSettings = {}): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const { uri } of parseSourceUris(uris)) {
    const storage = openStorage({ uri, settings });
    try {
      for (const subdir of await listFulls(storage)) found.add(subdir);
    } finally {
      await storage.close();
    }
  }
  return [...found].sort();
}

/**
 * Describes every layer of a backup from its metadata; with checkFiles, also that each data file is there.
 * @throws SpanvaultError SV_COVERAGE naming up to ten missing files, and what opening a backup throws
 */
export async function showBackup(options: ShowOptions): Promise<ShownBackup> {
  const opened = await openBackup({
    uris: options.in,
    subdir: options.from,
    settings: options.storage ?? {},
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  if (options.checkFiles === true) await refuseMissing(opened, options.signal);
  const layers: ShownLayer[] = [];
  for (const layer of opened.layers) {
    const sizes = options.checkFiles === true ? await fileSizes(layer) : undefined;
    layers.push(showLayer(layer, sizes));
  }
  return { subdir: opened.subdir, layers };
}

async function refuseMissing(opened: OpenedBackup, signal: AbortSignal | undefined): Promise<void> {
  const missing = await missingFiles(opened, signal);
  if (missing.length > 0) throw missingFilesError(missing.slice(0, MISSING_LISTED_MAX));
}

async function fileSizes(layer: OpenedLayer): Promise<ReadonlyMap<FileRecord, number>> {
  const sizes = new Map<FileRecord, number>();
  const byPath = new Map<string, number>();
  for (const file of layer.manifest.files) {
    const config = storeOf(layer, file);
    const id = `${config.uri}\0${file.path}`;
    let bytes = byPath.get(id);
    if (bytes === undefined) {
      const storage = openStorage(config);
      bytes = await storage.size(file.path);
      await storage.close();
      byPath.set(id, bytes);
    }
    sizes.set(file, bytes);
  }
  return sizes;
}

function showLayer(
  { manifest, directory }: OpenedLayer,
  sizes: ReadonlyMap<FileRecord, number> | undefined,
): ShownLayer {
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
    objects: manifest.descriptors.map((raw) => showObject(decodeDescriptor(raw), catalog, files, sizes)),
  };
}

function showObject(
  descriptor: Descriptor,
  catalog: Catalog,
  files: readonly FileRecord[],
  sizes: ReadonlyMap<FileRecord, number> | undefined,
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
    ...(sizes === undefined
      ? {}
      : { fileBytes: own === undefined ? null : own.reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0) }),
    databaseId: descriptor.parentId === 0 ? null : descriptor.parentId,
    parentSchemaId: schema === undefined ? null : descriptor.parentSchemaId,
    objectId: descriptor.id,
    descriptor,
  };
}

/** Entries whose span begins in the table's key space; rows of interleaved tables count for their ancestor, as in CockroachDB. */
function filesOfTable(tableId: number, files: readonly FileRecord[]): FileRecord[] {
  const span = tableSpan(tableId);
  return files.filter(
    (file) => compareBytes(span.key, file.span.key) <= 0 && compareBytes(file.span.key, span.endKey) < 0,
  );
}
