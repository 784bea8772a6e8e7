import { writeSync } from 'node:fs';
import { isSpanvaultError } from '../fault/index.js';
import type { CallLayer } from './calls.js';
import type { StorageClock } from './clock.js';

const toStderr = (line: string): void => {
  // Written at once: a worker thread's process.stderr would wait for the main thread.
  writeSync(2, line);
};

/** Prints one line per call that reaches the store, repetitions too. `display` is redacted already; errors are told by code. */
export function traceLayer(display: string, clock: StorageClock, print = toStderr): CallLayer {
  return async (call, next) => {
    const begin = clock.now();
    const told = (outcome: string): void => {
      const ms = (clock.now() - begin).toFixed(1);
      print(`storage: ${call.operation}${call.again ? ' again' : ''} ${display}/${call.name} ${outcome} ${ms} ms\n`);
    };
    try {
      const result = await next(call.signal);
      told(`ok ${Math.max(call.sentBytes, result.receivedBytes)} bytes`);
      return result;
    } catch (error) {
      told(isSpanvaultError(error) ? `${error.code}${reasonOf(error.details.reason)}` : 'SV_INTERNAL');
      throw error;
    }
  };
}

function reasonOf(reason: unknown): string {
  return typeof reason === 'string' ? ` (${reason})` : '';
}
