import { toWire, type WireFault } from '../fault/index.js';
import { openContext, type SpareMemory, type TaskContext } from './context.js';

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

/** Memory that tasks leave, by kind. */
type Spares = Map<string, unknown[]>;

/** What tasks left for later ones; `before` is what the run before left, until the first task of this one has ended. */
let left: { readonly run: number; readonly memory: Spares; before: Spares } | undefined;

function memoryOf(run: number): SpareMemory {
  if (left?.run !== run) left = { run, memory: new Map(), before: left?.memory ?? new Map() };
  const { memory, before } = left;
  return (kind, inherit) => {
    const known = memory.get(kind);
    if (known !== undefined) return known;
    const found = inherit === undefined ? [] : (before.get(kind) ?? []).filter(inherit.fits).slice(0, inherit.most);
    memory.set(kind, found);
    return found;
  };
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
    if (left?.run === message.run) left.before = new Map();
  }
}
