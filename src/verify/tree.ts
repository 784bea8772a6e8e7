import { decodeDescriptor } from '../catalog/index.js';
import {
  chooseLayers,
  fileKey,
  inChainOrder,
  type OpenedBackup,
  type OpenedLayer,
  type SeenFiles,
  seeFiles,
  storeOf,
} from '../collection/index.js';
import { hasCode } from '../fault/index.js';
import { isEmptyTimestamp, printUuid, type Timestamp } from '../keys/index.js';
import { addCounts, type FileRecord, type Manifest, NO_ROWS, printVersion } from '../manifest/index.js';
import { inLanes, openStorage } from '../storage/index.js';
import { openShown, type ShowOptions } from './show.js';

/*
 * A chain as one looks at it: layers, and in each layer what lies in which bucket.
 */

/** What a layer, or a whole chain, has in one bucket. */
export interface TreeBucket {
  /** `key=value`; empty for the default location. */
  readonly locality: string;
  /** The location that holds it, secrets redacted: what is above the layer's own directory. */
  readonly location: string;
  readonly files: number;
  /** Key and value bytes. */
  readonly dataBytes: number;
  /** Bytes of the files that are there; only when files were looked at. */
  readonly fileBytes?: number;
  /** Paths of the files that are not there; only when files were looked at. */
  readonly missing?: readonly string[];
}

export interface TreeLayer {
  readonly type: 'full' | 'incremental' | 'compacted';
  /** Relative to its location; "" when the location is the layer's own. */
  readonly directory: string;
  /** Null for a full. */
  readonly startTime: Timestamp | null;
  readonly endTime: Timestamp;
  /** With revision history: the times that it can be restored to begin after this. */
  readonly revisionsFrom: Timestamp | null;
  readonly rows: number;
  readonly indexEntries: number;
  readonly dataBytes: number;
  /** Tables in its catalog. */
  readonly tables: number;
  /** A restore to the newest time reads it. */
  readonly onPath: boolean;
  /** The default location first, then localities by name. */
  readonly buckets: readonly TreeBucket[];
}

export interface BackupTree {
  readonly location: string;
  /** Directory of the full in the collection; undefined for a plain directory. */
  readonly subdir: string | undefined;
  /** Empty where the manifest has none. */
  readonly clusterId: string;
  /** `23.1`, or up to 20.2 the tag of the binary, `v20.2.0`; undefined when the manifest says neither. */
  readonly version: string | undefined;
  readonly isFullCluster: boolean;
  readonly databases: readonly string[];
  /** Oldest first. */
  readonly layers: readonly TreeLayer[];
  /** Sums over the layers, per locality and location. */
  readonly buckets: readonly TreeBucket[];
  /** Why the newest time cannot be restored; undefined when it can, as far as metadata tells. */
  readonly broken: string | undefined;
  readonly notices: readonly string[];
  readonly filesChecked: boolean;
}

/**
 * Reads a chain for drawing. Compacted layers are part of it; a gap or missing files are told, not thrown, so that what is
 * there can be seen.
 * @throws SpanvaultError what opening a backup throws
 */
export async function backupTree(options: Omit<ShowOptions, 'compacted'>): Promise<BackupTree> {
  const { signal } = options;
  const opened = await openShown(options);
  const loaded = await inLanes(inChainOrder(opened.layers), async (layer) => ({
    layer,
    manifest: await layer.load(signal),
  }));
  const seen =
    options.checkFiles === true
      ? await seeFiles(
          loaded.map(({ layer, manifest }) => ({ layer, files: manifest.files })),
          signal,
        )
      : undefined;
  const { path, broken } = newestPath(opened);
  const layers = loaded.map(({ layer, manifest }, index) => treeLayer(layer, manifest, path.has(layer), seen?.[index]));
  const newest = loaded.at(-1)!.manifest;
  const root = openStorage(opened.root);
  return {
    location: root.display,
    subdir: opened.subdir,
    clusterId: printUuid(newest.clusterId),
    version: versionOf(newest),
    isFullCluster: newest.descriptorCoverage === 'cluster',
    databases: databaseNames(newest),
    layers,
    buckets: sumBuckets(layers.flatMap(({ buckets }) => buckets)),
    broken,
    notices: opened.notices,
    filesChecked: seen !== undefined,
  };
}

