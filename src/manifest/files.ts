import { hasCode, SpanvaultError } from '../fault/index.js';
import { type ExternalStorage, inLanes, type ReadPiece, withSecondRead } from '../storage/index.js';
import { fixDescriptor } from './descriptor_bytes.js';
import { CHECKSUM_SUFFIX, manifestChecksum, openEnvelope, readStored, sealEnvelope } from './envelope.js';
import { FILE_LIST, readDescriptorList, readFileList, slimManifest, writeExternalLists } from './external.js';
import { checkPartition, checkRead, checkWrite } from './invariants.js';
import {
  decodeManifest,
  decodeManifestDescriptors,
  decodeManifestFiles,
  decodeManifestHead,
  encodeManifest,
} from './manifest_codec.js';
import {
  type DescriptorLists,
  type FileRecord,
  type Manifest,
  type ManifestHead,
  type PartitionDescriptor,
  versionAtLeast,
} from './model.js';
import {
  decodePartitionDescriptor,
  decodePartitionHead,
  encodePartitionDescriptor,
  type PartitionHead,
} from './part_codec.js';
import { LIST_TAIL_BYTES } from './sst_entries.js';

/*
 * The metadata files of one layer (crdb-format.md 1.4), read from and written to an ExternalStorage opened at the layer's
 * directory.
 */

export const MANIFEST_FILE = 'BACKUP_MANIFEST';
export const METADATA_FILE = 'BACKUP_METADATA';
/** Name up to 20.1. */
export const OLD_MANIFEST_FILE = 'BACKUP';

/** Names of a manifest in the order of reading. */
export const MANIFEST_NAMES: readonly string[] = [METADATA_FILE, MANIFEST_FILE, OLD_MANIFEST_FILE];

/**
 * A manifest whose lists are not decoded, or not even fetched, before somebody asks for them. Each is decoded anew at every call,
 * and takes the storage that the manifest was opened from, open.
 */
export interface OpenedManifest {
  readonly head: ManifestHead;
  /** The whole manifest. @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_CORRUPT_SST, SV_STORAGE_NOT_FOUND (a list's SST is gone) */
  load(storage: ExternalStorage, signal?: AbortSignal): Promise<Manifest>;
  /** Its files alone. @throws SpanvaultError as `load` */
  loadFiles(storage: ExternalStorage, signal?: AbortSignal): Promise<readonly FileRecord[]>;
  /** Its descriptors alone. @throws SpanvaultError as `load` */
  loadDescriptors(storage: ExternalStorage, signal?: AbortSignal): Promise<DescriptorLists>;
}

/** What opening the manifest of a layer of 23.1 and later reads, and, with `files`, reading its files after that. */
export function firstReads(files: boolean): readonly ReadPiece[] {
  const list = { name: FILE_LIST, offset: -LIST_TAIL_BYTES };
  return [{ name: METADATA_FILE }, { name: METADATA_FILE + CHECKSUM_SUFFIX }, ...(files ? [list] : [])];
}

/** Inflated bytes of a manifest that are kept rather than inflated again. */
const KEPT_INFLATED_BYTES = 16 * 1024;

/**
 * Reads a layer's manifest without its lists: of the slim one only its own bytes, of the fat one all bytes, whose lists are
 * skipped; checksum, envelope and the head's invariants checked.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND with CockroachDB's words when there is none; SV_CORRUPT_MANIFEST,
 * SV_UNSUPPORTED_FORMAT, SV_USAGE (encrypted)
 */
export async function openManifest(storage: ExternalStorage, signal?: AbortSignal): Promise<OpenedManifest> {
  const own = signal === undefined ? {} : { signal };
  for (const file of MANIFEST_NAMES) {
    const name = `${storage.display}/${file}`;
    try {
      return await withSecondRead(storage, async (again) => {
        const stored = await readStored(storage, file, { ...own, ...again });
        const bytes = await openEnvelope(stored, name);
        const head = decodeManifestHead(bytes, name);
        checkRead({ ...head, files: [], descriptors: [], descriptorChanges: [] }, name);
        return openedManifest(head, bytes.length <= KEPT_INFLATED_BYTES ? bytes : stored, name);
      });
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
    }
  }
  throw new SpanvaultError(
    'SV_STORAGE_NOT_FOUND',
    `could not find BACKUP manifest file in any of the known locations: ${MANIFEST_NAMES.join(', ')}`,
    { details: { location: storage.display } },
  );
}

/** `kept`: the manifest's bytes, or its stored form where gzip makes it a fraction of what it holds. */
function openedManifest(head: ManifestHead, kept: Uint8Array, name: string): OpenedManifest {
  const slim = head.hasExternalManifestSsts;
  const bytes = (): Promise<Uint8Array> => openEnvelope(kept, name);
  const checked = (files: readonly FileRecord[]): readonly FileRecord[] => {
    checkRead({ ...head, files, descriptors: [], descriptorChanges: [] }, name);
    return files;
  };
  const loadFiles = async (storage: ExternalStorage, signal?: AbortSignal): Promise<readonly FileRecord[]> =>
    checked(slim ? await readFileList(storage, signal) : decodeManifestFiles(await bytes(), name));
  const loadDescriptors = async (storage: ExternalStorage, signal?: AbortSignal): Promise<DescriptorLists> =>
    repairLists(
      slim ? await readDescriptorList(storage, head, signal) : decodeManifestDescriptors(await bytes(), name),
    );
  const load = async (storage: ExternalStorage, signal?: AbortSignal): Promise<Manifest> => {
    const read = decodeManifest(await bytes(), name);
    if (!slim) return { ...read, files: checked(read.files), ...repairLists(read) };
    const files = await loadFiles(storage, signal);
    return { ...read, files, ...(await loadDescriptors(storage, signal)), hasExternalManifestSsts: false };
  };
  return { head, load, loadFiles, loadDescriptors };
}

