import { type Command, Option } from 'commander';
import { parseNamePattern } from '../catalog/index.js';
import { SpanvaultError } from '../fault/index.js';
import type { Compression } from '../native/index.js';
import {
  type BackupOutcome,
  type BackupStatement,
  execute,
  type Layer,
  parseAsOf,
  printStatement,
  type RestoreStatement,
  type Statement,
  type StatementTargets,
} from '../statements/index.js';
import {
  type ClusterOptions,
  type Context,
  repeatable,
  useSession,
  wholeNumber,
  withCluster,
  withExamples,
  withIncrementalLocation,
} from './context.js';
import type { EngineSettings } from './host.js';
import { placementLines } from './placement.js';
import { ProgressReporter } from './progress.js';
import { printBytes, printDuration } from './quantities.js';
import { renderResult } from './render.js';
import { printNotices } from './statement_runner.js';
import { type StorageOptions, storageSettings, withStorage, withUsage } from './storage_options.js';
import { usageJson, usageLines } from './usage_text.js';

const MIB = 1024 * 1024;

interface TargetOptions {
  readonly database?: readonly string[];
  readonly table?: readonly string[];
  readonly currentDatabase?: string;
}

interface OperationOptions extends ClusterOptions, TargetOptions, StorageOptions {
  readonly asOf?: string;
  readonly incrementalLocation?: readonly string[];
  readonly workers?: number;
  readonly json?: true;
}

interface BackupCommandOptions extends OperationOptions {
  readonly appendTo?: string;
  readonly revisionHistory?: true;
  readonly compression?: Compression;
  readonly clusterVersion?: string;
  readonly partMib?: number;
  readonly partsInFlight?: number;
}

interface RestoreCommandOptions extends OperationOptions {
  readonly from: string;
  readonly directory?: true;
  readonly intoDb?: string;
  readonly newDbName?: string;
  readonly skipMissingForeignKeys?: true;
  readonly skipMissingSequences?: true;
  readonly skipMissingSequenceOwners?: true;
  readonly skipMissingViews?: true;
  readonly skipLocalitiesCheck?: true;
  readonly schemaOnly?: true;
}

function withOperation(command: Command): Command {
  return withStorage(withIncrementalLocation(withCluster(command)))
    .option('--database <name>', 'a whole database; repeatable', repeatable)
    .option('--table <pattern>', 'a table: t, db.t, db.schema.t or db.*; repeatable', repeatable)
    .option('--current-database <name>', 'database of tables that are named without one', 'defaultdb')
    .option('--as-of <time>', "AS OF SYSTEM TIME: '-10s', a timestamp or nanoseconds")
    .option('--workers <n>', 'worker threads (default: one per core)', wholeNumber(1))
    .option('--json', 'write progress and result as JSON lines');
}

/** `spanvault backup`. */
export function addBackupCommand(program: Command, context: Context): void {
  const command = program
    .command('backup')
    .description('take a full or an incremental backup of a cluster, of databases or of tables')
    .argument('<uri...>', 'one location, or one per locality with COCKROACH_LOCALITY each')
    .addOption(
      new Option('--compression <codec>', 'codec of data blocks (default: snappy)').choices(['none', 'snappy', 'zstd']),
    )
    .option('--append-to <subdirectory>', 'add an incremental backup to a chain: LATEST, or the directory of its full')
    .option('--revision-history', 'keep every version, so that a restore can go to any instant')
    .option('--cluster-version <version>', 'version of CockroachDB that is to restore it (default: 23.1)')
    .option('--part-mib <n>', 'MiB of each part that a file is uploaded in (default: 8)', wholeNumber(1))
    .option(
      '--parts-in-flight <n>',
      'parts of a file on their way at a time, to s3 and azure-blob (default: 4)',
      wholeNumber(1),
    )
    .action((uris: string[], options: BackupCommandOptions) => runBackup(context, uris, options));
  withExamples(
    withOperation(command),
    "spanvault backup --cluster ./c1 'nodelocal://1/backup'",
    "spanvault backup --cluster ./c1 --database movr \\\n      'nodelocal://1/east?COCKROACH_LOCALITY=default' 'nodelocal://1/west?COCKROACH_LOCALITY=region%3Dus-west'",
    "spanvault backup --cluster ./c1 --append-to LATEST --revision-history 'nodelocal://1/backup'",
  );
}

/** `spanvault restore`. */
export function addRestoreCommand(program: Command, context: Context): void {
  const command = program
    .command('restore')
    .description('restore a cluster, databases or tables from a backup')
    .argument('<uri...>', 'the locations that together hold the backup, in any order')
    .option('--from <subdirectory>', 'which backup of the collection', 'LATEST')
    .option('--directory', 'the location is a backup itself, as before CockroachDB 20.2')
    .option('--into-db <name>', 'database that receives the tables')
    .option('--new-db-name <name>', 'restore the database under this name')
    .option('--schema-only', 'create the schema and no rows')
    .option('--skip-missing-foreign-keys', 'leave out foreign keys whose table is not restored')
    .option('--skip-missing-sequences', 'leave out defaults whose sequence is not restored')
    .option(
      '--skip-missing-sequence-owners',
      'restore sequences without their owner, and owners without their sequence',
    )
    .option('--skip-missing-views', 'leave out views whose tables are not restored')
    .option('--skip-localities-check', 'go on though regions of the backup have no node')
    .action((uris: string[], options: RestoreCommandOptions) => runRestore(context, uris, options));
  withExamples(
    withOperation(command),
    "spanvault restore --cluster ./c2 'nodelocal://1/east' 'nodelocal://1/west'",
    "spanvault restore --cluster ./c2 --database movr --new-db-name movr2 --from '2023/02/23-150925.62' 'nodelocal://1/east' 'nodelocal://1/west'",
  );
}

