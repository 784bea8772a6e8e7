// The worker half of a source or sink whose thread dies at its nth use, counted over all threads of a run.

/** @param {{ module: string, data: unknown, counter: Int32Array, deaths: number[] }} plan */
function die(plan) {
  // In a worker thread this ends the thread and nothing else.
  if (plan.deaths.includes(Atomics.add(plan.counter, 0, 1) + 1)) process.exit(3);
}

/** @param {any} plan */
export async function openScanner(plan) {
  die(plan);
  const { openScanner: open } = await import(plan.module);
  const scanner = await open(plan.data);
  return {
    open(request) {
      die(plan);
      return scanner.open(request);
    },
    close: () => scanner.close(),
  };
}

/** @param {any} plan */
export async function openWriter(plan) {
  die(plan);
  const { openWriter: open } = await import(plan.module);
  const writer = await open(plan.data);
  return {
    write(batch) {
      die(plan);
      return writer.write(batch);
    },
    async flush() {
      await writer.flush();
      die(plan);
    },
    close: () => writer.close(),
  };
}
