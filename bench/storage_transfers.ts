import { randomFillSync } from 'node:crypto';
import { openStorage } from '#src/storage/index.js';
import { BareHttp } from './bare_http.js';
import { type Figure, figure, megabytesPerSecond } from './measure.js';
import { placesFor } from './places.js';
import { hasRclone, RcloneRuns } from './rclone.js';
import type { Sizes } from './sizes.js';
import { cpuSecondsOf, type StoreServer, startStore } from './store_server.js';

/** Who carries the bytes. */
export type Carrier = 'spanvault' | 'spanvault, unsigned' | 'bare HTTP' | 'rclone copy';
export type Direction = 'upload' | 'download';

/** One way of moving bytes to or from the store. */
export interface TransferRow {
  readonly carrier: Carrier;
  readonly direction: Direction;
  readonly partBytes: number;
  /** MB of content per second of wall time. */
  readonly speed: Figure;
  /** Processor seconds per GB of the carrier's process, all of its threads. */
  readonly cpuPerGb: Figure;
  /** Processor seconds per GB of the server. */
  readonly serverPerGb: Figure;
}

const MIB = 1024 * 1024;
/** Objects at a time, as a worker of a backup has them, and parts of each on their way. */
const OBJECTS = 2;
export const PARTS_IN_FLIGHT = 4;

/** Moves all bytes once in one direction. */
type Move = () => Promise<void>;
type Moves = Readonly<Record<Direction, Move>>;

/** Runs `work` for 0 to `count` - 1, `lanes` at a time. */
async function inParallel(
  count: number,
  lanes: number,
  work: (index: number, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async (_: unknown, lane: number): Promise<void> => {
    while (next < count) await work(next++, lane);
  };
  await Promise.all(Array.from({ length: lanes }, run));
}

/** Through the library: parts with their CRC-32C, the whole object checked by the store, ranges read into memory of their own. */
function spanvaultMoves(server: StoreServer, part: Uint8Array, parts: number, unsignedPayload: boolean): Moves {
  const storage = openStorage({ uri: server.uri(`spanvault-${unsignedPayload}`), settings: { unsignedPayload } });
  const upload = async (object: number): Promise<void> => {
    const writer = await storage.create(`object-${object}`);
    await inParallel(parts, PARTS_IN_FLIGHT, () => writer.write(part));
    await writer.finish(parts * part.length);
  };
  const download = async (index: number): Promise<void> => {
    const offset = Math.floor(index / OBJECTS) * part.length;
    const { bytes } = await storage.read(`object-${index % OBJECTS}`, { offset, length: part.length });
    if (bytes.length !== part.length) throw new Error(`${bytes.length} of ${part.length} bytes came`);
  };
  return {
    upload: () => inParallel(OBJECTS, OBJECTS, upload),
    download: () => inParallel(OBJECTS * parts, OBJECTS * PARTS_IN_FLIGHT, download),
  };
}

function bareMoves(http: BareHttp, part: Uint8Array, parts: number): Moves {
  const [count, lanes] = [OBJECTS * parts, OBJECTS * PARTS_IN_FLIGHT];
  const into = Array.from({ length: lanes }, () => new Uint8Array(part.length));
  return {
    upload: () => inParallel(count, lanes, (index) => http.put(`bare-${index}`, part)),
    download: () => inParallel(count, lanes, (index, lane) => http.get(`bare-${index}`, 0, into[lane]!)),
  };
}

function rcloneMoves(rclone: RcloneRuns, part: Uint8Array): Moves {
  const mib = part.length / MIB;
  return {
    upload: () => rclone.upload(OBJECTS, mib, PARTS_IN_FLIGHT),
    download: () => rclone.download(OBJECTS, mib, PARTS_IN_FLIGHT),
  };
}

interface Measured {
  readonly speed: number[];
  readonly cpuPerGb: number[];
  readonly serverPerGb: number[];
}

async function measure(
  into: Measured,
  server: StoreServer,
  carrier: Carrier,
  bytes: number,
  move: Move,
): Promise<void> {
  const own = (): number => {
    if (carrier === 'rclone copy') return cpuSecondsOf('ended children');
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const [cpu, theirs, begin] = [own(), server.cpuSeconds(), performance.now()];
  await move();
  const seconds = (performance.now() - begin) / 1000;
  into.speed.push(megabytesPerSecond(bytes, seconds));
  into.cpuPerGb.push((own() - cpu) / (bytes / 1e9));
  into.serverPerGb.push((server.cpuSeconds() - theirs) / (bytes / 1e9));
}

async function benchPart(
  server: StoreServer,
  place: string,
  sizes: Sizes,
  partBytes: number,
  onRow: (row: TransferRow) => void,
): Promise<void> {
  const part = randomFillSync(new Uint8Array(partBytes));
  const parts = Math.max(1, Math.round(sizes.storageBytes / OBJECTS / partBytes));
  const http = new BareHttp(server);
  const rclone = hasRclone() ? new RcloneRuns(server, place) : undefined;
  rclone?.prepare(OBJECTS, part, parts);
  const carriers: readonly (readonly [Carrier, Moves])[] = [
    ['spanvault', spanvaultMoves(server, part, parts, false)],
    ['spanvault, unsigned', spanvaultMoves(server, part, parts, true)],
    ['bare HTTP', bareMoves(http, part, parts)],
    ...(rclone === undefined ? [] : [['rclone copy', rcloneMoves(rclone, part)] as const]),
  ];
  const measured = new Map<string, Measured>();
  const bytes = OBJECTS * parts * partBytes;
  try {
    // The first round warms connections and code and does not count.
    for (let round = 0; round <= sizes.storageRounds; round++) {
      for (const [carrier, moves] of carriers) {
        for (const direction of ['upload', 'download'] as const) {
          const row = { speed: [], cpuPerGb: [], serverPerGb: [] };
          const key = `${direction} ${carrier}`;
          if (round > 0 && !measured.has(key)) measured.set(key, row);
          await measure(measured.get(key) ?? row, server, carrier, bytes, moves[direction]);
        }
        server.empty();
      }
    }
  } finally {
    http.close();
    rclone?.close();
  }
  for (const direction of ['upload', 'download'] as const) {
    for (const [carrier] of carriers) {
      const { speed, cpuPerGb, serverPerGb } = measured.get(`${direction} ${carrier}`)!;
      const figures = { speed: figure(speed), cpuPerGb: figure(cpuPerGb), serverPerGb: figure(serverPerGb) };
      onRow({ carrier, direction, partBytes, ...figures });
    }
  }
}

/** Uploads and downloads of objects of noise by each carrier, in alternation, for each part size; nothing where no store is installed. */
export async function benchTransfers(
  sizes: Sizes,
  scratch: string,
  onRow: (row: TransferRow) => void,
): Promise<TransferRow[]> {
  const place = placesFor(5 * sizes.storageBytes, scratch).at(-1)!.directory;
  const server = await startStore(place);
  if (server === undefined) return [];
  const rows: TransferRow[] = [];
  try {
    for (const mib of sizes.storagePartMib)
      await benchPart(server, place, sizes, mib * MIB, (row) => {
        rows.push(row);
        onRow(row);
      });
  } finally {
    server.stop();
  }
  return rows;
}
