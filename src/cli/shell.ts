import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { hasCode } from '../fault/index.js';
import { parseStatements, type Session, splitStatements } from '../statements/index.js';
import { reportFailure } from './failure.js';
import { type Io, paint } from './io.js';
import type { StatementRunner } from './statement_runner.js';

const HISTORY_LINES = 1000;

const HELP = `Statements end with a semicolon and may take several lines.
  \\q        quit (also Ctrl-D)
  \\?        this help
  \\l        SHOW DATABASES
  \\d        SHOW TABLES
  \\d TABLE  SHOW CREATE TABLE
Ctrl-C drops what is typed, or stops a running BACKUP or RESTORE.
`;

/** Statements typed at a terminal, until \q or the end of input. Errors are printed and the shell goes on. */
export async function runShell(io: Io, session: Session, runner: StatementRunner): Promise<void> {
  const history = new History(io);
  const lines = createInterface({
    input: io.stdin,
    output: io.stdout,
    terminal: true,
    history: history.read(),
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
  });
  lines.on('history', (entries) => history.keep(entries));
  io.stdout.write(`Spanvault. ${paint(io.stdout, io.env).dim('\\? for help, \\q to quit.')}\n`);
  try {
    await new Shell(io, session, runner, lines).run();
  } finally {
    lines.close();
    history.write();
  }
}

class Shell {
  readonly #io: Io;
  readonly #session: Session;
  readonly #runner: StatementRunner;
  readonly #lines: Interface;
  #typed = '';
  #running: AbortController | undefined;

  constructor(io: Io, session: Session, runner: StatementRunner, lines: Interface) {
    this.#io = io;
    this.#session = session;
    this.#runner = runner;
    this.#lines = lines;
  }

  async run(): Promise<void> {
    this.#lines.on('SIGINT', () => this.#interrupt());
    this.#prompt();
    for await (const line of this.#lines) {
      if (this.#typed === '' && line.trim().startsWith('\\')) {
        if (!(await this.#command(line.trim()))) return;
      } else await this.#statementLine(line);
      this.#prompt();
    }
  }

  #prompt(): void {
    const name = this.#session.currentDatabase;
    this.#lines.setPrompt(this.#typed === '' ? `${name}> ` : `${' '.repeat(Math.max(0, name.length - 1))}-> `);
    this.#lines.prompt();
  }

  #interrupt(): void {
    if (this.#running !== undefined) {
      this.#running.abort();
      return;
    }
    this.#typed = '';
    this.#io.stdout.write('^C\n');
    // The line that was being typed goes too.
    this.#lines.write(null, { ctrl: true, name: 'e' });
    this.#lines.write(null, { ctrl: true, name: 'u' });
    this.#prompt();
  }

  async #statementLine(line: string): Promise<void> {
    const { complete, rest } = splitStatements(`${this.#typed}${line}\n`);
    this.#typed = rest;
    for (const text of complete) if (!(await this.#execute(text))) return;
  }

  /** A line that begins with a backslash; false to quit. */
  async #command(line: string): Promise<boolean> {
    const [name = '', argument] = line.replace(/;$/, '').split(/\s+/);
    if (name === '\\q') return false;
    if (name === '\\l') await this.#execute('SHOW DATABASES');
    else if (name === '\\d')
      await this.#execute(argument === undefined ? 'SHOW TABLES' : `SHOW CREATE TABLE ${argument}`);
    else this.#io.stdout.write(name === '\\?' || name === '\\h' ? HELP : `${line} is no command; \\? lists them\n`);
    return true;
  }

  async #execute(text: string): Promise<boolean> {
    const startMs = performance.now();
    this.#running = new AbortController();
    const signal = AbortSignal.any([this.#running.signal, this.#io.signal]);
    try {
      await this.#runner.runAll(parseStatements(text), signal);
    } catch (error) {
      reportFailure(this.#io, error);
      return hasCode(error, 'SV_ABORTED') ? false : !this.#io.signal.aborted;
    } finally {
      this.#running = undefined;
      this.#io.stdout.write(
        `${paint(this.#io.stdout, this.#io.env).dim(`Time: ${Math.round(performance.now() - startMs)}ms`)}\n\n`,
      );
    }
    return true;
  }
}

/** Lines of earlier shells, in a file of the user's own. Lines that may hold a secret are not kept. */
class History {
  readonly #path: string;
  #entries: readonly string[] = [];

  constructor(io: Io) {
    const state = io.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
    this.#path = io.env.SPANVAULT_HISTORY ?? join(state, 'spanvault', 'history');
  }

  /** Newest first; empty when there is no file that can be read. */
  read(): string[] {
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n');
      this.#entries = lines
        .filter((line) => line !== '')
        .slice(-HISTORY_LINES)
        .reverse();
    } catch {
      this.#entries = [];
    }
    return [...this.#entries];
  }

  keep(entries: readonly string[]): void {
    this.#entries = entries.filter((line) => !/(_KEY|SECRET|TOKEN|CREDENTIALS|passphrase)\b/i.test(line));
  }

  /** A history that cannot be written is no reason to fail. */
  write(): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(this.#path, `${[...this.#entries].reverse().join('\n')}\n`, { mode: 0o600 });
    } catch {
      return;
    }
  }
}
