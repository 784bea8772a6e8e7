import { setTimeout as pause } from 'node:timers/promises';

/** Time and chance as retries, deadlines and limits see them; tests put a simulated one in. */
export interface StorageClock {
  /** Milliseconds on a clock that never goes back and is the same in all threads of the process. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fire` after `ms` unless the returned function is called before. */
  timer(ms: number, fire: () => void): () => void;
  /** In [0, 1). */
  random(): number;
}

const SYSTEM: StorageClock = {
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  async sleep(ms, signal) {
    // An early end is seen by whoever looks at the signal next.
    await pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  },
  timer(ms, fire) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

let clock = SYSTEM;

/** The clock of storages that are opened in this thread from now on. */
export function storageClock(): StorageClock {
  return clock;
}

/** Puts a clock in for this thread; undefined is the system's. */
export function setStorageClock(other: StorageClock | undefined): void {
  clock = other ?? SYSTEM;
}
