import type { Command } from 'commander';
import { sweepLayers } from '../collection/index.js';
import type { Result } from '../statements/index.js';
import { type Leftover, sweepStorage } from '../storage/index.js';
import { type ClusterOptions, type Context, wholeNumber, withCluster, withExamples } from './context.js';
import { write } from './io.js';
import { printBytes } from './quantities.js';
import { renderResult } from './render.js';
import { type StorageOptions, storageSettings, withStorage, withUsage } from './storage_options.js';
import { usageJson } from './usage_text.js';

interface SweepCommandOptions extends ClusterOptions, StorageOptions {
  readonly remove?: true;
  readonly olderThanHours: number;
  readonly json?: true;
}

/** `spanvault sweep`. */
export function addSweepCommand(program: Command, context: Context): void {
  const command = program
    .command('sweep')
    .description('list, and with --remove erase, what failed and killed backups left in a collection')
    .argument('<uri...>', 'all locations of one collection')
    .option('--remove', 'erase what is found; without it nothing changes')
    .option(
      '--older-than-hours <n>',
      'only what was last written to so long ago: a backup that runs has no manifest yet',
      wholeNumber(0),
      24,
    )
    .option('--json', 'one JSON line per layer and location, and per unfinished object')
    .action((uris: string[], options: SweepCommandOptions) => runSweep(context, uris, options));
  withExamples(
    withStorage(withCluster(command)),
    "spanvault sweep --cluster ./c1 'nodelocal://1/backup' 'nodelocal://2/backup'",
    "spanvault sweep --cluster ./c1 --remove --older-than-hours 48 'external://east' 'external://west'",
  );
}

async function runSweep(context: Context, uris: readonly string[], options: SweepCommandOptions): Promise<void> {
  const { io, host } = context;
  context.jsonFailures = options.json === true;
  const cluster = options.cluster ?? io.env.SPANVAULT_CLUSTER;
  const externalIODir = options.externalIoDir ?? io.env.SPANVAULT_EXTERNAL_IO_DIR;
  const choices = { remove: options.remove === true, olderThanSeconds: options.olderThanHours * 3600 };
  const { layers, leftovers, usages } = await withUsage(context, options, (used) =>
    host.withStorage(cluster, externalIODir, async (storage) => {
      const settings = { ...storage, ...storageSettings(options).calls };
      const abandoned = await sweepLayers({ uris, settings, ...choices });
      const unfinished: Leftover[] = [];
      for (const uri of uris) unfinished.push(...(await sweepStorage({ uri, settings }, choices)));
      return { layers: abandoned, leftovers: unfinished, usages: used() };
    }),
  );
  if (options.json) {
    for (const layer of layers) await write(io.stdout, `${JSON.stringify({ event: 'layer', ...layer })}\n`);
    for (const leftover of leftovers)
      await write(io.stdout, `${JSON.stringify({ event: 'unfinished', ...leftover })}\n`);
    await write(io.stdout, `${JSON.stringify({ event: 'usage', usage: usageJson(usages) })}\n`);
    return;
  }
  const table: Result = {
    columns: [
      { name: 'location' },
      { name: 'what' },
      { name: 'objects', numeric: true },
      { name: 'size', numeric: true },
      { name: 'outcome' },
    ],
    rows: [
      ...layers.map(({ location, directory, objects, bytes, removed }) => [
        location,
        directory,
        String(objects),
        bytes === undefined ? null : printBytes(bytes),
        removed ? 'removed' : 'kept',
      ]),
      ...leftovers.map(({ location, kind, removed }) => [
        location,
        `unfinished ${kind}`,
        null,
        null,
        removed ? 'removed' : 'kept',
      ]),
    ],
    tag: 'SWEEP',
    notices: [],
  };
  for await (const text of renderResult(table, 'table')) await write(io.stdout, text);
}
