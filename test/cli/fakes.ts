import { PassThrough, Readable } from 'node:stream';
import type { Host } from '#src/cli/host.js';
import type { Io } from '#src/cli/io.js';
import { runProgram } from '#src/cli/program.js';
import type { Engine } from '#src/statements/index.js';

/** What a command printed and returned. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line in this process against a given store. */
export async function runWith(host: Partial<Host>, args: readonly string[], options: Partial<Io> = {}): Promise<Ran> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const text = { stdout: '', stderr: '' };
  stdout.on('data', (data: Buffer) => (text.stdout += data.toString()));
  stderr.on('data', (data: Buffer) => (text.stderr += data.toString()));
  const io: Io = {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: {},
    signal: new AbortController().signal,
    ...options,
  };
  const code = await runProgram(args, io, host as Host);
  await new Promise(setImmediate);
  return { code, ...text };
}

/** An engine of the given methods; every other call is a failure of the test. */
export function engineOf(methods: Partial<Engine>): Engine {
  const base: Partial<Engine> = {
    now: () => ({ wall: 1_700_000_000_000_000_000n, logical: 0 }),
    checkLocations: () => undefined,
    close: async () => undefined,
    ...methods,
  };
  return new Proxy(base as Engine, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name);
      if (name === 'then') return undefined;
      throw new Error(`the engine was asked for ${String(name)}`);
    },
  });
}
