import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SpanvaultError } from '../../fault/index.js';

/*
 * One writing process per cluster directory. The lock is a file that names its owner's process; a lock whose process is
 * gone (kill -9) is taken over. Pids are reused, so the owner's start time is part of its name where the system tells it.
 */

const LOCK_NAME = 'LOCK';
/** Directories that this process has locked: a second opener of the same process would have its own clock. */
const held = new Set<string>();

/** `pid starttime` of a running process, undefined when no such process runs. */
function processName(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  return `${pid} ${startTime(pid)}`;
}

/** Field 22 of /proc/<pid>/stat; 0 where there is no /proc, so that only the pid counts. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '0';
    throw error;
  }
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** True when a process of that name runs. */
function isAlive(owner: string): boolean {
  const pid = Number(owner.split(' ')[0]);
  return Number.isInteger(pid) && pid > 0 && processName(pid) === owner;
}

/**
 * Locks `directory` for writing and returns the release.
 * @throws SpanvaultError SV_EXISTS when another process, or another opener of this process, has it.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, LOCK_NAME);
  const self = processName(process.pid) ?? `${process.pid} 0`;
  if (held.has(path)) throw inUse(directory, self);
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, `${self}\n`);
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (tryLink(mine, path)) {
        held.add(path);
        return () => {
          held.delete(path);
          rmSync(path, { force: true });
        };
      }
      const owner = readOwner(path);
      if (owner !== undefined && owner !== self && isAlive(owner)) throw inUse(directory, owner);
      if (owner !== undefined) removeStale(path, owner);
    }
    throw inUse(directory, readOwner(path) ?? 'unknown');
  } finally {
    rmSync(mine, { force: true });
  }
}

/** A hard link either appears with its whole content or not at all. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a stale lock aside; when another process was faster and the file is already a new owner's, puts it back. */
function removeStale(path: string, owner: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readOwner(aside) !== owner) tryLink(aside, path);
  unlinkSync(aside);
}

function inUse(directory: string, owner: string): SpanvaultError {
  const pid = owner.split(' ')[0] ?? owner;
  return new SpanvaultError('SV_EXISTS', `cluster ${directory} is in use by process ${pid}`, {
    details: { directory, pid },
    retry: 'backoff',
    hint: 'end that process, or open the cluster read-only',
  });
}
