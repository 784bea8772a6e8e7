import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** What a reader must know of where and when numbers were taken; no host name, no path. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly commit: string;
  /** `2026-11-24 08:00 UTC` */
  readonly date: string;
  /** Runnable threads over the minute before the run: above 0.5 per core, others were at work too. */
  readonly loadBefore: number;
}

/** Abbreviated commit, with `+` when tracked files differ from it; `unknown` outside of a checkout. */
function commitOf(): string {
  const git = (...args: string[]): string | undefined => {
    const done = spawnSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname });
    return done.status === 0 ? done.stdout.trim() : undefined;
  };
  const commit = git('rev-parse', '--short=10', 'HEAD');
  if (commit === undefined) return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    commit: commitOf(),
    date: `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    loadBefore: loadavg()[0] ?? 0,
  };
}
