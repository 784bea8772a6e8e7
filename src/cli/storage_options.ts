import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { SpanvaultError } from '../fault/index.js';
import { type BucketUsage, measureStorage, newStorageLimits, usagePrometheus } from '../storage/index.js';
import { type Context, wholeNumber } from './context.js';
import type { EngineSettings } from './host.js';
import { write } from './io.js';
import { usageLines } from './usage_text.js';

/** How a command treats its stores. */
export interface StorageOptions {
  readonly traceStorage?: true;
  readonly retryAttempts?: number;
  readonly retrySeconds?: number;
  readonly limitBytes?: number;
  readonly limitRequests?: number;
  readonly unsignedPayload?: true;
  readonly metrics?: string;
}

/** Options of every command that reads or writes a backup. */
export function withStorage(command: Command): Command {
  return command
    .option('--trace-storage', 'print every call of a store to stderr, secrets redacted')
    .option('--retry-attempts <n>', 'most times that one call is made (default: 10)', wholeNumber(1))
    .option('--retry-seconds <n>', 'nothing is repeated after this long (default: 600)', wholeNumber(1))
    .option('--limit-bytes <n>', 'bytes a second over all workers, both directions', wholeNumber(1))
    .option('--limit-requests <n>', 'calls a second over all workers', wholeNumber(1))
    .option('--unsigned-payload', 'do not hash what goes to s3 over plain HTTP for its signature')
    .option('--metrics <file>', 'what was asked of each bucket, as Prometheus text; -: readable, to stderr');
}

/**
 * Runs the work of a command, which may look at what it has asked of its stores so far, and writes the metrics that were asked
 * for when it ends, well or not.
 */
export function withUsage<T>(
  { io }: Context,
  { metrics }: StorageOptions,
  work: (usages: () => readonly BucketUsage[]) => Promise<T>,
): Promise<T> {
  return measureStorage(async (ledger) => {
    const report = async (): Promise<void> => {
      if (metrics === '-') for (const line of usageLines(ledger.usages())) await write(io.stderr, line);
      else if (metrics !== undefined) await writeMetrics(metrics, await usagePrometheus(ledger.usages()));
    };
    let result: T;
    try {
      result = await work(() => ledger.usages());
    } catch (error) {
      // Why the work failed matters more than why its numbers could not be written.
      await Promise.allSettled([report()]);
      throw error;
    }
    await report();
    return result;
  });
}

async function writeMetrics(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SpanvaultError('SV_USAGE', `cannot write the metrics to ${file}: ${problem}`, { cause });
  }
}

/** The settings that the options stand for. */
export function storageSettings(options: StorageOptions): Pick<EngineSettings, 'calls'> {
  const { retryAttempts, retrySeconds, limitBytes, limitRequests } = options;
  const calls: NonNullable<EngineSettings['calls']> = {
    ...(options.traceStorage && { trace: true }),
    ...(options.unsignedPayload && { unsignedPayload: true }),
    retry: {
      ...(retryAttempts === undefined ? {} : { attempts: retryAttempts }),
      ...(retrySeconds === undefined ? {} : { operationTimeoutMs: retrySeconds * 1000 }),
    },
    ...(limitBytes === undefined && limitRequests === undefined
      ? {}
      : { limits: newStorageLimits(limitBytes ?? 0, limitRequests ?? 0) }),
  };
  return { calls };
}
