#!/usr/bin/env node
import { EXIT_CODES } from '../fault/index.js';
import { embeddedHost } from './embedded_host.js';
import { runProgram } from './program.js';

const { stdin, stdout, stderr } = process;
const abort = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second one does not wait for the operation to undo itself.
    if (abort.signal.aborted) process.exit(EXIT_CODES.aborted);
    abort.abort(name);
  });
}
// A reader that has seen enough (`| head`) is no failure.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_CODES.internal));

process.exitCode = await runProgram(
  process.argv.slice(2),
  { stdin, stdout, stderr, env: process.env, signal: abort.signal },
  embeddedHost,
);
