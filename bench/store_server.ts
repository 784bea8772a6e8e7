import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** An S3 of the bench on the loopback interface, over a directory; it ends with the process. */
export interface StoreServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly key: string;
  readonly secret: string;
  /** URI of a path in its only bucket. */
  uri(path: string): string;
  /** Processor seconds that the server has taken. */
  cpuSeconds(): number;
  /** Removes everything from the bucket, past the server. */
  empty(): void;
  stop(): void;
}

export const BUCKET = 'bench';
const PROGRAM = 'versitygw';
/** Unit in which /proc tells processor time. */
const TICKS_PER_SECOND = 100;

/** Path of a program: where the build of the tests' servers puts it, or in PATH. */
export function findProgram(name: string): string | undefined {
  // The bench is compiled to bench/out/js.
  const built = join(import.meta.dirname, '..', '..', '..', 'test', 'storage', 'servers', 'bin');
  return [built, ...(process.env.PATH ?? '').split(delimiter)]
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** What a report says of the server. */
export function storeStatus(): string {
  return findProgram(PROGRAM) === undefined ? 'versitygw: not installed' : 'versitygw, POSIX back end, on loopback';
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

async function answers(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`${PROGRAM} ended with ${child.exitCode} before it served`);
    try {
      await fetch(url, { signal: AbortSignal.timeout(1000) });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${PROGRAM} does not serve at ${url}`);
}

/** Processor seconds of a process, or of this one's ended children. */
export function cpuSecondsOf(pid: number | 'ended children'): number {
  const text = readFileSync(`/proc/${pid === 'ended children' ? 'self' : pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system] = pid === 'ended children' ? [13, 14] : [11, 12];
  return (Number(fields[user]) + Number(fields[system])) / TICKS_PER_SECOND;
}

/** Starts a server over a new directory below `place`; undefined where none is installed, or the system has no /proc. */
export async function startStore(place: string): Promise<StoreServer | undefined> {
  const program = findProgram(PROGRAM);
  if (program === undefined || !existsSync('/proc/self/stat')) return undefined;
  const root = join(place, 'store');
  const bucket = join(root, BUCKET);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(bucket, { recursive: true });
  const [key, secret, port] = ['bench-key', 'bench-secret', await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    program,
    ['--access', key, '--secret', secret, '--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', root],
    { stdio: 'ignore' },
  );
  const stop = (): void => {
    child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  };
  process.once('exit', stop);
  await answers(child, url);
  return {
    url,
    key,
    secret,
    uri: (path) =>
      `s3://${BUCKET}/${path}?AWS_ACCESS_KEY_ID=${key}&AWS_SECRET_ACCESS_KEY=${secret}&AWS_ENDPOINT=${encodeURIComponent(url)}`,
    cpuSeconds: () => cpuSecondsOf(child.pid!),
    empty: () => {
      rmSync(bucket, { recursive: true, force: true });
      mkdirSync(bucket);
    },
    stop: () => {
      process.off('exit', stop);
      stop();
    },
  };
}
