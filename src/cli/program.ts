import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT_CODES } from '../fault/index.js';
import { addBackupCommand, addRestoreCommand } from './backup_command.js';
import { addCheckStorageCommand } from './check_storage_command.js';
import { addClusterCommand, addWorkloadCommand } from './cluster_command.js';
import { addCompletionCommand } from './completion.js';
import type { Context } from './context.js';
import { addDemoCommand } from './demo_command.js';
import { exitCodeOf, reportFailure } from './failure.js';
import type { Host } from './host.js';
import type { Io } from './io.js';
import { addShowCommand } from './show_command.js';
import { addSqlCommand } from './sql_command.js';
import { addSweepCommand } from './sweep_command.js';

/** The command tree. */
export function buildProgram(context: Context): Command {
  const { io } = context;
  const program = new Command('spanvault');
  program
    .description("CockroachDB's locality-aware backups, without the database")
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print help')
    // Options after the name of a command are that command's: show has some that its own commands have too.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => {
        if (!context.jsonFailures) io.stderr.write(text);
      },
    })
    .showHelpAfterError('hint: spanvault --help lists the commands and their options')
    .addHelpText('after', `\nExit codes:\n${exitCodeText()}\n\nExample:\n  $ spanvault demo`);
  addDemoCommand(program, context);
  addClusterCommand(program, context);
  addWorkloadCommand(program, context);
  addSqlCommand(program, context);
  addBackupCommand(program, context);
  addRestoreCommand(program, context);
  addShowCommand(program, context);
  addCheckStorageCommand(program, context);
  addSweepCommand(program, context);
  addCompletionCommand(program, context);
  return program;
}

/** Runs one command line and returns the exit code; everything it prints goes to `io`. */
export async function runProgram(args: readonly string[], io: Io, host: Host): Promise<number> {
  const context: Context = { io, host, jsonFailures: false };
  try {
    await buildProgram(context).parseAsync(args, { from: 'user' });
    return io.signal.aborted ? EXIT_CODES.aborted : 0;
  } catch (error) {
    reportFailure(io, error, context.jsonFailures);
    return exitCodeOf(error);
  }
}

function exitCodeText(): string {
  const codes = Object.entries(EXIT_CODES).map(([name, code]) => [code, name] as const);
  return [[0, 'success'] as const, ...codes]
    .sort(([a], [b]) => a - b)
    .map(([code, name]) => `  ${String(code).padStart(3)}  ${name}`)
    .join('\n');
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
