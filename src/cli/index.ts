/**
 * cli/: the command line. Owns arguments, rendering of results and progress, exit codes, the interactive shell and the
 * demonstration. Must not hold logic of its own: every command is a statement or one call of a room below.
 */

export type { Host } from './host.js';
export type { Io } from './io.js';
export { buildProgram, runProgram } from './program.js';
