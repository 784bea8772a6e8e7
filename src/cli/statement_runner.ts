import { execute, type ParsedStatement, type Result, type Session, type Statement } from '../statements/index.js';
import { type Io, paint, write } from './io.js';
import type { ProgressReporter } from './progress.js';
import { type Format, renderResult } from './render.js';

/** Runs statements one after the other and prints each one's result. */
export class StatementRunner {
  readonly #io: Io;
  readonly #session: Session;
  readonly #format: Format;
  readonly #progress: ProgressReporter | undefined;

  constructor(io: Io, session: Session, format: Format, progress?: ProgressReporter) {
    this.#io = io;
    this.#session = session;
    this.#format = format;
    this.#progress = progress;
  }

  /** Runs all of them; the first failure ends the series. */
  async runAll(statements: readonly ParsedStatement[], signal: AbortSignal): Promise<void> {
    for (const { statement } of statements) await this.run(statement, signal);
  }

  async run(statement: Statement, signal: AbortSignal): Promise<void> {
    let result: Result;
    try {
      result = await execute(this.#session, statement, { signal });
    } finally {
      this.#progress?.clear();
    }
    for await (const text of renderResult(result, this.#format)) {
      if (signal.aborted) break;
      await write(this.#io.stdout, text);
    }
    printNotices(this.#io, result.notices);
  }
}

/** Notices of one statement that are printed; the rest is counted. */
const NOTICES_MAX = 5;

/** Prints notices on stderr. */
export function printNotices(io: Io, notices: readonly string[]): void {
  const word = paint(io.stderr, io.env).yellow('notice:');
  for (const notice of notices.slice(0, NOTICES_MAX)) io.stderr.write(`${word} ${notice}\n`);
  if (notices.length > NOTICES_MAX) io.stderr.write(`${word} and ${notices.length - NOTICES_MAX} more of the kind\n`);
}
