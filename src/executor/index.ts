/**
 * executor/: where tasks run. Owns the worker threads, which outlive a run for the next, back-pressure, retries of tasks whose worker died,
 * cancellation and the progress channel. Today: threads of this process; the interface leaves room for an existing queue.
 * Must not know keys, backups or storage: a task is a module, an export of it and structured-cloneable arguments.
 */

export type { TaskContext } from './context.js';
export { type PoolOptions, TaskPool, type TaskSpec } from './pool.js';
export { closePools } from './threads.js';
