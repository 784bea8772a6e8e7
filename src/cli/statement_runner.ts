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
    for (const notice of result.notices)
      this.#io.stderr.write(`${paint(this.#io.stderr, this.#io.env).yellow('notice:')} ${notice}\n`);
  }
}
