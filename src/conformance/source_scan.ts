import type { RangeScanner, RangeSource, ScanRequest, WorkerHalf } from '../cluster/contract.js';
import {
  compareBytes,
  compareMvccKeys,
  compareTimestamps,
  decodeEngineKey,
  printDecimal,
  printKey,
  toHex,
} from '../keys/index.js';
import { holds, same } from './assertions.js';

/** Opens a scanner as a worker thread does: from the module's URL and a structured clone of its data. */
async function openScanner(
  half: WorkerHalf | RangeScanner,
): Promise<{ readonly scanner: RangeScanner; close(): Promise<void> }> {
  if (!('module' in half)) return { scanner: half, close: async () => undefined };
  const loaded = (await import(half.module)) as { openScanner(data: unknown): RangeScanner | Promise<RangeScanner> };
  const scanner = await loaded.openScanner(structuredClone(half.data));
  return { scanner, close: async () => scanner.close() };
}

/** A version that a scan gave, as texts that can be compared. */
export interface Version {
  readonly key: string;
  readonly time: string;
  readonly value: string;
}

const BUFFER_BYTES = 64 * 1024;

/** Reads a scan to its end and checks what every scan must keep: order, bounds, packed offsets. */
export async function scanAll(
  source: RangeSource,
  request: ScanRequest,
  bufferBytes = BUFFER_BYTES,
  entries = 1024,
): Promise<Version[]> {
  const { scanner, close } = await openScanner(source.scanner);
  const scan = scanner.open(request);
  const versions: Version[] = [];
  let last: Uint8Array | undefined;
  let bytes = new Uint8Array(bufferBytes);
  const offsets = new Uint32Array(2 * entries + 1);
  try {
    for (;;) {
      const fill = await scan.next(bytes, offsets);
      if (fill.kind === 'done') break;
      if (fill.kind === 'grow') {
        holds(fill.bytes > bytes.length, `the scan asked for ${fill.bytes} bytes and had ${bytes.length}`);
        bytes = new Uint8Array(fill.bytes);
        continue;
      }
      holds(
        fill.count >= 0 && fill.count <= entries,
        `a batch holds ${fill.count} entries, its offsets have room for ${entries}`,
      );
      same(offsets[2 * fill.count], fill.bytesUsed, 'the last offset');
      for (let index = 0; index < fill.count; index++) {
        const engineKey = bytes.slice(offsets[2 * index], offsets[2 * index + 1]);
        const { key, timestamp } = decodeEngineKey(engineKey);
        holds(
          compareBytes(request.span.key, key) <= 0 && compareBytes(key, request.span.endKey) < 0,
          `${printKey(key)} lies outside of the span`,
        );
        holds(compareTimestamps(timestamp, request.endTime) <= 0, `${printKey(key)} is newer than the end time`);
        if (last !== undefined)
          holds(compareMvccKeys(decodeEngineKey(last), { key, timestamp }) < 0, `${printKey(key)} is out of order`);
        last = engineKey;
        const value = bytes.slice(offsets[2 * index + 1], offsets[2 * index + 2]);
        versions.push({ key: toHex(key), time: printDecimal(timestamp), value: toHex(value) });
      }
    }
  } finally {
    scan.close();
    await close();
  }
  return versions;
}

/** How a scan says that it found its versions, once it has ended. */
export async function visitedBy(
  source: RangeSource,
  request: ScanRequest,
): Promise<{ readonly indexed: boolean; readonly bytes: number }> {
  const { scanner, close } = await openScanner(source.scanner);
  const scan = scanner.open(request);
  try {
    const bytes = new Uint8Array(BUFFER_BYTES);
    const offsets = new Uint32Array(2049);
    while ((await scan.next(bytes, offsets)).kind !== 'done');
    const visited = scan.bytesVisited?.();
    holds(visited !== undefined, 'a source with an index does not count what it visits');
    return { indexed: scan.indexed === true, bytes: visited ?? 0 };
  } finally {
    scan.close();
    await close();
  }
}
