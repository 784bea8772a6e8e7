import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { SpanvaultError } from '../fault/index.js';
import type { BackupSource } from '../statements/index.js';
import { type BackupTree, backupTree } from '../verify/index.js';
import { type ClusterOptions, type Context, useSession } from './context.js';
import { paint, write } from './io.js';
import { printNotices } from './statement_runner.js';
import { type StorageOptions, storageSettings } from './storage_options.js';
import { treePage } from './tree_page.js';
import { speaksUnicode, treeLines } from './tree_text.js';

/** Options of `show --tree`. */
export interface TreeOptions extends ClusterOptions, StorageOptions {
  readonly tree?: true;
  readonly html?: string;
  readonly all?: true;
  readonly checkFiles?: true;
  readonly incrementalLocation?: readonly string[];
}

/** Columns where the output is no terminal. */
const PIPE_WIDTH = 120;
/** Narrowest that is drawn for. */
const WIDTH_MIN = 60;

/** Adds `--tree` and `--html` to a command. */
export function withTree(command: Command): Command {
  return command
    .option('--tree', 'draw the chain: layers, localities and buckets')
    .option('--html <file>', 'write the chain as one page that needs nothing else')
    .option('--all', 'draw every layer of a long chain');
}

/** Draws a chain on the terminal, or as a page, or both. */
export async function showTree(context: Context, source: BackupSource, options: TreeOptions): Promise<void> {
  const { io } = context;
  if (options.tree !== true && options.html === undefined) {
    throw new SpanvaultError('SV_USAGE', 'show needs --tree or --html FILE, or one of its commands: backup, backups', {
      hint: 'spanvault show --help has examples',
    });
  }
  const tree = await readTree(context, source, options);
  if (options.tree === true) {
    const style = {
      width: Math.max(WIDTH_MIN, io.stdout.columns ?? PIPE_WIDTH),
      unicode: speaksUnicode(io.env),
      colours: paint(io.stdout, io.env),
      all: options.all === true,
    };
    for (const line of treeLines(tree, style)) await write(io.stdout, line);
  }
  if (options.html !== undefined) await writePage(options.html, treePage(tree));
  printNotices(io, tree.notices);
}

/** With a cluster through its session, which knows its locations by name; else straight from the locations. */
function readTree(context: Context, source: BackupSource, options: TreeOptions): Promise<BackupTree> {
  const checkFiles = options.checkFiles === true;
  const cluster = options.cluster ?? context.io.env.SPANVAULT_CLUSTER;
  if (cluster !== undefined && cluster !== '') {
    const request = {
      ...source,
      incrementalUris: options.incrementalLocation,
      checkFiles,
      schemas: false,
      privileges: false,
    };
    return useSession(context, options, { settings: storageSettings(options) }, (session) =>
      session.engine.backupTree(request),
    );
  }
  const externalIODir = options.externalIoDir ?? context.io.env.SPANVAULT_EXTERNAL_IO_DIR;
  return backupTree({
    from: source.from.kind === 'directory' ? undefined : source.from.kind === 'subdir' ? source.from.subdir : 'LATEST',
    in: source.uris,
    ...(options.incrementalLocation === undefined ? {} : { incrementalLocation: options.incrementalLocation }),
    storage: { ...storageSettings(options).calls, ...(externalIODir === undefined ? {} : { externalIODir }) },
    checkFiles,
    signal: context.io.signal,
  });
}

async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new SpanvaultError('SV_USAGE', `cannot write the page to ${file}: ${problem}`, { cause });
  }
}
