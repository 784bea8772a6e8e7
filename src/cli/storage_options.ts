import type { Command } from 'commander';
import { newStorageLimits } from '../storage/index.js';
import { wholeNumber } from './context.js';
import type { EngineSettings } from './host.js';

/** How a command treats its stores. */
export interface StorageOptions {
  readonly traceStorage?: true;
  readonly retryAttempts?: number;
  readonly retrySeconds?: number;
  readonly limitBytes?: number;
  readonly limitRequests?: number;
  readonly unsignedPayload?: true;
}

/** Options of every command that reads or writes a backup. */
export function withStorage(command: Command): Command {
  return command
    .option('--trace-storage', 'print every call of a store to stderr, secrets redacted')
    .option('--retry-attempts <n>', 'most times that one call is made (default: 10)', wholeNumber(1))
    .option('--retry-seconds <n>', 'nothing is repeated after this long (default: 600)', wholeNumber(1))
    .option('--limit-bytes <n>', 'bytes a second over all workers, both directions', wholeNumber(1))
    .option('--limit-requests <n>', 'calls a second over all workers', wholeNumber(1))
    .option('--unsigned-payload', 'do not hash what goes to s3 over plain HTTP for its signature');
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
