/** Start of CockroachDB's unique_rowid clock: 2015-01-01 in nanoseconds. */
const EPOCH_NANOS = 1_420_070_400n * 1_000_000_000n;
const TICK_NANOS = 10_000n;
const NODE_BITS = 15n;

/** Ticks of 10 µs since 2015-01-01 at a wall time in nanoseconds. */
export function uniqueTick(wall: bigint): bigint {
  return (wall - EPOCH_NANOS) / TICK_NANOS;
}

/** `tick << 15 | node`, the form of unique_rowid(), of SST names and of job ids (crdb-format.md 1.4). */
export function uniqueInt(tick: bigint, nodeId: number): bigint {
  return (tick << NODE_BITS) | (BigInt(nodeId) & ((1n << NODE_BITS) - 1n));
}

/** Hands out ticks that never repeat, however coarse the clock is. */
export class TickSequence {
  #last = 0n;

  /** Reserves `count` ticks, at or after the one of `wall`, and returns the first. */
  reserve(wall: bigint, count = 1): bigint {
    const tick = uniqueTick(wall);
    const first = tick > this.#last ? tick : this.#last + 1n;
    this.#last = first + BigInt(count) - 1n;
    return first;
  }
}