/**
 * Reads a layer's manifest: the slim one with its SSTs, or the fat one; checksum, envelope and invariants checked, and
 * CockroachDB's repairs made.
 * @throws SpanvaultError what `openManifest` and its `load` throw
 */
export async function readManifest(storage: ExternalStorage, signal?: AbortSignal): Promise<Manifest> {
  return (await openManifest(storage, signal)).load(storage, signal);
}

/** CockroachDB's repairs. Lists that need none stay the very same, so that they encode as they were read. */
function repairLists({ descriptors, descriptorChanges }: DescriptorLists): DescriptorLists {
  const repaired = descriptors.map(fixDescriptor);
  const changes = descriptorChanges.map((change) => {
    const desc = change.desc === undefined ? undefined : fixDescriptor(change.desc);
    return desc === change.desc ? change : { ...change, desc };
  });
  return {
    descriptors: repaired.every((descriptor, index) => descriptor === descriptors[index]) ? descriptors : repaired,
    descriptorChanges: changes.every((change, index) => change === descriptorChanges[index])
      ? descriptorChanges
      : changes,
  };
}

/** True when a directory holds a manifest of any kind. */
export async function hasManifest(storage: ExternalStorage): Promise<boolean> {
  for (const name of MANIFEST_NAMES) {
    try {
      await storage.size(name);
      return true;
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_NOT_FOUND')) throw error;
    }
  }
  return false;
}

/**
 * Writes a layer's manifest: for a cluster_version of 23.1 or newer the metadata SSTs, BACKUP_METADATA and BACKUP_MANIFEST,
 * else BACKUP_MANIFEST alone; each after its checksum file and the fat one last, since its presence is what says that the
 * layer is whole. Checks every invariant first.
 * @throws SpanvaultError SV_STORAGE_EXISTS when another run wrote one meanwhile
 */
export async function writeManifest(storage: ExternalStorage, manifest: Manifest, signal?: AbortSignal): Promise<void> {
  await writeManifestLists(storage, manifest);
  await writeManifestFiles(storage, manifest, signal);
}

/** The first half of `writeManifest`: the metadata SSTs, which nothing names yet. Checks every invariant first. */
export async function writeManifestLists(storage: ExternalStorage, manifest: Manifest): Promise<void> {
  checkWrite(manifest);
  if (hasLists(manifest)) await writeExternalLists(storage, manifest);
}

/** The second half of `writeManifest`, once the lists are whole. @throws SpanvaultError as `writeManifest` */
export async function writeManifestFiles(
  storage: ExternalStorage,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  const slim = hasLists(manifest) ? [{ name: METADATA_FILE, content: slimManifest(manifest) }] : [];
  const files = await inLanes([...slim, { name: MANIFEST_FILE, content: manifest }], async ({ name, content }) => {
    const stored = await sealEnvelope(encodeManifest(content));
    // A run that died before the file itself may have left its checksum behind.
    await storage.write(name + CHECKSUM_SUFFIX, manifestChecksum(stored), options);
    return { name, stored };
  });
  for (const { name, stored } of files) await storage.write(name, stored, { ...options, ifAbsent: true });
}

/** An SST holds at least one entry: a layer without files or descriptors is told by the fat manifest alone. */
function hasLists({ files, descriptors, clusterVersion }: Manifest): boolean {
  return files.length > 0 && descriptors.length > 0 && versionAtLeast(clusterVersion, 23, 1);
}

/** Reads one BACKUP_PART file. @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_CORRUPT_MANIFEST, SV_USAGE */
export async function readPartitionDescriptor(
  storage: ExternalStorage,
  name: string,
  signal?: AbortSignal,
): Promise<PartitionDescriptor> {
  const shown = `${storage.display}/${name}`;
  return await withSecondRead(storage, async (again) => {
    const { bytes } = await storage.read(name, { ...again, ...(signal === undefined ? {} : { signal }) });
    return decodePartitionDescriptor(await openEnvelope(bytes, shown), shown);
  });
}

/** Bytes of a partition descriptor that are read at first: the whole of most. */
const PART_HEAD_BYTES = 64 * 1024;

/**
 * Reads what one BACKUP_PART file says besides its files, in one request of bounded size: a part with a very long list of
 * files is read in part, and its backup id stays unknown until `readPartitionDescriptor`.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_CORRUPT_MANIFEST, SV_USAGE
 */
export async function readPartitionHead(
  storage: ExternalStorage,
  name: string,
  signal?: AbortSignal,
): Promise<PartitionHead> {
  const options = { length: PART_HEAD_BYTES, ...(signal === undefined ? {} : { signal }) };
  const shown = `${storage.display}/${name}`;
  return await withSecondRead(storage, async (again) => {
    const { bytes, totalBytes } = await storage.read(name, { ...options, ...again });
    const whole = bytes.length === totalBytes;
    return decodePartitionHead(await openEnvelope(bytes, shown, { beginning: !whole }), whole, shown);
  });
}

/** Writes the part of `manifest` that lies in the store of `localityKv`, empty or not; it has no checksum file. */
export async function writePartitionDescriptor(
  storage: ExternalStorage,
  name: string,
  manifest: Manifest,
  localityKv: string,
  signal?: AbortSignal,
): Promise<void> {
  const part = {
    localityKv,
    files: manifest.files.filter((file) => file.localityKv === localityKv),
    backupId: manifest.id,
  };
  checkPartition(part, manifest);
  await storage.write(
    name,
    await sealEnvelope(encodePartitionDescriptor(part)),
    signal === undefined ? {} : { signal },
  );
}
