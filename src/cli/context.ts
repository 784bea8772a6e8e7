import { type Command, InvalidArgumentError, Option } from 'commander';
import { SpanvaultError } from '../fault/index.js';
import { openSession, type Session, type SessionObserver } from '../statements/index.js';
import type { EngineSettings, Host } from './host.js';
import type { Io } from './io.js';
import { FORMATS } from './render.js';

/** What every command gets. */
export interface Context {
  readonly io: Io;
  readonly host: Host;
  /** Set by a command whose output is JSON lines, so that a failure is one too. */
  jsonFailures: boolean;
}

/** Options of every command that opens a cluster. */
export interface ClusterOptions {
  readonly cluster?: string;
  readonly externalIoDir?: string;
}

/** Adds `--cluster` and `--external-io-dir`. */
export function withCluster(command: Command): Command {
  return command
    .option('--cluster <dir>', 'directory of the cluster (default: $SPANVAULT_CLUSTER)')
    .option(
      '--external-io-dir <dir>',
      'directory behind nodelocal:// (default: extern in the cluster, or $SPANVAULT_EXTERNAL_IO_DIR)',
    );
}

/** Adds `--format`. */
export function withFormat(command: Command): Command {
  return command.addOption(new Option('--format <format>', 'how rows are written').choices(FORMATS).default('table'));
}

/** Adds `--incremental-location`, of every command that reads or adds to a chain. */
export function withIncrementalLocation(command: Command): Command {
  return command.option(
    '--incremental-location <uri>',
    'where the incrementals lie when not in the collection; repeatable',
    repeatable,
  );
}

/** Ends a command's help with examples. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`);
}

/** An option value of whole numbers from `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`Not a whole number from ${min}.`);
    return value;
  };
}

/** Collects a repeatable option. */
export function repeatable(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** The cluster's directory. @throws SpanvaultError SV_USAGE when none is given */
export function clusterDirectory(context: Context, options: ClusterOptions): string {
  const directory = options.cluster ?? context.io.env.SPANVAULT_CLUSTER;
  if (directory !== undefined && directory !== '') return directory;
  throw new SpanvaultError('SV_USAGE', 'no cluster is given', {
    hint: 'give --cluster DIR or set SPANVAULT_CLUSTER; `spanvault cluster init DIR --node region=…` makes one',
  });
}

/** How a session is opened. */
export interface SessionOptions {
  readonly settings?: EngineSettings;
  readonly observer?: SessionObserver;
  readonly database?: string | undefined;
}

/** Opens the cluster, runs `use` in a session, waits for detached jobs, and closes. */
export async function useSession<T>(
  context: Context,
  options: ClusterOptions,
  { settings = {}, observer = {}, database }: SessionOptions,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const externalIODir = options.externalIoDir ?? context.io.env.SPANVAULT_EXTERNAL_IO_DIR;
  const engine = await context.host.openEngine(clusterDirectory(context, options), {
    ...settings,
    ...(externalIODir === undefined ? {} : { externalIODir }),
  });
  try {
    const session = openSession(engine, {
      observer,
      ...(settings.node === undefined ? {} : { node: settings.node }),
      ...(database === undefined ? {} : { database }),
    });
    const result = await use(session);
    // A detached job outlives its statement, not its process; its failure is the command's.
    await Promise.all(session.detached);
    return result;
  } finally {
    await engine.close();
  }
}
