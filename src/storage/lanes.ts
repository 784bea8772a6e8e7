/** Requests under way at a time: enough to hide the latency of a store, few enough for its rate limits. */
export const PARALLEL_REQUESTS = 16;

/**
 * Results of `work` on every item, in order, at most PARALLEL_REQUESTS of them under way. After a failure no further work
 * begins; what is under way is waited for, and the first failure is thrown.
 */
export async function inLanes<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_REQUESTS, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
