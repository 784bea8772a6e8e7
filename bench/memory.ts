import { fork } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildMessage, MemoryPhase } from './memory_child.js';
import { ResidentWatch } from './resident.js';
import type { Sizes } from './sizes.js';

/** One phase of a run; memory in MiB. */
export interface MemoryRow {
  readonly dataBytes: number;
  readonly phase: MemoryPhase;
  /** Greatest VmRSS sampled: all resident pages, also those of mapped files. */
  readonly peakResident: number;
  /** Resident anonymous pages at that moment. */
  readonly peakAnonymous: number;
  readonly samples: number;
  readonly megabytesPerSecond: number;
  readonly loopDelayP99: number;
  readonly loopDelayMax: number;
}

/** A run that was not made, and why. */
export interface MemorySkipped {
  readonly dataBytes: number;
  readonly skipped: string;
}

/** Store, backup and second store together need about this many times the data. */
const DISK_FACTOR = 3.5;
const GB = 1e9;

async function runOnce(dataBytes: number, scratch: string, onRow: (row: MemoryRow) => void): Promise<void> {
  const child = fork(join(import.meta.dirname, 'memory_child.js'), [scratch, String(dataBytes)]);
  const watch = new ResidentWatch(child.pid);
  child.on('message', (raw) => {
    const message = raw as ChildMessage;
    if (message.kind === 'begin') {
      watch.restart();
      return;
    }
    watch.sample();
    const { phase, bytes, seconds, loopDelayP99, loopDelayMax } = message;
    const speed = bytes / seconds / 1e6;
    const { all, anonymous } = watch.peak;
    onRow({
      dataBytes,
      phase,
      peakResident: all,
      peakAnonymous: anonymous,
      samples: watch.samples,
      megabytesPerSecond: speed,
      loopDelayP99,
      loopDelayMax,
    });
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) =>
        code === 0
          ? resolve()
          : reject(new Error(`the memory run of ${dataBytes / GB} GB ended with ${code ?? signal}`)),
      );
    });
  } finally {
    watch.stop();
    if (child.exitCode === null) child.kill();
  }
}

/** Whole-process resident memory and event-loop delay of a backup and a restore, for each data size, in child processes. */
export async function benchMemory(
  sizes: Sizes,
  scratch: string,
  onRow: (row: MemoryRow | MemorySkipped) => void,
): Promise<(MemoryRow | MemorySkipped)[]> {
  const rows: (MemoryRow | MemorySkipped)[] = [];
  const note = (row: MemoryRow | MemorySkipped): void => {
    rows.push(row);
    onRow(row);
  };
  for (const dataBytes of sizes.memoryBytes) {
    const { bavail, bsize } = statfsSync(scratch);
    if (bavail * bsize < DISK_FACTOR * dataBytes) {
      const [free, need] = [(bavail * bsize) / GB, (DISK_FACTOR * dataBytes) / GB];
      note({ dataBytes, skipped: `${free.toFixed(0)} GB of disk are free and ${need.toFixed(0)} are needed` });
      continue;
    }
    const directory = join(scratch, 'memory');
    mkdirSync(directory, { recursive: true });
    try {
      await runOnce(dataBytes, directory, note);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  return rows;
}
