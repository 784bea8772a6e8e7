import { hasCode } from '../fault/index.js';
import { TickSequence, uniqueInt } from '../keys/index.js';

export type JobType = 'BACKUP' | 'RESTORE';
/** CockroachDB's words for the states that a job of this process can have. */
export type JobStatus = 'running' | 'succeeded' | 'failed' | 'canceled';

export interface JobRecord {
  readonly jobId: bigint;
  readonly type: JobType;
  /** The statement with secrets redacted. */
  readonly description: string;
  readonly status: JobStatus;
  readonly fractionCompleted: number;
  readonly createdMs: number;
  readonly finishedMs: number | undefined;
  readonly error: string | undefined;
}

/** What a running operation gets of its job. */
export interface JobHandle {
  readonly jobId: bigint;
  readonly signal: AbortSignal;
  /** Between 0 and 1. */
  setFraction(fraction: number): void;
}

export interface StartedJob<T> {
  readonly jobId: bigint;
  /** Settles with the operation. */
  readonly done: Promise<T>;
}

/** The jobs of one process. Ids are unique and ascend. */
export class JobRegistry {
  readonly #ticks = new TickSequence();
  readonly #records = new Map<bigint, JobRecord>();
  readonly #running = new Map<bigint, Promise<unknown>>();
  readonly #nodeId: number;
  readonly #nowMs: () => number;

  constructor(nodeId: number, nowMs: () => number = Date.now) {
    this.#nodeId = nodeId;
    this.#nowMs = nowMs;
  }

  /** Starts an operation; its failure is both recorded and thrown by `done`. */
  start<T>(
    type: JobType,
    description: string,
    operation: (job: JobHandle) => Promise<T>,
    signal?: AbortSignal,
  ): StartedJob<T> {
    const createdMs = this.#nowMs();
    const jobId = uniqueInt(this.#ticks.reserve(BigInt(createdMs) * 1_000_000n), this.#nodeId);
    const update = (change: Partial<JobRecord>): void => {
      this.#records.set(jobId, { ...this.#records.get(jobId)!, ...change });
    };
    this.#records.set(jobId, {
      jobId,
      type,
      description,
      status: 'running',
      fractionCompleted: 0,
      createdMs,
      finishedMs: undefined,
      error: undefined,
    });
    const handle: JobHandle = {
      jobId,
      signal: signal ?? new AbortController().signal,
      setFraction: (fraction) => update({ fractionCompleted: Math.min(1, Math.max(0, fraction)) }),
    };
    const done = operation(handle).then(
      (value) => {
        update({ status: 'succeeded', fractionCompleted: 1, finishedMs: this.#nowMs() });
        return value;
      },
      (error: unknown) => {
        const status = hasCode(error, 'SV_ABORTED') ? 'canceled' : 'failed';
        update({ status, finishedMs: this.#nowMs(), error: error instanceof Error ? error.message : String(error) });
        throw error;
      },
    );
    this.#running.set(jobId, done);
    const forget = (): boolean => this.#running.delete(jobId);
    done.then(forget, forget);
    return { jobId, done };
  }

  get(jobId: bigint): JobRecord | undefined {
    return this.#records.get(jobId);
  }

  /** All jobs of this process, newest first. */
  list(): readonly JobRecord[] {
    return [...this.#records.values()].reverse();
  }

  /** Waits for every running job, whatever its outcome. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }
}
