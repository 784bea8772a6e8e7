import { setMaxListeners } from 'node:events';
import { isSpanvaultError, SpanvaultError, throwIfAborted } from '../fault/index.js';
import type { CallLayer, StorageCall } from './calls.js';
import type { StorageClock } from './clock.js';
import type { RetrySettings } from './contract.js';

/** What is used where StorageSettings say nothing. */
export const DEFAULT_RETRY: RetrySettings = {
  attempts: 10,
  baseMs: 100,
  capMs: 20_000,
  callTimeoutMs: 60_000,
  operationTimeoutMs: 600_000,
};

/** A store that says "slow down" means it for longer than a broken connection does. */
const THROTTLED_FACTOR = 8;

const MIB = 1024 * 1024;

/** @throws SpanvaultError SV_USAGE for numbers that allow no call */
export function resolveRetry(settings: Partial<RetrySettings> = {}): RetrySettings {
  const resolved = { ...DEFAULT_RETRY, ...settings };
  if (!Number.isSafeInteger(resolved.attempts) || resolved.attempts < 1)
    throw new SpanvaultError('SV_USAGE', `${resolved.attempts} attempts are not a positive number`);
  for (const name of ['baseMs', 'capMs', 'callTimeoutMs', 'operationTimeoutMs'] as const) {
    if (!(Number.isFinite(resolved[name]) && resolved[name] > 0))
      throw new SpanvaultError('SV_USAGE', `a ${name} of ${resolved[name]} is not a positive number of milliseconds`);
  }
  return resolved;
}

/**
 * Repeats calls whose failure may pass, with exponential back-off and full jitter, within a deadline per call and one per
 * operation. What failed in the end says how often it was tried.
 */
export function retryLayer(
  retry: RetrySettings,
  clock: StorageClock,
  display: string,
  onRetry: (call: StorageCall) => void,
): CallLayer {
  return async (call, next) => {
    const begin = clock.now();
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(call.signal);
      try {
        return await withDeadline(retry, clock, display, call, next);
      } catch (error) {
        throwIfAborted(call.signal);
        if (!isSpanvaultError(error) || error.retry !== 'backoff') throw error;
        const wait = waitOf(retry, clock, error, attempt);
        if (attempt >= retry.attempts || clock.now() - begin + wait > retry.operationTimeoutMs)
          throw givenUp(error, attempt, (clock.now() - begin) / 1000);
        onRetry(call);
        await clock.sleep(wait, call.signal);
      }
    }
  };
}

/** Milliseconds until the next attempt: at least what the store asked for. */
function waitOf(retry: RetrySettings, clock: StorageClock, error: SpanvaultError, attempt: number): number {
  const { kind, retryAfterSeconds } = error.details;
  const base = retry.baseMs * (kind === 'throttled' ? THROTTLED_FACTOR : 1);
  const jittered = clock.random() * Math.min(retry.capMs, base * 2 ** (attempt - 1));
  return Math.max(jittered, typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1000 : 0);
}

function givenUp(error: SpanvaultError, attempts: number, seconds: number): SpanvaultError {
  return new SpanvaultError(error.code, `${error.message}, after ${attempts} attempts in ${seconds.toFixed(1)} s`, {
    cause: error,
    // The one policy has spoken: whoever is above does not repeat it.
    retry: 'never',
    details: { ...error.details, attempts },
  });
}

/** Makes the call with a signal of its own that fires with the caller's or at the deadline. */
async function withDeadline<T>(
  retry: RetrySettings,
  clock: StorageClock,
  display: string,
  call: StorageCall,
  next: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const relay = (): void => own.abort(call.signal?.reason);
  // One listener per call in flight, as many as callers make at a time: no leak for Node to warn of.
  if (call.signal !== undefined) setMaxListeners(0, call.signal);
  call.signal?.addEventListener('abort', relay, { once: true });
  const limit = retry.callTimeoutMs + (1000 * Math.max(call.sentBytes, call.expectedBytes)) / MIB;
  let late = false;
  const cancel = clock.timer(limit, () => {
    late = true;
    own.abort();
  });
  try {
    return await next(own.signal);
  } catch (error) {
    if (!late || call.signal?.aborted === true) throw error;
    throw new SpanvaultError(
      'SV_STORAGE_UNAVAILABLE',
      `${call.operation} of ${display}/${call.name} failed: no answer within ${(limit / 1000).toFixed(1)} s`,
      { retry: 'backoff', details: { kind: 'transient', reason: 'deadline' } },
    );
  } finally {
    cancel();
    call.signal?.removeEventListener('abort', relay);
  }
}
