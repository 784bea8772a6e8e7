import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** A server of the test run on the loopback interface. */
export interface TestServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  stop(): Promise<void>;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
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

/** Path of a server's program: in `bin` beside this file, where the build of the servers puts it, or in PATH. */
export function findProgram(name: string): string | undefined {
  const directories = [join(import.meta.dirname, 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/**
 * True when the tests of a server can run. Where it cannot be had they say that they skip; with SPANVAULT_REQUIRE_SERVERS
 * its absence is a failure.
 */
export function requireServer(name: string, found: boolean): boolean {
  if (found) return true;
  if (process.env.SPANVAULT_REQUIRE_SERVERS) throw new Error(`${name} is required and not installed`);
  console.warn(`SKIPPED: ${name} is not installed, so its tests do not run`);
  return false;
}

/** Starts a program and waits until it answers HTTP, whatever it answers, or over TLS until it takes connections. */
export async function startProcess(
  command: string,
  args: readonly string[],
  port: number,
  scheme = 'http',
): Promise<TestServer> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const url = `${scheme}://127.0.0.1:${port}`;
  try {
    await answers(child, url, () => said);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return { url, stop: () => stop(child) };
}

async function answers(child: ChildProcess, url: string, said: () => string): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  for (let tries = 0; tries < 300; tries++) {
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${child.spawnfile} ended before it served: ${said()}`, { cause: failure });
    try {
      await (url.startsWith('https:') ? connects(url) : fetch(url, { signal: AbortSignal.timeout(1000) }));
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error(`${child.spawnfile} does not serve at ${url}: ${said()}`);
}

/** Nobody here trusts its certificate. */
function connects(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
