import { setTimeout as sleep } from 'node:timers/promises';
import { compareTimestamps, EMPTY_TIMESTAMP, MAX_TIMESTAMP, nextTimestamp, type Timestamp } from '../../keys/index.js';
import type { EmbeddedStore, MetaPut } from './store.js';

const CLOCK_KEY = 'clock';
/** How far ahead of the last timestamp the durable upper bound is put: one small commit per half second of use. */
const WINDOW_NANOS = 500_000_000n;
/** Longest wait at open for the wall clock to pass the bound; a clock that was set back further only counts on. */
const MAX_WAIT_MS = 2 * Number(WINDOW_NANOS / 1_000_000n);

/** Decimal nanoseconds as text; `closed` when no writer can use times below the bound any more. */
interface ClockRecord {
  readonly bound: string;
  readonly closed: boolean;
}

/** Physical time: nanoseconds since 1970, microsecond steps. */
function wallNow(): bigint {
  return BigInt(Math.trunc((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

/**
 * The hybrid-logical clock of a cluster. Every timestamp is greater than all before it, in this process and in those
 * before it: the store holds an upper bound that is written before a timestamp beyond it is given out.
 */
export class HybridClock {
  readonly #store: EmbeddedStore;
  #last: Timestamp;
  #bound: bigint;

  private constructor(store: EmbeddedStore, bound: bigint) {
    this.#store = store;
    this.#bound = bound;
    this.#last = store.readOnly ? EMPTY_TIMESTAMP : { wall: bound, logical: 0 };
  }

  /** Reads the bound; a writer waits until the wall clock has passed it, so that times stay close to real ones. */
  static async open(store: EmbeddedStore): Promise<HybridClock> {
    const bound = BigInt(store.metaGet<ClockRecord>(CLOCK_KEY)?.bound ?? '0');
    if (!store.readOnly) {
      const ahead = Number((bound - wallNow()) / 1_000_000n) + 1;
      if (ahead > 0 && ahead <= MAX_WAIT_MS) await sleep(ahead);
    }
    return new HybridClock(store, bound);
  }

  /** A timestamp greater than every one before; a read-only clock never passes what a writer may still use. */
  now(): Timestamp {
    if (this.#store.readOnly) return this.#readOnlyNow();
    const wall = wallNow();
    this.#last = wall > this.#last.wall ? { wall, logical: 0 } : nextTimestamp(this.#last);
    if (this.#last.wall >= this.#bound) {
      this.#bound = this.#last.wall + WINDOW_NANOS;
      this.#store.commit({ meta: [this.#record(false)] });
    }
    return this.#last;
  }

  /** Moves the clock past a timestamp that was seen elsewhere (restored versions, a backup's end time). */
  observe(ts: Timestamp): void {
    if (compareTimestamps(ts, this.#last) > 0 && compareTimestamps(ts, MAX_TIMESTAMP) < 0) this.#last = ts;
  }

  /** Writes the last timestamp as the bound, so that a clean reopen does not wait. */
  close(): void {
    if (this.#store.readOnly || this.#last.wall >= this.#bound) return;
    this.#bound = this.#last.wall + 1n;
    this.#store.commit({ meta: [this.#record(true)] });
  }

  #readOnlyNow(): Timestamp {
    const record = this.#store.metaGet<ClockRecord>(CLOCK_KEY);
    let seen = wallNow();
    if (record !== undefined) {
      // What a running writer has committed lies below its bound less the window, or below the wall clock.
      const floor = BigInt(record.bound) - (record.closed ? 0n : WINDOW_NANOS);
      if (floor > seen) seen = floor;
    }
    if (seen > this.#last.wall) this.#last = { wall: seen, logical: 0 };
    return this.#last;
  }

  #record(closed: boolean): MetaPut {
    const value: ClockRecord = { bound: this.#bound.toString(), closed };
    return { key: CLOCK_KEY, value };
  }
}
