import { setTimeout as sleep } from 'node:timers/promises';
import { SpanvaultError } from '../fault/index.js';

/** What a task gets besides its arguments. */
export interface TaskContext {
  /** Fires when the run is cancelled; pass it to every await that can be long. */
  readonly signal: AbortSignal;
  /** Cheap check between native calls: a busy loop does not see `signal` until it yields. @throws SV_ABORTED */
  throwIfCancelled(): void;
  /** Adds to the run's counters; the numbers reach the caller's onProgress. */
  progress(bytes: number, entries: number): void;
  /**
   * Runs `work` after the same call of every earlier task of the run, so that what tasks compute side by side is put down in
   * their order. All tasks of a run call it once each, or none does. @throws SV_ABORTED while waiting
   */
  inOrder<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Memory of one kind that ended tasks of this run left in this thread, to be taken and put back: fresh memory would be zeroed
   * for every task and wait for the collector after it. When the thread works for another run it is dropped, but for what the
   * first task of that run inherits.
   */
  spare<T>(kind: string, inherit?: Inheritance<T>): T[];
}

/** What of the memory that the run before left a run goes on with; else both runs' would be held until the collector comes by. */
export interface Inheritance<T> {
  readonly most: number;
  fits(memory: T): boolean;
}

/** Spare memory of a thread, by kind. */
export type SpareMemory = (kind: string, inherit: Inheritance<unknown> | undefined) => unknown[];

/** Slots of the shared counter block of a run. */
export const CANCEL_SLOT = 0;
export const BYTES_SLOT = 1;
export const ENTRIES_SLOT = 2;
/** Index of the task whose turn it is in `inOrder`. */
export const TURN_SLOT = 3;
const SLOTS = 4;
/** A turn is worth a few hundred milliseconds of work: looking this often costs nothing. */
const TURN_POLL_MS = 1;

/** Counters shared by all threads of a run: a cancel flag and progress sums; 64-bit so that bytes never wrap. */
export function newRunCounters(): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(SLOTS * BigInt64Array.BYTES_PER_ELEMENT));
}

/** The context of task number `index` over the run's shared counters. Call `dispose` when the task has ended. */
export function openContext(
  counters: BigInt64Array,
  index: number,
  memory: SpareMemory,
): TaskContext & { dispose(): void } {
  const controller = new AbortController();
  // Polling every 50 ms costs nothing and needs no message from a main thread that may itself be blocked.
  const timer = setInterval(() => {
    if (Atomics.load(counters, CANCEL_SLOT) !== 0n) controller.abort();
  }, 50);
  timer.unref();
  const throwIfCancelled = (): void => {
    if (Atomics.load(counters, CANCEL_SLOT) !== 0n) throw new SpanvaultError('SV_ABORTED', 'the operation was aborted');
  };
  return {
    signal: controller.signal,
    throwIfCancelled,
    async inOrder(work) {
      // A task that runs again after its worker died may find its turn passed already.
      while (Atomics.load(counters, TURN_SLOT) < BigInt(index)) {
        throwIfCancelled();
        await sleep(TURN_POLL_MS);
      }
      const result = await work();
      if (Atomics.load(counters, TURN_SLOT) === BigInt(index)) Atomics.store(counters, TURN_SLOT, BigInt(index + 1));
      return result;
    },
    progress(bytes, entries) {
      Atomics.add(counters, BYTES_SLOT, BigInt(bytes));
      Atomics.add(counters, ENTRIES_SLOT, BigInt(entries));
    },
    spare<T>(kind: string, inherit?: Inheritance<T>): T[] {
      // What a kind holds is what its tasks put there.
      return memory(kind, inherit as Inheritance<unknown> | undefined) as T[];
    },
    dispose() {
      clearInterval(timer);
    },
  };
}
