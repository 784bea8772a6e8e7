import { fileURLToPath } from 'node:url';
import { SHARE_ENV } from 'node:worker_threads';
import { Piscina } from 'piscina';

/** Most tasks that a thread has in progress at once. */
export const TASKS_PER_WORKER_MAX = 2;
/** How long threads without a run live on: the next run of a session finds them with their modules loaded. */
const IDLE_MS = 10_000;
/** Sets of threads that wait for a run; more runs than this at one time start and end threads of their own. */
const IDLE_SETS_MAX = 2;

interface IdleSet {
  readonly threads: Piscina;
  readonly expiry: NodeJS.Timeout;
}

/**
 * Threads that no run uses. A run has its threads to itself: tasks that wait for each other's turn never wait for a thread
 * that another run holds, and memory is bounded per run. Idle threads keep no process alive.
 */
const idle: IdleSet[] = [];

/** `workers` threads for one run: such as wait for work, else new ones. */
export function takeThreads(workers: number): Piscina {
  const at = idle.findIndex(({ threads }) => threads.minThreads === workers && threads.threads.length === workers);
  if (at >= 0) {
    const [set] = idle.splice(at, 1);
    clearTimeout(set!.expiry);
    return set!.threads;
  }
  return new Piscina({
    filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: TASKS_PER_WORKER_MAX,
    idleTimeout: Number.POSITIVE_INFINITY,
    // An idle thread must hear of closed connections, which a thread that waits in Atomics.wait does not.
    atomics: 'disabled',
    // Threads outlive the run that started them: a copy of the environment would grow stale.
    env: SHARE_ENV,
  });
}

/** Takes threads back from a run that ended well; all of its tasks have ended. */
export async function giveBackThreads(threads: Piscina): Promise<void> {
  if (idle.length >= IDLE_SETS_MAX) {
    await threads.destroy();
    return;
  }
  const expiry = setTimeout(() => {
    idle.splice(
      idle.findIndex((set) => set.threads === threads),
      1,
    );
    void threads.destroy();
  }, IDLE_MS);
  expiry.unref();
  idle.push({ threads, expiry });
}

/**
 * Ends the threads that wait for a next run. They end by themselves ten seconds after their last run, and never keep a process
 * alive; call this to have their memory back at once.
 */
export async function closePools(): Promise<void> {
  const sets = idle.splice(0);
  for (const { expiry } of sets) clearTimeout(expiry);
  await Promise.all(sets.map(({ threads }) => threads.destroy()));
}
