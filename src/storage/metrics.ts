import type { CallLayer, StorageOperation } from './calls.js';
import { withLayers } from './calls.js';
import type { ExternalStorage } from './contract.js';

/** Sums of one operation. */
export interface OperationMetrics {
  calls: number;
  failures: number;
  /** Calls that were made again after a failure, or because what came was damaged. */
  retries: number;
  /** Bytes of object content that crossed. */
  bytes: number;
  /** Time between call and settling, summed over calls that may have run at the same time. */
  seconds: number;
}

/** Sums per operation of one or many storages. */
export type StorageMetrics = Record<StorageOperation, OperationMetrics>;

/** All zero. */
export function newStorageMetrics(): StorageMetrics {
  const zero = (): OperationMetrics => ({ calls: 0, failures: 0, retries: 0, bytes: 0, seconds: 0 });
  return {
    read: zero(),
    size: zero(),
    write: zero(),
    create: zero(),
    part: zero(),
    finish: zero(),
    list: zero(),
    delete: zero(),
  };
}

/** Adds every call to `metrics`. */
export function metricsLayer(metrics: StorageMetrics): CallLayer {
  return async (call, next) => {
    const into = metrics[call.operation];
    const begin = performance.now();
    if (call.again) into.retries++;
    else into.calls += call.objects;
    try {
      const result = await next(call.signal);
      into.failures += result.failures ?? 0;
      into.bytes += call.sentBytes + result.receivedBytes;
      return result;
    } catch (error) {
      into.failures += call.objects;
      throw error;
    } finally {
      into.seconds += (performance.now() - begin) / 1000;
    }
  };
}

/** The same storage, its calls added to `metrics`. */
export function withMetrics(storage: ExternalStorage, metrics: StorageMetrics): ExternalStorage {
  return withLayers(storage, [metricsLayer(metrics)]);
}
