import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { fromWire, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { BYTES_SLOT, CANCEL_SLOT, ENTRIES_SLOT, newRunCounters, TURN_SLOT } from './context.js';
import { giveBackThreads, takeThreads } from './threads.js';
import { forgetRun, runTask, type TaskReply } from './worker.js';

export interface PoolOptions {
  /** Worker threads; default: one per available core. 0 runs every task on the calling thread (the slow path of inline sources). */
  readonly workers?: number;
  /**
   * Tasks that a thread has in progress at once: with two, one computes while the other waits for storage. Memory grows with
   * it. Default 1.
   */
  readonly tasksPerWorker?: 1 | 2;
  readonly signal?: AbortSignal;
  /** How often a task is run again after its worker died; tasks must be idempotent. Default 2. */
  readonly retriesAfterDeath?: number;
  /** Called about ten times a second while tasks run, with sums over all threads. */
  readonly onTick?: (sums: { readonly bytes: number; readonly entries: number }) => void;
}

export interface TaskSpec<A> {
  /** File URL of the module that exports the task function `(args, context) => Promise<result>`. */
  readonly module: string;
  readonly export: string;
  readonly args: A;
}

const TICK_MS = 100;

/** Tells a thread which tasks are of one run. */
let runs = 0;

/**
 * A pool for one run: the same threads for all its tasks, never more tasks handed over than the threads may have in
 * progress, so memory is bounded by workers × tasksPerWorker × task memory. The first failure cancels the rest and is rethrown once all
 * running tasks have stopped: after `run` has settled, no thread still writes. Threads come from earlier runs of the process where
 * such wait for work, with their modules loaded; after a failure they end with the run.
 */
export class TaskPool {
  readonly workers: number;
  readonly #tasksPerWorker: number;
  readonly #options: PoolOptions;
  readonly #counters = newRunCounters();
  readonly #run = ++runs;
  #threads: Piscina | undefined;
  #running = 0;
  /** Set while all went well: threads in which something failed are not used again. */
  #sound = true;
  /** Errors of idle workers, kept for the message of a later failure. */
  readonly #strayErrors: Error[] = [];
  readonly #onStrayError = (error: Error): void => {
    this.#sound = false;
    this.#strayErrors.push(error);
  };

  constructor(options: PoolOptions = {}) {
    this.#options = options;
    this.workers = options.workers ?? availableParallelism();
    this.#tasksPerWorker = options.tasksPerWorker ?? 1;
    if (this.workers > 0) {
      this.#threads = takeThreads(this.workers);
      // A worker that dies while idle is replaced by the pool; while busy, the task's own promise rejects.
      this.#threads.on('error', this.#onStrayError);
    }
  }

  /** Sums reported by tasks so far. */
  sums(): { readonly bytes: number; readonly entries: number } {
    return {
      bytes: Number(Atomics.load(this.#counters, BYTES_SLOT)),
      entries: Number(Atomics.load(this.#counters, ENTRIES_SLOT)),
    };
  }

  /** Runs all tasks; `onResult` is called in completion order. @throws the first task failure, or SV_ABORTED */
  async run<A, R>(
    tasks: readonly TaskSpec<A>[],
    onResult: (result: R, index: number) => void | Promise<void>,
  ): Promise<void> {
    const { signal, onTick } = this.#options;
    throwIfAborted(signal);
    const cancel = () => Atomics.store(this.#counters, CANCEL_SLOT, 1n);
    signal?.addEventListener('abort', cancel, { once: true });
    Atomics.store(this.#counters, TURN_SLOT, 0n);
    let next = 0;
    let failure: unknown;
    const tick = (): void => {
      try {
        onTick?.(this.sums());
      } catch (error) {
        // The caller's own callback failed: the run does too, rather than the process by an exception in a timer.
        failure ??= error;
        cancel();
      }
    };
    const timer = onTick === undefined ? undefined : setInterval(tick, TICK_MS);
    const lane = async (): Promise<void> => {
      while (failure === undefined && next < tasks.length) {
        const index = next++;
        try {
          const result = await this.#runOne<A, R>(tasks[index]!, index);
          if (failure === undefined) await onResult(result, index);
        } catch (error) {
          failure ??= error;
          cancel();
        }
      }
    };
    this.#running++;
    try {
      await Promise.all(
        Array.from({ length: Math.max(1, Math.min(this.workers * this.#tasksPerWorker, tasks.length)) }, lane),
      );
      tick();
    } finally {
      this.#running--;
      clearInterval(timer);
      signal?.removeEventListener('abort', cancel);
    }
    throwIfAborted(signal);
    if (failure !== undefined) throw failure;
  }

  async #runOne<A, R>(task: TaskSpec<A>, index: number): Promise<R> {
    const message = { ...task, counters: this.#counters, run: this.#run, index };
    const threads = this.#threads;
    const retries = this.#options.retriesAfterDeath ?? 2;
    for (let attempt = 0; ; attempt++) {
      let reply: TaskReply;
      try {
        reply =
          threads === undefined
            ? await runTask(message)
            : ((await threads.run(message, { name: 'runTask' })) as TaskReply);
      } catch (error) {
        this.#sound = false;
        if (attempt < retries && Atomics.load(this.#counters, CANCEL_SLOT) === 0n) continue;
        const stray = this.#strayErrors.at(-1);
        throw new SpanvaultError('SV_WORKER_DIED', `a worker thread died ${attempt + 1} times in task ${task.export}`, {
          retry: 'restart',
          cause: error ?? stray,
          details: { task: task.export, attempts: attempt + 1 },
        });
      }
      if (!reply.ok) throw fromWire(reply.fault);
      return reply.value as R;
    }
  }

  /** Gives the threads back, or ends them when the run did not end well. */
  async close(): Promise<void> {
    const threads = this.#threads;
    this.#threads = undefined;
    forgetRun(this.#run);
    if (threads === undefined) return;
    threads.off('error', this.#onStrayError);
    const cancelled = Atomics.load(this.#counters, CANCEL_SLOT) !== 0n;
    if (this.#sound && !cancelled && this.#running === 0) await giveBackThreads(threads);
    else await threads.destroy();
  }
}
