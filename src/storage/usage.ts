import { AsyncLocalStorage } from 'node:async_hooks';
import type { Counter } from 'prom-client';
import { newStorageMetrics, type OperationMetrics, type StorageMetrics } from './metrics.js';

/** What was asked of one bucket. Plain data: it crosses threads. */
export interface BucketUsage {
  /** `s3://bucket`: scheme and host, no path, no parameters. */
  readonly bucket: string;
  readonly operations: StorageMetrics;
  /** Requests that really went out, by the store's own names, where the driver counts them: `{ PutObject: 3 }`. */
  readonly requests: Record<string, number>;
}

/** Sums per bucket; what `measureStorage` hands to its work. */
export class StorageLedger {
  readonly #buckets = new Map<string, BucketUsage>();

  /** The sums of one bucket, to be added to. */
  of(bucket: string): BucketUsage {
    let usage = this.#buckets.get(bucket);
    if (usage === undefined) {
      usage = { bucket, operations: newStorageMetrics(), requests: {} };
      this.#buckets.set(bucket, usage);
    }
    return usage;
  }

  /** Adds the sums of another ledger, of another thread for instance. */
  add(usages: readonly BucketUsage[]): void {
    for (const { bucket, operations, requests } of usages) {
      const into = this.of(bucket);
      for (const operation of Object.keys(operations) as (keyof StorageMetrics)[]) {
        const sums = into.operations[operation];
        for (const field of Object.keys(sums) as (keyof OperationMetrics)[])
          sums[field] += operations[operation][field];
      }
      for (const [kind, count] of Object.entries(requests)) into.requests[kind] = (into.requests[kind] ?? 0) + count;
    }
  }

  usages(): readonly BucketUsage[] {
    return [...this.#buckets.values()];
  }
}

const current = new AsyncLocalStorage<StorageLedger>();

/** Runs `work`; every storage opened inside of it, however deep, is counted in the ledger it gets. Nested calls count apart. */
export function measureStorage<T>(work: (ledger: StorageLedger) => Promise<T>): Promise<T> {
  const ledger = new StorageLedger();
  return current.run(ledger, () => work(ledger));
}

/** The same for an operation within a larger one: what it asked for is counted for whoever measures around it too, also when it fails. */
export function measureOperation<T>(work: (ledger: StorageLedger) => Promise<T>): Promise<T> {
  const outer = currentLedger();
  return measureStorage(async (ledger) => {
    try {
      return await work(ledger);
    } finally {
      outer.add(ledger.usages());
    }
  });
}

/** The ledger that a storage opened now is counted in; a new one outside of measureStorage. */
export function currentLedger(): StorageLedger {
  return current.getStore() ?? new StorageLedger();
}

/** Adds what was counted elsewhere, in another thread for instance, to the ledger of the work that calls. */
export function addUsage(usages: readonly BucketUsage[]): void {
  currentLedger().add(usages);
}

/** Usage as Prometheus text: calls, failures, retries, bytes and seconds by bucket and operation, and requests by kind. */
export async function usagePrometheus(usages: readonly BucketUsage[]): Promise<string> {
  // Only here: loading it takes 40 ms of processor time, in every worker thread and at every start of the program.
  const { Counter: Prometheus, Registry } = await import('prom-client');
  const registry = new Registry();
  const counter = (name: string, help: string, labelNames: readonly string[]): Counter =>
    new Prometheus({ name: `spanvault_storage_${name}`, help, labelNames: [...labelNames], registers: [registry] });
  const byOperation = ['bucket', 'operation'];
  const counters: Record<keyof OperationMetrics, Counter> = {
    calls: counter('calls_total', 'Storage operations.', byOperation),
    failures: counter('failures_total', 'Storage operations that failed in the end.', byOperation),
    retries: counter('retries_total', 'Repetitions of failed calls.', byOperation),
    bytes: counter('bytes_total', 'Bytes of object content that crossed.', byOperation),
    seconds: counter('seconds_total', 'Seconds spent in storage operations.', byOperation),
  };
  const sent = counter('requests_total', 'Requests by the kind that the store bills.', ['bucket', 'kind']);
  for (const { bucket, operations, requests } of usages) {
    for (const [operation, sums] of Object.entries(operations)) {
      if (sums.calls === 0) continue;
      for (const field of Object.keys(counters) as (keyof OperationMetrics)[])
        counters[field].inc({ bucket, operation }, sums[field]);
    }
    for (const [kind, count] of Object.entries(requests)) sent.inc({ bucket, kind }, count);
  }
  return registry.metrics();
}
