import type { Command } from 'commander';
import { parseLocality } from '../keys/index.js';
import {
  type ClusterOptions,
  type Context,
  clusterDirectory,
  repeatable,
  wholeNumber,
  withExamples,
  withFormat,
} from './context.js';
import { type ShownNode, WORKLOADS, type Workload } from './host.js';
import { write } from './io.js';
import { printCount } from './quantities.js';
import { type Format, renderResult } from './render.js';
import { printNotices } from './statement_runner.js';

/** `spanvault cluster init | add-node | nodes | gc | protected`. */
export function addClusterCommand(program: Command, context: Context): void {
  const cluster = program
    .command('cluster')
    .description('make an embedded cluster, add and list nodes, collect garbage');
  withExamples(cluster, 'spanvault cluster init ./c1 --node region=us-east,az=a --node region=us-west,az=a');

  const init = cluster
    .command('init')
    .description('make a cluster in a new directory')
    .argument('<dir>', 'directory of the cluster')
    .requiredOption(
      '--node <locality>',
      'a node and its locality tiers, least specific first; empty for none; repeatable',
      repeatable,
    )
    .action(async (directory: string, options: { readonly node: readonly string[] }) => {
      for (const locality of options.node) parseLocality(locality);
      await printNodes(context, await context.host.initCluster(directory, options.node), 'table');
    });
  withExamples(
    init,
    'spanvault cluster init ./c1 --node region=us-east,az=a --node region=us-east,az=b --node region=us-west,az=a',
    "spanvault cluster init ./c2 --node ''",
  );

  const add = withDirectory(cluster.command('add-node'))
    .description('add a node; ranges whose zone configuration wants it move to it')
    .requiredOption('--node <locality>', 'locality tiers of the new node')
    .action(async (options: ClusterOptions & { readonly node: string }) => {
      parseLocality(options.node);
      const { node, notices } = await context.host.addNode(clusterDirectory(context, options), options.node);
      await printNodes(context, [node], 'table');
      printNotices(context.io, notices);
    });
  withExamples(add, 'spanvault cluster add-node --cluster ./c2 --node region=us-west,az=a');

  const nodes = withFormat(withDirectory(cluster.command('nodes')))
    .description('list the nodes')
    .action(async (options: ClusterOptions & { readonly format: Format }) =>
      printNodes(context, await context.host.nodes(clusterDirectory(context, options)), options.format),
    );
  withExamples(nodes, 'spanvault cluster nodes --cluster ./c1');
  addGarbageCommands(cluster, context);
}

function addGarbageCommands(cluster: Command, context: Context): void {
  const gc = withFormat(withDirectory(cluster.command('gc')))
    .description('erase versions older than gc.ttlseconds that a newer one hides; protected times stay readable')
    .action(async (options: ClusterOptions & { readonly format: Format }) => {
      const done = await context.host.collectGarbage(clusterDirectory(context, options));
      const columns = ['versions', 'bytes', 'bytes_visited', 'protected_times'];
      const numbers = [done.versions, done.bytes, done.bytesVisited, done.protectedTimes];
      await print(context, columns, true, [numbers.map(String)], options.format);
    });
  withExamples(gc, 'spanvault cluster gc --cluster ./c1');

  const kept = withFormat(withDirectory(cluster.command('protected')))
    .description('list the times that garbage collection leaves readable, oldest first, or release one')
    .option('--release <id>', 'let a time go')
    .action(async (options: ClusterOptions & { readonly format: Format; readonly release?: string }) => {
      const directory = clusterDirectory(context, options);
      if (options.release !== undefined) await context.host.releaseTimestamp(directory, options.release);
      const rows = (await context.host.protectedTimestamps(directory)).map(({ id, time, what }) => [id, time, what]);
      await print(context, ['id', 'time', 'what'], false, rows, options.format);
    });
  withExamples(kept, 'spanvault cluster protected --cluster ./c1');
}

async function print(
  context: Context,
  columns: readonly string[],
  numeric: boolean,
  rows: readonly (readonly string[])[],
  format: Format,
): Promise<void> {
  const result = { columns: columns.map((name) => ({ name, numeric })), rows, tag: 'CLUSTER', notices: [] };
  for await (const text of renderResult(result, format)) await write(context.io.stdout, text);
}

/** `spanvault workload init`. */
export function addWorkloadCommand(program: Command, context: Context): void {
  const workload = program.command('workload').description('fill a cluster with example data');
  withExamples(workload, 'spanvault workload init movr --cluster ./c1 --rows 10000');
  const init = withDirectory(workload.command('init'))
    .description('create the database of a workload and load rows')
    .argument('<name>', WORKLOADS.join(', '))
    .option('--rows <n>', 'rows over all tables (default: 1000)', wholeNumber(1))
    .action(async (name: string, options: ClusterOptions & { readonly rows?: number }, command: Command) => {
      const found = WORKLOADS.find((one) => one === name);
      if (found === undefined)
        command.error(`error: unknown workload '${name}'; the workloads are ${WORKLOADS.join(', ')}`);
      await loadWorkload(context, clusterDirectory(context, options), found, options.rows);
    });
  withExamples(
    init,
    'spanvault workload init movr --cluster ./c1 --rows 10000',
    'spanvault workload init bank --cluster ./c1',
  );
}

async function loadWorkload(
  context: Context,
  directory: string,
  workload: Workload,
  rows: number | undefined,
): Promise<void> {
  const { database, tables } = await context.host.loadWorkload(directory, workload, rows);
  const result = {
    columns: [{ name: 'table' }, { name: 'rows', numeric: true }],
    rows: tables.map((table) => [`${database}.${table.name}`, printCount(table.rows)]),
    tag: 'WORKLOAD',
    notices: [],
  };
  for await (const text of renderResult(result, 'table')) await write(context.io.stdout, text);
}

function withDirectory(command: Command): Command {
  return command.option('--cluster <dir>', 'directory of the cluster (default: $SPANVAULT_CLUSTER)');
}

async function printNodes(context: Context, nodes: readonly ShownNode[], format: Format): Promise<void> {
  const result = {
    columns: [{ name: 'id', numeric: true }, { name: 'locality' }, { name: 'status' }],
    rows: nodes.map(({ nodeId, locality, status }) => [String(nodeId), locality, status]),
    tag: 'NODES',
    notices: [],
  };
  for await (const text of renderResult(result, format)) await write(context.io.stdout, text);
}
