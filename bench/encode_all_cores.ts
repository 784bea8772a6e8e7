import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { indexSpans } from '#src/catalog/index.js';
import type { EmbeddedCluster } from '#src/cluster/index.js';
import type { StorageConfig } from '#src/storage/index.js';
import type { EncodeWorkerData, ThreadWork } from './encode_worker.js';
import { megabytesPerSecond } from './measure.js';

/** Threads that encode, or scan, the same rows at the same time and do nothing else: what a backup could reach at most. */
export class EncodeThreads {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  static async start(count: number, data: EncodeWorkerData): Promise<EncodeThreads> {
    const module = new URL('./encode_worker.js', import.meta.url);
    const workers = Array.from({ length: count }, () => new Worker(module, { workerData: data }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    return new EncodeThreads(workers);
  }

  /** One round of all threads: MB of keys and values per second of wall time. */
  async run(work: 'encode' | 'scan'): Promise<number> {
    const { bytes, seconds } = await this.#all(() => work);
    return megabytesPerSecond(bytes, seconds);
  }

  /** Puts `files` files, shared out to the threads; seconds. */
  async put(storage: StorageConfig, files: number, fileBytes: number): Promise<number> {
    const names = Array.from({ length: files }, (_, index) => `${index}.sst`);
    const share = (worker: number): string[] => names.filter((_, index) => index % this.#workers.length === worker);
    return (await this.#all((worker) => ({ storage, names: share(worker), fileBytes }))).seconds;
  }

  async #all(workOf: (worker: number) => ThreadWork): Promise<{ readonly bytes: number; readonly seconds: number }> {
    const begin = performance.now();
    const replies = this.#workers.map(async (worker, index): Promise<number> => {
      const reply = once(worker, 'message');
      worker.postMessage(workOf(index));
      return ((await reply)[0] as { readonly bytes: number }).bytes;
    });
    const bytes = (await Promise.all(replies)).reduce((sum, one) => sum + one, 0);
    return { bytes, seconds: (performance.now() - begin) / 1000 };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Encode-only threads over the rows of the table that the backup exports, with the backup's own settings. */
export async function encodeThreads(cluster: EmbeddedCluster, workers: number, bytes: number): Promise<EncodeThreads> {
  const [span] = indexSpans([cluster.table('kv', 'kv')]);
  const { directory, mapBytes } = cluster.core.store;
  return EncodeThreads.start(workers, {
    store: { directory, mapBytes },
    span: span!,
    sst: {
      compression: 'snappy',
      level: 1,
      blockBytes: 32 * 1024,
      restartInterval: 16,
      targetFileBytes: Number.MAX_SAFE_INTEGER,
      rowBoundary: 'sql',
      clearValueChecksums: false,
    },
    heldBytes: Math.min(32e6, bytes / workers),
    totalBytes: bytes / workers,
  });
}