function versionOf({ clusterVersion, buildInfo }: Manifest): string | undefined {
  if (clusterVersion.major !== 0) return printVersion(clusterVersion);
  return buildInfo.tag === '' ? undefined : buildInfo.tag;
}

/** The layers that a restore to the newest time reads, or why there is no such restore. */
function newestPath(opened: OpenedBackup): {
  readonly path: ReadonlySet<OpenedLayer>;
  readonly broken: string | undefined;
} {
  try {
    return { path: new Set(chooseLayers(opened.layers, undefined, opened.notices).chain), broken: undefined };
  } catch (error) {
    if (!hasCode(error, 'SV_COVERAGE')) throw error;
    return { path: new Set(), broken: error.message };
  }
}

function databaseNames(manifest: Manifest): readonly string[] {
  return manifest.descriptors
    .map(decodeDescriptor)
    .filter((descriptor) => descriptor.kind === 'database' && descriptor.state !== 'drop')
    .map(({ name }) => name);
}

function treeLayer(layer: OpenedLayer, manifest: Manifest, onPath: boolean, seen: SeenFiles | undefined): TreeLayer {
  const { startTime, endTime, files, mvccFilter, revisionStartTime, isCompacted, descriptors } = manifest;
  // The files are what there is; the layer's own counts are a writer's claim.
  const counts = files.reduce((sum, { entryCounts }) => addCounts(sum, entryCounts), NO_ROWS);
  const isFull = isEmptyTimestamp(startTime);
  const tables = descriptors.map(decodeDescriptor).filter(({ kind, state }) => kind === 'table' && state !== 'drop');
  return {
    type: isFull ? 'full' : isCompacted ? 'compacted' : 'incremental',
    directory: layer.directory,
    startTime: isFull ? null : startTime,
    endTime,
    revisionsFrom: mvccFilter === 'all' ? revisionStartTime : null,
    rows: Number(counts.rows),
    indexEntries: Number(counts.indexEntries),
    dataBytes: Number(counts.dataSize),
    tables: tables.length,
    onPath,
    buckets: layerBuckets(layer, files, seen),
  };
}

function layerBuckets(
  layer: OpenedLayer,
  files: readonly FileRecord[],
  seen: SeenFiles | undefined,
): readonly TreeBucket[] {
  const paths = new Map<string, Map<string, FileRecord>>();
  const bytes = new Map<string, number>();
  // Every location that the layer names is drawn, with files or without.
  for (const locality of ['', ...layer.stores.keys()]) paths.set(locality, new Map());
  for (const file of files) {
    const own = paths.get(file.localityKv) ?? new Map<string, FileRecord>();
    paths.set(file.localityKv, own.set(file.path, file));
    bytes.set(file.localityKv, (bytes.get(file.localityKv) ?? 0) + Number(file.entryCounts.dataSize));
  }
  return [...paths]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([locality, own]) => {
      const { display } = openStorage(storeOf(layer, { localityKv: locality }));
      const location = display.endsWith(layer.directory)
        ? display.slice(0, display.length - layer.directory.length)
        : display;
      const bucket = { locality, location, files: own.size, dataBytes: bytes.get(locality) ?? 0 };
      if (seen === undefined) return bucket;
      const there = [...own.values()].map((file) => seen.bytes.get(fileKey(file)));
      return {
        ...bucket,
        fileBytes: there.reduce<number>((sum, one) => sum + (one ?? 0), 0),
        missing: [...own.keys()].filter((_, index) => there[index] === undefined).map((path) => `${display}/${path}`),
      };
    });
}

function sumBuckets(buckets: readonly TreeBucket[]): readonly TreeBucket[] {
  const sums = new Map<string, TreeBucket>();
  for (const bucket of buckets) {
    const key = `${bucket.locality}\0${bucket.location}`;
    const before = sums.get(key);
    sums.set(
      key,
      before === undefined
        ? bucket
        : {
            ...bucket,
            files: before.files + bucket.files,
            dataBytes: before.dataBytes + bucket.dataBytes,
            ...(bucket.fileBytes === undefined ? {} : { fileBytes: (before.fileBytes ?? 0) + bucket.fileBytes }),
            ...(bucket.missing === undefined ? {} : { missing: [...(before.missing ?? []), ...bucket.missing] }),
          },
    );
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bucket]) => bucket);
}
