import type { Progress } from '../statements/index.js';
import { type Io, paint } from './io.js';
import { printBytes, printDuration } from './quantities.js';

/** Where progress goes: a line that redraws itself, plain lines, JSON lines, or nowhere. */
export type ProgressMode = 'line' | 'plain' | 'json' | 'quiet';

/** A terminal's line is redrawn at most this often; plain lines and JSON come less often. */
const REDRAW_MS = 100;
const PLAIN_MS = 2000;
const JSON_MS = 500;

/** Shows how far an operation is, with its rate and the time that is left. */
export class ProgressReporter {
  readonly #io: Io;
  readonly #mode: ProgressMode;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #shownMs: number;
  #drawn = false;

  constructor(io: Io, mode: ProgressMode, nowMs: () => number = performance.now.bind(performance)) {
    this.#io = io;
    this.#mode = mode;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
    this.#shownMs = mode === 'plain' ? this.#startMs : Number.NEGATIVE_INFINITY;
  }

  update(operation: string, progress: Progress): void {
    const now = this.#nowMs();
    const wait = this.#mode === 'line' ? REDRAW_MS : this.#mode === 'plain' ? PLAIN_MS : JSON_MS;
    if (this.#mode === 'quiet' || now - this.#shownMs < wait) return;
    this.#shownMs = now;
    const seconds = (now - this.#startMs) / 1000;
    const rate = seconds > 0 ? progress.bytes / seconds : 0;
    const eta =
      rate > 0 && progress.totalBytes > progress.bytes ? (progress.totalBytes - progress.bytes) / rate : undefined;
    if (this.#mode === 'json') {
      const line = {
        event: 'progress',
        operation,
        ...progress,
        bytesPerSecond: Math.round(rate),
        etaSeconds: eta === undefined ? null : Math.ceil(eta),
      };
      this.#io.stdout.write(`${JSON.stringify(line)}\n`);
      return;
    }
    const text = progressText(operation, progress, rate, eta);
    if (this.#mode === 'plain') {
      this.#io.stderr.write(`${text}\n`);
      return;
    }
    this.#drawn = true;
    this.#io.stderr.write(
      `\r${paint(this.#io.stderr, this.#io.env).dim(text.slice(0, (this.#io.stderr.columns ?? 80) - 1))}\x1b[K`,
    );
  }

  /** Removes a drawn line; call it before anything else is printed. */
  clear(): void {
    if (this.#drawn) this.#io.stderr.write('\r\x1b[K');
    this.#drawn = false;
  }
}

function progressText(operation: string, progress: Progress, rate: number, eta: number | undefined): string {
  const done =
    progress.totalBytes > 0
      ? `${printBytes(progress.bytes)} of ${printBytes(progress.totalBytes)}`
      : printBytes(progress.bytes);
  const left = eta === undefined ? '' : `, ${printDuration(eta)} left`;
  return `${operation} ${progress.phase}: ${Math.floor(progress.fraction * 100)}%, ${done}, ${printBytes(rate)}/s${left}`;
}
