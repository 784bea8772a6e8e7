import type { Command } from 'commander';
import { parseStatements } from '../statements/index.js';
import {
  type ClusterOptions,
  type Context,
  repeatable,
  useSession,
  wholeNumber,
  withCluster,
  withExamples,
  withFormat,
} from './context.js';
import { ProgressReporter } from './progress.js';
import type { Format } from './render.js';
import { runShell } from './shell.js';
import { StatementRunner } from './statement_runner.js';
import { type StorageOptions, storageSettings, withStorage, withUsage } from './storage_options.js';

interface SqlOptions extends ClusterOptions, StorageOptions {
  readonly execute?: readonly string[];
  readonly format: Format;
  readonly database?: string;
  readonly gateway: number;
}

/** `spanvault sql`: statements from -e, from a pipe, or typed. */
export function addSqlCommand(program: Command, context: Context): void {
  const command = program
    .command('sql')
    .description('run statements on a cluster: given by -e, piped in, or typed')
    .option('-e, --execute <statement>', 'run this and exit; repeatable', repeatable)
    .option('-d, --database <name>', 'current database')
    .option('--gateway <node>', 'node that the session is connected to', wholeNumber(1), 1)
    .action((options: SqlOptions) => runSql(context, options));
  withExamples(
    withStorage(withFormat(withCluster(command))),
    "spanvault sql --cluster ./c1 -e 'SHOW DATABASES' -e 'SELECT * FROM movr.users LIMIT 3'",
    "echo 'SHOW LOCALITY;' | spanvault sql --cluster ./c1 --format csv",
    'spanvault sql --cluster ./c1',
  );
}

async function runSql(context: Context, options: SqlOptions): Promise<void> {
  const { io } = context;
  // Everything that is not typed is parsed before the cluster is even opened.
  const piped = options.execute === undefined && io.stdin.isTTY !== true;
  const given = piped ? [await readAll(io.stdin)] : options.execute;
  const statements = given?.flatMap(parseStatements);
  const progress = new ProgressReporter(io, io.stderr.isTTY === true ? 'line' : 'plain');
  const observer = { onProgress: progress.update.bind(progress) };
  const { database, gateway } = options;
  const settings = { node: gateway, ...storageSettings(options) };
  await withUsage(context, options, () =>
    useSession(context, options, { settings, observer, database }, async (session) => {
      const runner = new StatementRunner(io, session, options.format, progress);
      if (statements === undefined) await runShell(io, session, runner);
      else await runner.runAll(statements, io.signal);
    }),
  );
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(typeof part === 'string' ? Buffer.from(part) : Buffer.from(part));
  return Buffer.concat(parts).toString('utf8');
}
