import type { Readable, Writable } from 'node:stream';
import picocolors from 'picocolors';

/** A stream of text that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything of the process that commands touch; tests give their own. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

type Paint = ReturnType<typeof picocolors.createColors>;

/** Colours for one stream: none unless it is a terminal, NO_COLOR is unset and TERM is not dumb. */
export function paint(output: Output, env: Io['env']): Paint {
  const plain = env.NO_COLOR !== undefined || env.TERM === 'dumb' || output.isTTY !== true;
  return picocolors.createColors(!plain);
}

/** Writes and waits until the stream takes more, so that a slow reader bounds our memory. */
export async function write(output: Writable, text: string): Promise<void> {
  if (output.write(text) || output.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      output.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    output.on('drain', done).on('close', done).on('error', done);
  });
}
