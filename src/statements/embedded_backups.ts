import { type BackupOptions, type BackupProgress, backup } from '../backup/index.js';
import { createStatement, regionStatements } from '../catalog/index.js';
import type { EmbeddedCluster, Targets } from '../cluster/index.js';
import type { Compression } from '../native/index.js';
import { type RestoreProgress, restore } from '../restore/index.js';
import type { StorageSettings } from '../storage/index.js';
import {
  type BackupTree,
  backupTree,
  type ShownObject as FoundObject,
  listBackups,
  manifestJson,
  type ShownLayer,
  type ShowOptions,
  showBackup,
  whyNoBackups,
} from '../verify/index.js';
import type {
  BackupOutcome,
  BackupRequest,
  Control,
  Progress,
  RestoreOutcome,
  RestoreRequest,
  Shown,
  ShownObject,
  ShowRequest,
} from './engine.js';
import { grantsOf, ownerOf } from './grants.js';
import type { BackupSource, StatementTargets } from './statement.js';
import { printName } from './words.js';

/** Choices of a session that hold for all its backups and restores. */
export interface BackupSettings {
  /** What locations need at this moment. */
  readonly storage: () => StorageSettings;
  readonly workers?: number;
  readonly partBytes?: number;
  readonly partsInFlight?: number;
  readonly compression?: Compression;
  readonly clusterVersion?: string;
}

/** BACKUP, RESTORE and SHOW BACKUP on the embedded cluster. */
export class EmbeddedBackups {
  readonly #cluster: EmbeddedCluster;
  readonly #settings: BackupSettings;

  constructor(cluster: EmbeddedCluster, settings: BackupSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
  }

  async backup(request: BackupRequest, control: Control): Promise<BackupOutcome> {
    const { storage, ...choices } = this.#settings;
    const result = await backup({
      ...choices,
      ...locationOptions(request),
      source: this.#cluster.source(),
      revisionHistory: request.revisionHistory,
      targets: targetsOf(request.targets, request.currentDatabase),
      asOf: request.asOf,
      storage: storage(),
      jobId: control.jobId,
      signal: control.signal,
      onProgress: (progress) => control.onProgress(fractionOf(progress)),
    });
    const { subdir, directory, rows, indexEntries, bytes, placement } = result;
    return { subdir, directory, rows, indexEntries, bytes, placement };
  }

  async restore(request: RestoreRequest, control: Control): Promise<RestoreOutcome> {
    const { storage, workers } = this.#settings;
    const result = await restore({
      ...request.options,
      ...(workers === undefined ? {} : { workers }),
      ...(request.asOf === undefined ? {} : { asOf: request.asOf }),
      sink: this.#cluster.sink(),
      ...sourceOf(request),
      targets: targetsOf(request.targets, request.currentDatabase),
      storage: storage(),
      signal: control.signal,
      onProgress: (progress) => control.onProgress(fractionOf(progress)),
    });
    const { rows, indexEntries, bytes, warnings, sink } = result;
    return { rows, indexEntries, bytes, warnings, sink };
  }

  listBackups(uris: readonly string[]): Promise<readonly string[]> {
    return listBackups(uris, this.#settings.storage());
  }

  whyNoBackups(uris: readonly string[]): Promise<readonly string[]> {
    return whyNoBackups(uris, this.#settings.storage());
  }

  async showBackup(request: ShowRequest): Promise<Shown<ShownObject>> {
    const { layers, notices } = await this.#open(request);
    const found = layers.flatMap((layer) => layer.objects.map((object) => shownObject(layer, object, request)));
    return { found, notices };
  }

  async showManifests(request: ShowRequest): Promise<Shown<string>> {
    const { layers, notices } = await this.#open(request);
    return { found: layers.map(({ manifest }) => manifestJson(manifest)), notices };
  }

  backupTree(request: ShowRequest): Promise<BackupTree> {
    return backupTree({
      ...sourceOf(request),
      storage: this.#settings.storage(),
      checkFiles: request.checkFiles,
    });
  }

  #open(request: ShowRequest): ReturnType<typeof showBackup> {
    return showBackup({
      ...sourceOf(request),
      storage: this.#settings.storage(),
      checkFiles: request.checkFiles,
    });
  }
}

/** Where a BACKUP goes, as the library takes it. */
export function locationOptions({
  uris,
  appendTo,
  incrementalUris,
}: Pick<BackupRequest, 'uris' | 'appendTo' | 'incrementalUris'>): Pick<
  BackupOptions,
  'into' | 'appendTo' | 'incrementalLocation'
> {
  return {
    into: uris,
    ...(appendTo === undefined ? {} : { appendTo: appendTo.kind === 'latest' ? 'LATEST' : appendTo.subdir }),
    ...(incrementalUris === undefined ? {} : { incrementalLocation: incrementalUris }),
  };
}

/** What RESTORE and SHOW BACKUP read, as the library takes it. */
function sourceOf({
  from,
  uris,
  incrementals,
  incrementalUris,
}: Pick<ShowRequest, 'from' | 'uris' | 'incrementals' | 'incrementalUris'>): Pick<
  ShowOptions,
  'from' | 'in' | 'incrementals' | 'incrementalLocation'
> {
  return {
    from: layerOf(from),
    in: uris,
    ...(incrementals === undefined ? {} : { incrementals }),
    ...(incrementalUris === undefined ? {} : { incrementalLocation: incrementalUris }),
  };
}

function layerOf(from: BackupSource['from']): string | undefined {
  if (from.kind === 'subdir') return from.subdir;
  return from.kind === 'latest' ? 'LATEST' : undefined;
}

function targetsOf(targets: StatementTargets, currentDatabase: string): Targets {
  if (targets.kind !== 'tables') return targets;
  return { kind: 'tables', patterns: targets.patterns.map(printName), currentDatabase };
}

/** Publishing is the last hundredth: a bar that stands at 100 % while work goes on says nothing. */
const DATA_SHARE = 0.99;

function fractionOf({ phase, bytes, totalBytes }: BackupProgress | RestoreProgress): Progress {
  const done = totalBytes === 0 ? 0 : Math.min(1, bytes / totalBytes);
  return { phase, bytes, totalBytes, fraction: phase === 'publishing' ? DATA_SHARE : done * DATA_SHARE };
}

function shownObject(layer: ShownLayer, found: FoundObject, request: ShowRequest): ShownObject {
  const { descriptor } = found;
  const isTable = descriptor.kind === 'table';
  return {
    databaseName: found.databaseName,
    parentSchemaName: found.parentSchemaName,
    objectName: found.objectName,
    objectType: found.objectType,
    backupType: layer.backupType,
    startTime: layer.startTime,
    endTime: layer.endTime,
    sizeBytes: found.sizeBytes,
    rows: found.rows,
    isFullCluster: layer.isFullCluster,
    regions: descriptor.kind === 'database' ? regionStatements(layer.catalog, descriptor) : null,
    databaseId: found.databaseId,
    parentSchemaId: found.parentSchemaId,
    objectId: found.objectId,
    ...(request.schemas
      ? { createStatement: isTable ? createStatement(layer.catalog, descriptor, { qualified: false }) : null }
      : {}),
    ...(request.checkFiles ? { fileBytes: found.fileBytes ?? null } : {}),
    ...(request.privileges ? { privileges: grantsOf(descriptor), owner: ownerOf(descriptor) } : {}),
  };
}
