import { type Compression, type NativeSstOptions, native } from '#src/native/index.js';
import { encodeBatches, PART_BYTES } from './encode_batches.js';
import { type Figure, figure, megabytesPerSecond, processorTime } from './measure.js';
import type { PeerName, PeerRuns } from './peers.js';
import { makeRecords, peerFile, type Records } from './records.js';
import type { Sizes } from './sizes.js';

const BLOCK_BYTES = 32 * 1024;
const MB = 1e6;

export const CODECS: readonly { readonly name: string; readonly compression: Compression; readonly level: number }[] = [
  { name: 'none', compression: 'none', level: 0 },
  { name: 'snappy', compression: 'snappy', level: 0 },
  { name: 'zstd 1', compression: 'zstd', level: 1 },
  { name: 'zstd 3', compression: 'zstd', level: 3 },
];

/** One codec on one value size; speeds in MB of keys and values per second of one core. */
export interface EncodeRow {
  readonly valueBytes: number;
  readonly codec: string;
  readonly speed: Figure;
  /** The same blocks through the codec as it is published (snappy: the crate `snap`), CRC-32C and one copy, without building them. */
  readonly ceiling: Figure;
  /** Median over the rounds of encode speed by the ceiling measured next to it. */
  readonly fraction: Figure;
  /** The same fraction of the codec that the encoder uses; another one with snappy only. */
  readonly ofOwnCodec: Figure;
  /** Bytes of the file by bytes of keys and values. */
  readonly ratio: number;
  readonly nanosecondsPerEntry: number;
  readonly peers: Readonly<Partial<Record<PeerName, Figure>>>;
}

function optionsFor(compression: Compression, level: number): NativeSstOptions {
  return {
    compression,
    level,
    blockBytes: BLOCK_BYTES,
    restartInterval: 16,
    targetFileBytes: Number.MAX_SAFE_INTEGER,
    rowBoundary: 'sql',
    clearValueChecksums: false,
  };
}

/** The data blocks as the writer builds them, uncompressed, one behind the other. */
function uncompressedBlocks(records: Records): Uint8Array {
  const room = new Uint8Array(records.bytes + 24 * records.entries + MB);
  const { fileBytes } = encodeBatches(records.batches, optionsFor('none', 0), room);
  return room.subarray(0, fileBytes);
}

function measureCodec(
  records: Records,
  blocks: Uint8Array,
  codec: (typeof CODECS)[number],
  rounds: number,
): Omit<EncodeRow, 'valueBytes' | 'peers'> {
  const part = new Uint8Array(PART_BYTES).fill(1);
  const { compression, level, name } = codec;
  const options = optionsFor(compression, level);
  const speeds: number[] = [];
  const ceilings: number[] = [];
  const ofOwnCodec: number[] = [];
  const { fileBytes } = encodeBatches(records.batches, options, part);
  // Rounds alternate, so that a noisy neighbour hits both.
  for (let round = 0; round < rounds; round++) {
    const encode = processorTime(() => encodeBatches(records.batches, options, part));
    const alone = (published: boolean): number =>
      processorTime(() => native.codecCeiling(blocks, compression, level, BLOCK_BYTES, part, published));
    const ceiling = alone(true);
    ofOwnCodec.push((compression === 'snappy' ? alone(false) : ceiling) / encode);
    speeds.push(megabytesPerSecond(records.bytes, encode));
    ceilings.push(megabytesPerSecond(records.bytes, ceiling));
  }
  const speed = figure(speeds);
  return {
    codec: name,
    speed,
    ceiling: figure(ceilings),
    fraction: figure(speeds.map((one, round) => one / ceilings[round]!)),
    ofOwnCodec: figure(ofOwnCodec),
    ratio: fileBytes / records.bytes,
    nanosecondsPerEntry: (1e9 * records.bytes) / records.entries / (speed.median * MB),
  };
}

/** Encode speed of one thread for every codec and value size, beside its ceiling and the peers that are built. */
export function benchEncode(sizes: Sizes, peers: PeerRuns, onRow: (row: EncodeRow) => void): EncodeRow[] {
  const rows: EncodeRow[] = [];
  for (const valueBytes of [100, 1024]) {
    const records = makeRecords(sizes.encodeBytes, valueBytes);
    const blocks = uncompressedBlocks(records);
    peers.load(peerFile(records), records.bytes);
    for (const codec of CODECS) {
      const own = measureCodec(records, blocks, codec, sizes.encodeRounds);
      const row = { valueBytes, ...own, peers: peers.measure(codec, BLOCK_BYTES, sizes.encodeRounds) };
      rows.push(row);
      onRow(row);
    }
  }
  return rows;
}
