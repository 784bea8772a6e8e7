import { CommanderError } from 'commander';
import { EXIT_CODES, isSpanvaultError } from '../fault/index.js';
import { type Io, paint } from './io.js';

/** Exit code of a thrown value: the fault's class, commander's own for help (0) and usage (2), 1 for what is a defect. */
export function exitCodeOf(error: unknown): number {
  if (isSpanvaultError(error)) return EXIT_CODES[error.class];
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage;
  return EXIT_CODES.internal;
}

/** Prints `error: <sentence>` and `hint:`; as one JSON line on stdout when the command's output is JSON. */
export function reportFailure(io: Io, error: unknown, json = false): void {
  if (error instanceof CommanderError) {
    if (json && error.exitCode !== 0) {
      io.stdout.write(
        `${JSON.stringify({ event: 'error', code: 'SV_USAGE', message: error.message.replace(/^error: /, '') })}\n`,
      );
    }
    return;
  }
  const { code, message, hint, source } = describe(error);
  if (json) {
    io.stdout.write(`${JSON.stringify({ event: 'error', code, message, ...(hint === undefined ? {} : { hint }) })}\n`);
    return;
  }
  const colours = paint(io.stderr, io.env);
  io.stderr.write(`${colours.red('error:')} ${message}\n`);
  if (source !== undefined) io.stderr.write(`${source.replace(/^/gm, '  ')}\n`);
  if (hint !== undefined) io.stderr.write(`${colours.cyan('hint:')} ${hint}\n`);
  if (code === 'SV_INTERNAL' && error instanceof Error && error.stack !== undefined)
    io.stderr.write(`${colours.dim(error.stack)}\n`);
}

interface Described {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly source: string | undefined;
}

function describe(error: unknown): Described {
  if (isSpanvaultError(error)) {
    const { source } = error.details;
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      source: typeof source === 'string' ? source : undefined,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'SV_INTERNAL', message, hint: 'this is a defect of spanvault; please report it', source: undefined };
}
