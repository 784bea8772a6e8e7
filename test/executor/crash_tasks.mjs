// Tasks for the pool's tests: plain functions of `(args, context)`.
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';

export async function double(args, context) {
  context.progress(args.value, 1);
  return args.value * 2;
}

export async function dieOnce(args) {
  if (!existsSync(args.marker)) {
    writeFileSync(args.marker, '');
    process.exit(3);
  }
  return 'second life';
}

export async function dieAlways() {
  process.exit(3);
}

export async function spin(_args, context) {
  for (;;) context.throwIfCancelled();
}

export async function sleep(_args, context) {
  context.signal.throwIfAborted();
  await new Promise((_resolve, reject) =>
    context.signal.addEventListener('abort', () => reject(context.signal.reason)),
  );
}

export async function fail() {
  throw new RangeError('task says no');
}

/** Works for a while that is longer the earlier the task is, then appends its name to a file in order. */
export async function append(args, context) {
  await new Promise((resolve) => setTimeout(resolve, args.delayMs));
  await context.inOrder(async () => appendFileSync(args.file, `${args.name} `));
}

/** The thread that it ran in, and what an earlier task of the run left there. */
export async function whereami(args, context) {
  const { threadId } = await import('node:worker_threads');
  const inherit = args.most === undefined ? undefined : { most: args.most, fits: (note) => note !== args.unfit };
  const notes = context.spare('notes', inherit);
  const found = [...notes];
  notes.push(args.note);
  return { threadId, found, variable: process.env.SPANVAULT_POOL_TEST };
}