function targetsOf(options: TargetOptions): StatementTargets {
  if (options.database !== undefined && options.table !== undefined) {
    throw new SpanvaultError('SV_USAGE', '--database and --table cannot be given together');
  }
  if (options.database !== undefined) return { kind: 'databases', names: options.database };
  if (options.table === undefined) return { kind: 'cluster' };
  const patterns = options.table.map((text) => {
    const { parts, all } = parseNamePattern(text);
    return all ? [...parts, '*'] : parts;
  });
  return { kind: 'tables', patterns };
}

/** A layer as a flag names it. */
function layerOf(text: string): Exclude<Layer, { readonly kind: 'blank' }> {
  return text.toUpperCase() === 'LATEST' ? { kind: 'latest' } : { kind: 'subdir', subdir: text };
}

async function runBackup(context: Context, uris: readonly string[], options: BackupCommandOptions): Promise<void> {
  const statement: BackupStatement = {
    kind: 'backup',
    targets: targetsOf(options),
    destination: options.appendTo === undefined ? { kind: 'new' } : layerOf(options.appendTo),
    uris,
    asOf: options.asOf === undefined ? null : parseAsOf(options.asOf),
    options: {
      ...(options.revisionHistory && { revision_history: true }),
      ...(options.incrementalLocation === undefined ? {} : { incremental_location: options.incrementalLocation }),
    },
  };
  await runOperation(context, options, statement, {
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.compression === undefined ? {} : { compression: options.compression }),
    ...(options.clusterVersion === undefined ? {} : { clusterVersion: options.clusterVersion }),
    ...(options.partMib === undefined ? {} : { partBytes: options.partMib * MIB }),
    ...(options.partsInFlight === undefined ? {} : { partsInFlight: options.partsInFlight }),
  });
}

async function runRestore(context: Context, uris: readonly string[], options: RestoreCommandOptions): Promise<void> {
  const statement: RestoreStatement = {
    kind: 'restore',
    targets: targetsOf(options),
    from: options.directory === true ? { kind: 'directory' } : layerOf(options.from),
    uris,
    asOf: options.asOf === undefined ? null : parseAsOf(options.asOf),
    options: {
      ...(options.incrementalLocation === undefined ? {} : { incremental_location: options.incrementalLocation }),
      ...(options.intoDb === undefined ? {} : { into_db: options.intoDb }),
      ...(options.newDbName === undefined ? {} : { new_db_name: options.newDbName }),
      ...(options.schemaOnly && { schema_only: true }),
      ...(options.skipMissingForeignKeys && { skip_missing_foreign_keys: true }),
      ...(options.skipMissingSequences && { skip_missing_sequences: true }),
      ...(options.skipMissingSequenceOwners && { skip_missing_sequence_owners: true }),
      ...(options.skipMissingViews && { skip_missing_views: true }),
      ...(options.skipLocalitiesCheck && { skip_localities_check: true }),
    },
  };
  await runOperation(context, options, statement, options.workers === undefined ? {} : { workers: options.workers });
}

/** Runs a BACKUP or RESTORE with progress, then prints its row, or one JSON line. */
async function runOperation(
  context: Context,
  options: OperationOptions,
  statement: Statement,
  settings: EngineSettings,
): Promise<void> {
  const { io } = context;
  context.jsonFailures = options.json === true;
  const progress = new ProgressReporter(io, options.json ? 'json' : io.stderr.isTTY === true ? 'line' : 'plain');
  let outcome: BackupOutcome | undefined;
  const observer = {
    onProgress: progress.update.bind(progress),
    onBackup: (finished: BackupOutcome): void => {
      outcome = finished;
    },
  };
  const startMs = performance.now();
  const { result, usages } = await withUsage(context, options, async (used) => {
    const session = { settings: { ...settings, ...storageSettings(options) }, observer };
    const done = await useSession(
      context,
      options,
      { ...session, database: options.currentDatabase },
      async (opened) => {
        try {
          return await execute(opened, statement, { signal: io.signal });
        } finally {
          progress.clear();
        }
      },
    );
    return { result: done, usages: used() };
  });
  const seconds = (performance.now() - startMs) / 1000;
  if (options.json) {
    for await (const line of renderResult(result, 'json')) {
      const row = JSON.parse(line) as Readonly<Record<string, string>>;
      const more =
        outcome === undefined
          ? {}
          : { subdir: outcome.subdir, directory: outcome.directory, placement: placementJson(outcome) };
      io.stdout.write(
        `${JSON.stringify({ event: 'result', statement: printStatement(statement), ...row, ...more, seconds, usage: usageJson(usages), notices: result.notices })}\n`,
      );
    }
    return;
  }
  for await (const text of renderResult(result, 'table')) io.stdout.write(text);
  if (outcome !== undefined) {
    io.stdout.write(`\nwritten to ${outcome.directory}: ${printBytes(outcome.bytes)} in ${printDuration(seconds)}\n`);
    for (const line of placementLines(outcome.placement)) io.stdout.write(line);
  }
  if (options.metrics !== '-') for (const line of usageLines(usages)) io.stdout.write(line);
  printNotices(io, result.notices);
}

function placementJson({ placement }: BackupOutcome): unknown {
  return {
    buckets: placement.buckets,
    displaced: placement.displaced.map(({ rangeId, wanted, nodeId, nodeLocality, bucket, reason }) => ({
      rangeId,
      wanted,
      nodeId,
      nodeLocality,
      bucket,
      reason,
    })),
  };
}
