import { toWire, type WireFault } from '../fault/index.js';
import { openContext, type TaskContext } from './context.js';

/** What crosses to a worker thread for one task. */
export interface TaskMessage {
  readonly module: string;
  readonly export: string;
  readonly args: unknown;
  readonly counters: BigInt64Array;
  /** Number of the run in this process. */
  readonly run: number;
  /** Position among the tasks of its run. */
  readonly index: number;
}

/** Results come back as values: an error would lose its class and code in structured clone. */
export type TaskReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: WireFault };

/** What tasks left for later tasks of their run, which is the last that this thread worked for. */
let left: { readonly run: number; readonly memory: Map<string, unknown[]> } | undefined;

function memoryOf(run: number): Map<string, unknown[]> {
  if (left?.run !== run) left = { run, memory: new Map() };
  return left.memory;
}

/** Drops what tasks of a run left in this thread. */
export function forgetRun(run: number): void {
  if (left?.run === run) left = undefined;
}

/** Runs one task in this thread. The pool calls it in workers; an inline source or sink has it called on the main thread. */
export async function runTask(message: TaskMessage): Promise<TaskReply> {
  const context = openContext(message.counters, message.index, memoryOf(message.run));
  try {
    const loaded = (await import(message.module)) as Record<
      string,
      (args: unknown, context: TaskContext) => Promise<unknown>
    >;
    const task = loaded[message.export];
    if (task === undefined) throw new TypeError(`module ${message.module} has no export ${message.export}`);
    return { ok: true, value: await task(message.args, context) };
  } catch (error) {
    return { ok: false, fault: toWire(error) };
  } finally {
    context.dispose();
  }
}
