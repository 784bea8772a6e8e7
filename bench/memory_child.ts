/*
 * The process whose memory is measured: fills a cluster, backs it up, restores it into another one, and tells its parent by
 * messages when each phase begins and what the event loop suffered in it. Arguments: scratch directory, bytes.
 */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { backup } from '#src/backup/index.js';
import { restore } from '#src/restore/index.js';
import { bucketOf, emptyCluster, filledCluster, TARGETS, tableOfBytes } from './clusters.js';

export type MemoryPhase = 'fill' | 'backup' | 'restore';

export type ChildMessage =
  | { readonly kind: 'begin'; readonly phase: MemoryPhase }
  | {
      readonly kind: 'end';
      readonly phase: MemoryPhase;
      readonly bytes: number;
      readonly seconds: number;
      /** Milliseconds. */
      readonly loopDelayP99: number;
      readonly loopDelayMax: number;
    };

const VALUE_BYTES = 1024;

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send?.(message, undefined, undefined, (error) => (error === null ? resolve() : reject(error))),
  );
}

async function phase<T>(name: MemoryPhase, run: () => Promise<T>, bytesOf: (result: T) => number): Promise<T> {
  await tell({ kind: 'begin', phase: name });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begin = performance.now();
  const result = await run();
  const seconds = (performance.now() - begin) / 1000;
  delay.disable();
  const [loopDelayP99, loopDelayMax] = [delay.percentile(99) / 1e6, delay.max / 1e6];
  await tell({ kind: 'end', phase: name, bytes: bytesOf(result), seconds, loopDelayP99, loopDelayMax });
  return result;
}

const [scratch = '', bytes = ''] = process.argv.slice(2);
const table = tableOfBytes(Number(bytes), VALUE_BYTES);
const [from, to] = [join(scratch, 'source'), join(scratch, 'restored')];
const { uris, storage } = bucketOf(from);
const source = await phase(
  'fill',
  () => filledCluster(from, table),
  () => Number(bytes),
);
const written = await phase(
  'backup',
  () => backup({ source: source.source(), into: uris, targets: TARGETS, storage }),
  (result) => result.bytes,
);
await source.close();
const sink = await emptyCluster(to);
const restored = await phase(
  'restore',
  () => restore({ sink: sink.sink(), from: 'LATEST', in: uris, targets: TARGETS, storage }),
  (result) => result.bytes,
);
await sink.close();
if (restored.bytes !== written.bytes)
  throw new Error(`${written.bytes} bytes were backed up and ${restored.bytes} restored`);
process.disconnect();
