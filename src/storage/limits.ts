import { SpanvaultError } from '../fault/index.js';
import type { CallLayer } from './calls.js';
import type { StorageClock } from './clock.js';
import type { StorageLimits } from './contract.js';

/** Slots of the shared block. */
const REQUESTS = 0;
const BYTES = 1;

/** After a pause at most so much is made up for at once, in nanoseconds. */
const BURST = 200_000_000n;

/**
 * Limits for all threads whose StorageSettings hold the returned object.
 * @param bytesPerSecond bytes of object content, sent and received together; 0 = no limit
 * @param requestsPerSecond calls; 0 = no limit
 * @throws SpanvaultError SV_USAGE for what is no rate
 */
export function newStorageLimits(bytesPerSecond: number, requestsPerSecond: number): StorageLimits {
  for (const rate of [bytesPerSecond, requestsPerSecond]) {
    if (!(Number.isFinite(rate) && rate >= 0))
      throw new SpanvaultError('SV_USAGE', `a limit of ${rate} per second is not a rate`);
  }
  return { bytesPerSecond, requestsPerSecond, shared: new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT) };
}

/** Lets calls wait until the limits allow them. Received bytes are charged when they have come, so that a later call pays. */
export function limitLayer(limits: StorageLimits, clock: StorageClock): CallLayer {
  const next = new BigInt64Array(limits.shared);
  /** Charges `amount` and returns how many milliseconds its turn is away. */
  const charge = (slot: number, amount: number, perSecond: number): number => {
    if (perSecond === 0 || amount === 0) return 0;
    const cost = BigInt(Math.ceil((amount / perSecond) * 1e9));
    const now = BigInt(Math.floor(clock.now() * 1e6));
    for (;;) {
      const free = Atomics.load(next, slot);
      const turn = free > now - BURST ? free : now - BURST;
      if (Atomics.compareExchange(next, slot, free, turn + cost) === free) return Math.max(0, Number(turn - now) / 1e6);
    }
  };
  return async (call, send) => {
    const wait = Math.max(
      charge(REQUESTS, call.objects, limits.requestsPerSecond),
      charge(BYTES, call.sentBytes, limits.bytesPerSecond),
    );
    if (wait > 0) await clock.sleep(wait, call.signal);
    const result = await send(call.signal);
    // What came is paid for afterwards: the size of an answer is not known before.
    const debt = charge(BYTES, result.receivedBytes, limits.bytesPerSecond);
    if (debt > 0) await clock.sleep(debt, call.signal);
    return result;
  };
}
