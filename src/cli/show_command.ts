import type { Command } from 'commander';
import type { BackupSource, ShowBackupStatement, Statement } from '../statements/index.js';
import {
  type ClusterOptions,
  type Context,
  useSession,
  withCluster,
  withExamples,
  withFormat,
  withIncrementalLocation,
} from './context.js';
import type { Format } from './render.js';
import { StatementRunner } from './statement_runner.js';
import { type StorageOptions, storageSettings, withStorage, withUsage } from './storage_options.js';
import { showTree, type TreeOptions, withTree } from './tree_command.js';

interface ShowOptions extends ClusterOptions, StorageOptions {
  readonly format: Format;
}

interface SourceOptions {
  readonly from: string;
  readonly directory?: true;
}

type TreeCommandOptions = SourceOptions & TreeOptions;

interface ShowBackupCommandOptions extends ShowOptions, SourceOptions {
  readonly incrementalLocation?: readonly string[];
  readonly schemas?: true;
  readonly checkFiles?: true;
  readonly debugIds?: true;
  readonly privileges?: true;
  readonly asJson?: true;
}

/** `spanvault show backups | backup`. */
export function addShowCommand(program: Command, context: Context): void {
  const show = program
    .command('show')
    .description('list the backups of a collection, what is in one, or draw its chain')
    .argument('[uri...]', 'with --tree: the locations that together hold the backup')
    .enablePositionalOptions()
    .action((uris: string[], options: TreeCommandOptions) =>
      withUsage(context, options, () => showTree(context, { from: layerOf(options), uris }, options)),
    );
  withStorage(withSource(withTree(show))).option('--check-files', 'look for every file, and show their bytes');
  withExamples(
    withIncrementalLocation(withCluster(show)),
    "spanvault show --tree --check-files --external-io-dir ./c1/extern 'nodelocal://1/east' 'nodelocal://1/west'",
    "spanvault show --html chain.html --external-io-dir ./c1/extern 'nodelocal://1/east' 'nodelocal://1/west'",
    "spanvault show backups --cluster ./c1 'nodelocal://1/east'",
    "spanvault show backup --cluster ./c1 'nodelocal://1/east' 'nodelocal://1/west'",
  );

  const backups = show
    .command('backups')
    .description('full backups of a collection')
    .argument('<uri...>', 'the collection; of a locality-aware one its default location')
    .action((uris: string[], options: ShowOptions, self: Command) =>
      runShow(context, withThoseBefore(options, self), { kind: 'showBackups', uris }),
    );
  withExamples(
    withStorage(withFormat(withCluster(backups))),
    "spanvault show backups --cluster ./c1 'nodelocal://1/east'",
  );

  const backup = show
    .command('backup')
    .description('databases, schemas, tables and types in a backup')
    .argument('<uri...>', 'the locations that together hold the backup')
    .option('--schemas', 'with the statements that create each object')
    .option('--check-files', 'check that every file exists, and show their bytes')
    .option('--debug-ids', 'with descriptor ids')
    .option('--privileges', 'with grants and owners')
    .option('--as-json', 'the manifest as JSON')
    .action((uris: string[], own: ShowBackupCommandOptions, self: Command) => {
      const options = withThoseBefore(own, self);
      return runShow(context, options, showStatement(uris, options));
    });
  withExamples(
    withStorage(withFormat(withIncrementalLocation(withCluster(withSource(backup))))),
    "spanvault show backup --cluster ./c1 --check-files 'nodelocal://1/east' 'nodelocal://1/west'",
    "spanvault show backup --cluster ./c1 --schemas --from '2023/02/23-150925.62' 'nodelocal://1/east'",
  );
}

/** Options before the command's name are taken by `show`, which knows them too; they count all the same. */
function withThoseBefore<T extends object>(options: T, self: Command): T {
  const { parent } = self;
  const before = Object.entries(parent?.opts<Record<string, unknown>>() ?? {}).filter(
    ([name]) => parent?.getOptionValueSource(name) === 'cli' && self.getOptionValueSource(name) !== 'cli',
  );
  return { ...options, ...Object.fromEntries(before) };
}

function runShow(context: Context, options: ShowOptions, statement: Statement): Promise<void> {
  return withUsage(context, options, () =>
    useSession(context, options, { settings: storageSettings(options) }, (session) =>
      new StatementRunner(context.io, session, options.format).run(statement, context.io.signal),
    ),
  );
}

/** Adds what names a backup in its locations. */
function withSource(command: Command): Command {
  return command
    .option('--from <subdirectory>', 'which backup of the collection', 'LATEST')
    .option('--directory', 'the location is a backup itself, as before CockroachDB 20.2');
}

function layerOf({ from, directory }: SourceOptions): BackupSource['from'] {
  if (directory === true) return { kind: 'directory' };
  return from.toUpperCase() === 'LATEST' ? { kind: 'latest' } : { kind: 'subdir', subdir: from };
}

function showStatement(uris: readonly string[], options: ShowBackupCommandOptions): ShowBackupStatement {
  return {
    kind: 'showBackup',
    schemas: options.schemas === true,
    from: layerOf(options),
    uris,
    options: {
      ...(options.incrementalLocation === undefined ? {} : { incremental_location: options.incrementalLocation }),
      ...(options.checkFiles && { check_files: true }),
      ...(options.debugIds && { debug_ids: true }),
      ...(options.privileges && { privileges: true }),
      ...(options.asJson && { as_json: true }),
    },
  };
}
