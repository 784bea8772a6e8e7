import { SpanvaultError } from '../fault/index.js';

/** What a task gets besides its arguments. */
export interface TaskContext {
  /** Fires when the run is cancelled; pass it to every await that can be long. */
  readonly signal: AbortSignal;
  /** Cheap check between native calls: a busy loop does not see `signal` until it yields. @throws SV_ABORTED */
  throwIfCancelled(): void;
  /** Adds to the run's counters; the numbers reach the caller's onProgress. */
  progress(bytes: number, entries: number): void;
}

/** Slots of the shared counter block of a run. */
export const CANCEL_SLOT = 0;
export const BYTES_SLOT = 1;
export const ENTRIES_SLOT = 2;
const SLOTS = 3;

/** Counters shared by all threads of a run: a cancel flag and progress sums; 64-bit so that bytes never wrap. */
export function newRunCounters(): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(SLOTS * BigInt64Array.BYTES_PER_ELEMENT));
}

/** The context of one task over the run's shared counters. Call `dispose` when the task has ended. */
export function openContext(counters: BigInt64Array): TaskContext & { dispose(): void } {
  const controller = new AbortController();
  // Polling every 50 ms costs nothing and needs no message from a main thread that may itself be blocked.
  const timer = setInterval(() => {
    if (Atomics.load(counters, CANCEL_SLOT) !== 0n) controller.abort();
  }, 50);
  timer.unref();
  return {
    signal: controller.signal,
    throwIfCancelled() {
      if (Atomics.load(counters, CANCEL_SLOT) !== 0n)
        throw new SpanvaultError('SV_ABORTED', 'the operation was aborted');
    },
    progress(bytes, entries) {
      Atomics.add(counters, BYTES_SLOT, BigInt(bytes));
      Atomics.add(counters, ENTRIES_SLOT, BigInt(entries));
    },
    dispose() {
      clearInterval(timer);
    },
  };
}
