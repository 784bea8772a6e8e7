import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PutWork, PutWorkerData } from './put_worker.js';

/** Threads that put files to a store at the same time and do nothing else, as a backup's workers would. */
export class PutThreads {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  static async start(count: number, data: PutWorkerData): Promise<PutThreads> {
    const module = new URL('./put_worker.js', import.meta.url);
    const workers = Array.from({ length: count }, () => new Worker(module, { workerData: data }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    return new PutThreads(workers);
  }

  /** Puts `files` files of `fileBytes` each; seconds of wall time. */
  async run(files: number, fileBytes: number): Promise<number> {
    const names = Array.from({ length: files }, (_, file) => `${file}.sst`);
    const share = Math.ceil(files / this.#workers.length);
    const begin = performance.now();
    const replies = this.#workers.map(async (worker, index): Promise<void> => {
      const reply = once(worker, 'message');
      worker.postMessage({ names: names.slice(index * share, (index + 1) * share), fileBytes } satisfies PutWork);
      await reply;
    });
    await Promise.all(replies);
    return (performance.now() - begin) / 1000;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
