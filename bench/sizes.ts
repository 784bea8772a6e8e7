/** How much a run measures. */
export type SizeName = 'smoke' | 'usual' | 'full';

export interface Sizes {
  readonly name: SizeName;
  /** Key and value bytes that one encode round writes. */
  readonly encodeBytes: number;
  /** Interleaved rounds of every encode figure; the median counts. */
  readonly encodeRounds: number;
  /** Tables of the backup and restore parts: the two of CockroachDB's own figures (README.md). */
  readonly tables: readonly { readonly rows: number; readonly valueBytes: number }[];
  readonly flowRounds: number;
  /** Tables of which 1 % of the rows change between backups. */
  readonly incrementalTables: readonly { readonly rows: number; readonly valueBytes: number }[];
  /** Key and value bytes of each memory run. */
  readonly memoryBytes: readonly number[];
  /** Lengths of the chains that are restored, and the key and value bytes of each. */
  readonly chainLayers: readonly number[];
  readonly chainBytes: number;
  /** Content that each carrier moves to and from the store in a round, the sizes of its parts, and the counted rounds. */
  readonly storageBytes: number;
  readonly storagePartMib: readonly number[];
  readonly storageRounds: number;
  /** Tables that are backed up to the store and restored from it. */
  readonly storageTables: readonly { readonly rows: number; readonly valueBytes: number }[];
  /** Key and value bytes of the memory runs of the store. */
  readonly storageMemoryBytes: number;
}

const MB = 1e6;
/** The two of CockroachDB's own figures. */
const CLAIMED_TABLES = [
  { rows: 3_000_000, valueBytes: 100 },
  { rows: 800_000, valueBytes: 1024 },
];
const PART_MIB = [8, 16, 64];

const SIZES: Readonly<Record<SizeName, Sizes>> = {
  smoke: {
    name: 'smoke',
    encodeBytes: 2 * MB,
    encodeRounds: 1,
    tables: [{ rows: 5000, valueBytes: 100 }],
    flowRounds: 1,
    incrementalTables: [{ rows: 20_000, valueBytes: 100 }],
    memoryBytes: [4 * MB],
    chainLayers: [1, 4],
    chainBytes: 2 * MB,
    storageBytes: 20 * MB,
    storagePartMib: [5],
    storageRounds: 1,
    storageTables: [{ rows: 5000, valueBytes: 100 }],
    storageMemoryBytes: 30 * MB,
  },
  usual: {
    name: 'usual',
    encodeBytes: 64 * MB,
    encodeRounds: 7,
    tables: CLAIMED_TABLES,
    flowRounds: 5,
    incrementalTables: [{ rows: 2_500_000, valueBytes: 100 }],
    memoryBytes: [1000 * MB],
    chainLayers: [48, 400],
    chainBytes: 256 * MB,
    storageBytes: 256 * MB,
    storagePartMib: PART_MIB,
    storageRounds: 3,
    storageTables: CLAIMED_TABLES,
    storageMemoryBytes: 1000 * MB,
  },
  full: {
    name: 'full',
    encodeBytes: 64 * MB,
    encodeRounds: 9,
    tables: CLAIMED_TABLES,
    flowRounds: 5,
    incrementalTables: [
      { rows: 8_800_000, valueBytes: 100 },
      { rows: 960_000, valueBytes: 1024 },
    ],
    memoryBytes: [1000 * MB, 10_000 * MB],
    chainLayers: [1, 48, 400],
    chainBytes: 1000 * MB,
    storageBytes: 1024 * MB,
    storagePartMib: PART_MIB,
    storageRounds: 5,
    storageTables: CLAIMED_TABLES,
    storageMemoryBytes: 1000 * MB,
  },
};

export function sizesOf(name: SizeName): Sizes {
  return SIZES[name];
}
