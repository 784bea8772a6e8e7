import { toWire, type WireFault } from '../fault/index.js';
import { openContext, type TaskContext } from './context.js';

/** What crosses to a worker thread for one task. */
export interface TaskMessage {
  readonly module: string;
  readonly export: string;
  readonly args: unknown;
  readonly counters: BigInt64Array;
  /** Position among the tasks of its run. */
  readonly index: number;
}

/** Results come back as values: an error would lose its class and code in structured clone. */
export type TaskReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: WireFault };

/** Runs one task in this thread. The pool calls it in workers; an inline source or sink has it called on the main thread. */
export async function runTask(message: TaskMessage): Promise<TaskReply> {
  const context = openContext(message.counters, message.index);
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
