import { SpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  compareTimestamps,
  concatBytes,
  decodeEngineKey,
  decodeUvarintAscending,
  EMPTY_TIMESTAMP,
  encodeBytesAscending,
  encodeEngineKey,
  encodeUvarintAscending,
  hasPrefix,
  isEmptyTimestamp,
  MAX_TIMESTAMP,
  printKey,
  type Timestamp,
} from '../keys/index.js';
import { type ExternalStorage, inLanes } from '../storage/index.js';
import { descriptorId, placeholderDescriptor } from './descriptor_bytes.js';
import { decodeFile, encodeFile } from './file_codec.js';
import { type DescriptorLists, type DescriptorRevision, EMPTY_FILE, type FileRecord, type Manifest } from './model.js';
import { readSst, type SstEntry, writeSst } from './sst_entries.js';

/*
 * The lists of a manifest kept in SSTs of their own (crdb-format.md 2.6), since 23.1.
 */

export const FILE_LIST = 'filelist.sst';
export const DESCRIPTOR_LIST = 'descriptorslist.sst';

const DESC_PREFIX = new Uint8Array(Buffer.from('desc/'));
const PLACEHOLDER_PATH = 'assertion: this placeholder legacy Files entry should never be opened';
const PLACEHOLDER_NAME = 'assertion: this placeholder legacy Descriptor entry should never be used';

/** The slim manifest that BACKUP_METADATA holds: lists replaced by entries that nothing must ever use. */
export function slimManifest(manifest: Manifest): Manifest {
  const placeholder = placeholderDescriptor(PLACEHOLDER_NAME, MAX_TIMESTAMP);
  return {
    ...manifest,
    files: [
      { ...EMPTY_FILE, span: { key: new Uint8Array(0), endKey: Uint8Array.of(0xff, 0xff) }, path: PLACEHOLDER_PATH },
    ],
    descriptors: [placeholder],
    descriptorChanges: [{ time: EMPTY_TIMESTAMP, id: 0, desc: placeholder }],
    hasExternalManifestSsts: true,
  };
}

/** Writes both lists of a fat manifest, side by side. */
export async function writeExternalLists(storage: ExternalStorage, manifest: Manifest): Promise<void> {
  const lists = [
    { name: FILE_LIST, entries: fileEntries(manifest.files) },
    { name: DESCRIPTOR_LIST, entries: descriptorEntries(manifest) },
  ];
  await inLanes(lists, ({ name, entries }) => writeSst(storage, name, entries));
}

/** The files of a slim manifest. @throws SpanvaultError SV_CORRUPT_SST, SV_CORRUPT_MANIFEST, SV_STORAGE_NOT_FOUND */
export async function readFileList(storage: ExternalStorage, signal?: AbortSignal): Promise<FileRecord[]> {
  const files: FileRecord[] = [];
  for await (const { value } of readSst(storage, FILE_LIST, signal))
    files.push(decodeFile(value, `${storage.display}/${FILE_LIST}`));
  return files;
}

/** Sorted by start key and path: files of one start key may end, or begin in time, differently. */
function fileEntries(files: readonly FileRecord[]): SstEntry[] {
  const entries = files.map((file) => ({
    key: encodeEngineKey(
      concatBytes(encodeBytesAscending(file.span.key), encodeBytesAscending(new Uint8Array(Buffer.from(file.path)))),
    ),
    value: encodeFile(file),
  }));
  return entries.sort((a, b) => compareBytes(a.key, b.key));
}

function descriptorKey(id: number, ts: Timestamp): Uint8Array {
  return encodeEngineKey(concatBytes(DESC_PREFIX, encodeUvarintAscending(id)), ts);
}

function descriptorEntries(manifest: Manifest): SstEntry[] {
  const { descriptors, descriptorChanges, startTime, mvccFilter } = manifest;
  if (descriptorChanges.length > 0) {
    const sorted = [...descriptorChanges].sort((a, b) => a.id - b.id || compareTimestamps(b.time, a.time));
    return sorted.map(({ id, time, desc }) => ({ key: descriptorKey(id, time), value: desc ?? new Uint8Array(0) }));
  }
  const ts = mvccFilter === 'latest' ? EMPTY_TIMESTAMP : startTime;
  return descriptors
    .map((value) => ({ id: descriptorId(value), value }))
    .sort((a, b) => a.id - b.id)
    .map(({ id, value }) => ({ key: descriptorKey(id, ts), value }));
}

/**
 * The descriptors of a slim manifest: the newest non-empty entry of each id, and every versioned entry where the layer has
 * revision history.
 * @throws SpanvaultError SV_CORRUPT_SST, SV_CORRUPT_MANIFEST, SV_STORAGE_NOT_FOUND
 */
export async function readDescriptorList(
  storage: ExternalStorage,
  slim: Pick<Manifest, 'mvccFilter'>,
  signal?: AbortSignal,
): Promise<DescriptorLists> {
  const descriptors: Uint8Array[] = [];
  const descriptorChanges: DescriptorRevision[] = [];
  let last = -1;
  for await (const entry of readSst(storage, DESCRIPTOR_LIST, signal)) {
    const { key, timestamp } = decodeEngineKey(entry.key);
    if (!hasPrefix(key, DESC_PREFIX)) {
      throw new SpanvaultError(
        'SV_CORRUPT_MANIFEST',
        `${storage.display}/${DESCRIPTOR_LIST} has the key ${printKey(key)}`,
      );
    }
    const id = Number(decodeUvarintAscending(key, DESC_PREFIX.length).value);
    // Entries of one id come newest first; a deletion is the newest word on it all the same.
    if (id !== last && entry.value.length > 0) descriptors.push(entry.value);
    last = id;
    if (slim.mvccFilter === 'all' && !isEmptyTimestamp(timestamp)) {
      descriptorChanges.push({ time: timestamp, id, desc: entry.value.length === 0 ? undefined : entry.value });
    }
  }
  return { descriptors, descriptorChanges };
}
