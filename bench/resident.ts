import { readFileSync } from 'node:fs';

/** Resident memory in MiB. */
export interface Resident {
  /** VmRSS: all resident pages, also those of mapped files. */
  readonly all: number;
  readonly anonymous: number;
}

const SAMPLE_MS = 20;
const NOTHING: Resident = { all: 0, anonymous: 0 };

/** Memory of a process now; undefined when it has ended, or the system has no /proc. */
function residentOf(pid: number): Resident | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { all: kib('VmRSS') / 1024, anonymous: kib('RssAnon') / 1024 };
  } catch {
    return undefined;
  }
}

/** Samples the resident memory of a process until it is stopped. */
export class ResidentWatch {
  readonly #pid: number | undefined;
  readonly #timer: NodeJS.Timeout;
  #peak = NOTHING;
  #samples = 0;

  constructor(pid: number | undefined) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  /** Takes a sample beside those of the timer, and returns it. */
  sample(): Resident {
    const now = this.#pid === undefined ? undefined : residentOf(this.#pid);
    if (now === undefined) return NOTHING;
    this.#samples++;
    if (now.all > this.#peak.all) this.#peak = now;
    return now;
  }

  /** Begins a new peak. */
  restart(): void {
    this.#peak = NOTHING;
    this.#samples = 0;
  }

  get peak(): Resident {
    return this.#peak;
  }

  get samples(): number {
    return this.#samples;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
