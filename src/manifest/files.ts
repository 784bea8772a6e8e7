import { hasCode, SpanvaultError } from '../fault/index.js';
import type { ExternalStorage } from '../storage/index.js';
import {
  decodeManifest,
  decodeManifestHead,
  decodePartitionDescriptor,
  decodePartitionHead,
  encodeManifest,
  encodePartitionDescriptor,
  type PartitionHead,
} from './codec.js';
import { fixDescriptor } from './descriptor_bytes.js';
import { openEnvelope, readStored, sealEnvelope, writeEnveloped } from './envelope.js';
import { readExternalLists, slimManifest, writeExternalLists } from './external.js';
import { checkPartition, checkRead, checkWrite } from './invariants.js';
import { type Manifest, type ManifestHead, type PartitionDescriptor, versionAtLeast } from './model.js';

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

/** A manifest whose lists are not decoded, or not even fetched, before somebody asks for them. */
export interface OpenedManifest {
  readonly head: ManifestHead;
  /**
   * The whole manifest, decoded anew at every call. Takes the storage that it was opened from, open.
   * @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_CORRUPT_SST, SV_STORAGE_NOT_FOUND (a list's SST is gone)
   */
  load(storage: ExternalStorage, signal?: AbortSignal): Promise<Manifest>;
}

/**
 * Reads a layer's manifest without its lists: of the slim one only its own bytes, of the fat one all bytes, whose lists are
 * skipped; checksum, envelope and the head's invariants checked.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND with CockroachDB's words when there is none; SV_CORRUPT_MANIFEST,
 * SV_UNSUPPORTED_FORMAT, SV_USAGE (encrypted)
 */
export async function openManifest(storage: ExternalStorage, signal?: AbortSignal): Promise<OpenedManifest> {
  for (const file of MANIFEST_NAMES) {
    const name = `${storage.display}/${file}`;
    let stored: Uint8Array;
    try {
      stored = await readStored(storage, file, signal);
    } catch (error) {
      if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) continue;
      throw error;
    }
    const head = decodeManifestHead(await openEnvelope(stored, name), name);
    checkRead({ ...head, files: [], descriptors: [], descriptorChanges: [] }, name);
    return {
      head,
      // What is kept is the stored form: gzip makes it a fraction of what it holds.
      load: async (from, loadSignal) =>
        await completeManifest(from, decodeManifest(await openEnvelope(stored, name), name), name, loadSignal),
    };
  }
  throw new SpanvaultError(
    'SV_STORAGE_NOT_FOUND',
    `could not find BACKUP manifest file in any of the known locations: ${MANIFEST_NAMES.join(', ')}`,
    { details: { location: storage.display } },
  );
}

/**
 * Reads a layer's manifest: the slim one with its SSTs, or the fat one; checksum, envelope and invariants checked, and
 * CockroachDB's repairs made.
 * @throws SpanvaultError what `openManifest` and its `load` throw
 */
export async function readManifest(storage: ExternalStorage, signal?: AbortSignal): Promise<Manifest> {
  return (await openManifest(storage, signal)).load(storage, signal);
}

async function completeManifest(
  storage: ExternalStorage,
  read: Manifest,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const fat = read.hasExternalManifestSsts ? await readExternalLists(storage, read, signal) : read;
  checkRead(fat, name);
  const descriptors = fat.descriptors.map(fixDescriptor);
  const changes = fat.descriptorChanges.map((change) =>
    change.desc === undefined ? change : { ...change, desc: fixDescriptor(change.desc) },
  );
  const repaired = descriptors.some((descriptor, index) => descriptor !== fat.descriptors[index]);
  const repairedChanges = changes.some((change, index) => change.desc !== fat.descriptorChanges[index]?.desc);
  // Lists that needed no repair stay the very same, so that they encode as they were read.
  return {
    ...fat,
    ...(repaired ? { descriptors } : {}),
    ...(repairedChanges ? { descriptorChanges: changes } : {}),
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
  checkWrite(manifest);
  const options = { ifAbsent: true, checksum: true, ...(signal === undefined ? {} : { signal }) };
  // An SST holds at least one entry: a layer without files or descriptors is told by the fat manifest alone.
  const listable = manifest.files.length > 0 && manifest.descriptors.length > 0;
  if (listable && versionAtLeast(manifest.clusterVersion, 23, 1)) {
    await writeExternalLists(storage, manifest);
    await writeEnveloped(storage, METADATA_FILE, encodeManifest(slimManifest(manifest)), options);
  }
  await writeEnveloped(storage, MANIFEST_FILE, encodeManifest(manifest), options);
}

/** Reads one BACKUP_PART file. @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_CORRUPT_MANIFEST, SV_USAGE */
export async function readPartitionDescriptor(
  storage: ExternalStorage,
  name: string,
  signal?: AbortSignal,
): Promise<PartitionDescriptor> {
  const { bytes } = await storage.read(name, signal === undefined ? {} : { signal });
  const shown = `${storage.display}/${name}`;
  return decodePartitionDescriptor(await openEnvelope(bytes, shown), shown);
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
  const options = signal === undefined ? {} : { signal };
  const { bytes, totalBytes } = await storage.read(name, { length: PART_HEAD_BYTES, ...options });
  const whole = bytes.length === totalBytes;
  const shown = `${storage.display}/${name}`;
  return decodePartitionHead(await openEnvelope(bytes, shown, { beginning: !whole }), whole, shown);
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
