import { hostname } from 'node:os';
import { hasCode, SpanvaultError } from '../fault/index.js';
import type { Timestamp } from '../keys/index.js';
import { readIfThere } from '../manifest/index.js';
import { directoryConfig, type ExternalStorage, openStorage, type StorageSettings } from '../storage/index.js';
import { type AppendableChain, currentIncrementals } from './append.js';
import { LOCK_PREFIX } from './layout.js';

/*
 * One writer per end of a chain. CockroachDB's own lock lies in a layer's directory, which is named by the layer's end: two
 * incrementals that begin at the same layer would not see each other (issue #46517). So the right to follow a layer is an
 * object of its own beside the layers, made by a conditional create and named by the time that the new layer starts at.
 * A writer that dies leaves it; like a lock of restic it counts as dead when its process is gone, or has not been refreshed
 * for long.
 */

/** A lock that was not refreshed for so long belongs to a dead writer. */
export const STALE_AFTER_MS = 30 * 60_000;
/** How often a writer refreshes its lock. */
export const REFRESH_EVERY_MS = 5 * 60_000;

/** Tries to take a lock that comes and goes between looks. */
const ATTEMPTS_MAX = 5;

interface LockContent {
  readonly job: string;
  /** The layer that is being written. */
  readonly directory: string;
  readonly host: string;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly refreshedAt: number;
}

/** Jobs of this process that hold a lock: one that is not here has ended, whatever its lock says. */
const holding = new Set<string>();

/** A held right to add the next layer to a chain. */
export interface ChainLock {
  /** Tells others that the writer lives. */
  refresh(): Promise<void>;
  /**
   * Called when all files are whole, right before the manifest: the lock is still this writer's and no other layer came.
   * @throws SpanvaultError SV_EXISTS
   */
  check(): Promise<void>;
  /** Best effort: a lock that stays names a start that no later layer has. */
  release(): Promise<void>;
}

/**
 * Takes the right to write the layer of `chain` that starts at `start`.
 * @throws SpanvaultError SV_EXISTS when another writer holds it or has used it
 */
export async function lockChain(
  chain: AppendableChain,
  settings: StorageSettings,
  layer: { readonly start: Timestamp; readonly directory: string; readonly jobId: string },
): Promise<ChainLock> {
  const { uris, directory } = chain;
  const storage = openStorage(directoryConfig({ uri: uris.defaultUri, settings }, directory));
  const name = `${LOCK_PREFIX}AFTER-${layer.start.wall}.${layer.start.logical}`;
  const known = new Set(chain.incrementals);
  const content = (): Uint8Array => encode({ ...layer, job: layer.jobId, ...self(), refreshedAt: Date.now() });
  const noOtherLayer = async (): Promise<void> => {
    const other = (await currentIncrementals(chain, settings)).find((one) => !known.has(one));
    if (other !== undefined) throw overtaken(storage, other);
  };
  const isOurs = async (): Promise<boolean> => {
    const bytes = await readIfThere(storage, name);
    return bytes !== undefined && decode(bytes)?.job === layer.jobId;
  };
  const lock: ChainLock = {
    async refresh() {
      if (await isOurs()) await storage.write(name, content());
    },
    async check() {
      if (!(await isOurs())) throw overtaken(storage, name);
      await noOtherLayer();
    },
    async release() {
      const [ours] = await Promise.allSettled([isOurs()]);
      if (ours.status === 'fulfilled' && ours.value) await Promise.allSettled([storage.delete(name)]);
      holding.delete(layer.jobId);
      await storage.close();
    },
  };
  holding.add(layer.jobId);
  try {
    await take(storage, name, content);
    // Between reading the chain and taking the lock another writer may have finished.
    await noOtherLayer();
  } catch (error) {
    // A write that is reported as failed may have happened.
    await lock.release();
    throw error;
  }
  return lock;
}

async function take(storage: ExternalStorage, name: string, content: () => Uint8Array): Promise<void> {
  let removed = false;
  for (let attempt = 1; ; attempt++) {
    try {
      await storage.write(name, content(), { ifAbsent: true });
      return;
    } catch (error) {
      if (!hasCode(error, 'SV_STORAGE_EXISTS')) throw error;
      const bytes = await readIfThere(storage, name);
      const holder = bytes === undefined ? undefined : decode(bytes);
      if (attempt === ATTEMPTS_MAX) throw held(storage, name, holder, error);
      // Its writer has just released it.
      if (bytes === undefined) continue;
      if (removed || !isDead(holder)) throw held(storage, name, holder, error);
      // Two that see a dead lock may both remove it; the check before the manifest tells them apart.
      await storage.delete(name);
      removed = true;
    }
  }
}

function self(): Pick<LockContent, 'host' | 'pid'> {
  return { host: hostname(), pid: process.pid };
}

function isDead(holder: LockContent | undefined): boolean {
  if (holder === undefined) return false;
  if (Date.now() - holder.refreshedAt > STALE_AFTER_MS) return true;
  return holder.host === hostname() && !isAlive(holder);
}

function isAlive({ pid, job }: LockContent): boolean {
  if (pid === process.pid) return holding.has(job);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process exists and is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function encode(content: LockContent): Uint8Array {
  const { job, directory, host, pid, refreshedAt } = content;
  return new Uint8Array(Buffer.from(JSON.stringify({ job, directory, host, pid, refreshedAt })));
}

function decode(bytes: Uint8Array): LockContent | undefined {
  try {
    const found = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<LockContent>;
    const { job, directory, host, pid, refreshedAt } = found;
    if (typeof job !== 'string' || typeof directory !== 'string' || typeof host !== 'string') return undefined;
    return typeof pid === 'number' && typeof refreshedAt === 'number' && pid > 0
      ? { job, directory, host, pid, refreshedAt }
      : undefined;
  } catch {
    // Not JSON: a lock of something else, which is respected and never taken for dead.
    return undefined;
  }
}

function held(storage: ExternalStorage, name: string, holder: LockContent | undefined, cause: unknown): SpanvaultError {
  const by = holder === undefined ? 'another writer' : `job ${holder.job} (process ${holder.pid} on ${holder.host})`;
  return new SpanvaultError(
    'SV_EXISTS',
    `${storage.display} already contains a \`BACKUP-LOCK\` file written by ${by}`,
    {
      cause,
      retry: 'backoff',
      details: { lock: name },
      hint: `another incremental backup of this chain is running; if its process is dead, remove ${storage.display}/${name}, or wait: a lock that is not refreshed for ${STALE_AFTER_MS / 60_000} minutes is taken over`,
    },
  );
}

function overtaken(storage: ExternalStorage, what: string): SpanvaultError {
  return new SpanvaultError(
    'SV_EXISTS',
    `another incremental backup was added to the chain in ${storage.display} meanwhile (${what})`,
    { retry: 'restart', hint: 'run the backup again: it will follow the new layer' },
  );
}
