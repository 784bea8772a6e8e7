import { fullSubdir, incrementalDirectoryWithStart, partName, writeLatest } from '#src/collection/index.js';
import type { Timestamp } from '#src/keys/index.js';
import {
  EMPTY_FILE,
  EMPTY_MANIFEST,
  type FileRecord,
  type Manifest,
  writeManifest,
  writePartitionDescriptor,
} from '#src/manifest/index.js';
import { native } from '#src/native/index.js';
import { openStorage, type StorageConfig } from '#src/storage/index.js';

/*
 * Chains of any length without a cluster: manifests, partition descriptors and, where asked for, one empty object per data
 * file, in memory. What they say of themselves is what CockroachDB's say; their files hold nothing.
 */

export interface SyntheticChain {
  readonly bucket: string;
  /** Layers in all, the full included. */
  readonly layers: number;
  readonly filesPerLayer: number;
  /** Localities beside the default; one location of the bucket each. @defaultValue none */
  readonly localities?: readonly string[];
  /** 22 writes fat manifests only. @defaultValue 23 */
  readonly version?: 22 | 23;
  /** Directory of the incrementals in every location. @defaultValue `incrementals` and the full's */
  readonly below?: string;
  /** Write an object for every file. @defaultValue false */
  readonly objects?: boolean;
}

const SECOND = 1_000_000_000n;
const START = 1_700_000_000n * SECOND;
const CLUSTER_ID = new Uint8Array(16).fill(0xc1);
const TABLE = 104;
/** Table `t`, id 104, version 2, and nothing else. */
const DESCRIPTOR = new Uint8Array(Buffer.from('0a070a017418682802', 'hex'));

export const endOf = (layer: number): Timestamp => ({ wall: START + BigInt(layer) * 60n * SECOND, logical: 0 });

function key(part: number): Uint8Array {
  const bytes = Buffer.alloc(6);
  bytes[0] = 0xf6;
  bytes[1] = TABLE;
  bytes.writeUInt32BE(part, 2);
  return new Uint8Array(bytes);
}

function filesOf(layer: number, chain: SyntheticChain): FileRecord[] {
  const places = ['', ...(chain.localities ?? [])];
  return Array.from({ length: chain.filesPerLayer }, (_, index) => ({
    ...EMPTY_FILE,
    span: { key: key(index), endKey: key(index + 1) },
    path: `data/${layer}000${index}.sst`,
    localityKv: places[index % places.length]!,
    entryCounts: { dataSize: 100n, rows: 1n, indexEntries: 0n },
  }));
}

/** Locations of a chain: the default one first. */
export function locationsOf({ bucket, localities = [] }: SyntheticChain, scheme = 'memory'): string[] {
  return ['east', ...localities.map((_, index) => `l${index}`)].map((name) => `${scheme}://${bucket}/${name}`);
}

/** Writes the chain. @returns the full's directory */
export async function writeSyntheticChain(chain: SyntheticChain): Promise<string> {
  const localities = chain.localities ?? [];
  const configs = locationsOf(chain).map((uri): StorageConfig => ({ uri, settings: {} }));
  const subdir = fullSubdir(endOf(0));
  for (let layer = 0; layer < chain.layers; layer++) {
    const startTime = layer === 0 ? { wall: 0n, logical: 0 } : endOf(layer - 1);
    const directory =
      layer === 0
        ? subdir
        : `${chain.below ?? `/incrementals${subdir}`}${incrementalDirectoryWithStart(endOf(layer), startTime)}`;
    const manifest: Manifest = {
      ...EMPTY_MANIFEST,
      startTime,
      endTime: endOf(layer),
      spans: [{ key: key(0), endKey: key(chain.filesPerLayer) }],
      files: filesOf(layer, chain),
      descriptors: [DESCRIPTOR],
      clusterId: CLUSTER_ID,
      id: new Uint8Array(16).map((_, index) => (index === 15 ? layer & 0xff : index === 14 ? layer >> 8 : 1)),
      localityKvs: localities,
      partitionDescriptorFilenames: localities.map((locality, index) => partName(index + 1, locality)),
      clusterVersion: { major: chain.version ?? 23, minor: 1, patch: 0, internal: 0 },
    };
    const stores = configs.map(({ uri }) => openStorage({ uri: `${uri}${directory}`, settings: {} }));
    for (const [index, locality] of localities.entries()) {
      await writePartitionDescriptor(stores[index + 1]!, partName(index + 1, locality), manifest, locality);
    }
    if (chain.objects === true) {
      for (const { path, localityKv } of manifest.files) {
        await stores[localities.indexOf(localityKv) + 1]!.write(path, new Uint8Array(1));
      }
    }
    await writeManifest(stores[0]!, manifest);
  }
  await writeLatest(openStorage(configs[0]!), subdir, endOf(chain.layers).wall);
  return subdir;
}

/** Erases everything in a bucket. */
export function emptyBucket(bucket: string): void {
  for (const name of native.memoryList(bucket, '', '', 1 << 22)) native.memoryDelete(bucket, name);
}
