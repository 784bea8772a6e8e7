import type { StorageClock } from '#src/storage/index.js';

/** A clock that jumps: a sleep ends at once and moves time on, firing the timers that are due. For one call at a time. */
export function jumpClock(
  random: () => number = () => 0.5,
): StorageClock & { readonly slept: number[]; pass(ms: number): void } {
  let now = 1_000;
  const timers = new Set<{ readonly at: number; readonly fire: () => void }>();
  const slept: number[] = [];
  const pass = (ms: number): void => {
    now += ms;
    for (const timer of [...timers]) {
      if (timer.at > now) continue;
      timers.delete(timer);
      timer.fire();
    }
  };
  return {
    slept,
    pass,
    now: () => now,
    async sleep(ms) {
      slept.push(ms);
      pass(ms);
    },
    timer(ms, fire) {
      const timer = { at: now + ms, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    random,
  };
}

/** A clock on which `factor` seconds pass in every real one: many calls may share it. */
export function scaledClock(factor: number, random: () => number): StorageClock {
  return {
    now: () => performance.now() * factor,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms / factor);
        signal?.addEventListener('abort', done);
      }),
    timer(ms, fire) {
      const timer = setTimeout(fire, ms / factor);
      return () => clearTimeout(timer);
    },
    random,
  };
}
