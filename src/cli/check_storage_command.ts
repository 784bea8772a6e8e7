import type { Command } from 'commander';
import { type FaultCode, SpanvaultError } from '../fault/index.js';
import { type CheckedLocation, checkStorage } from '../probe/index.js';
import type { Result } from '../statements/index.js';
import { type ClusterOptions, type Context, wholeNumber, withCluster, withExamples } from './context.js';
import { write } from './io.js';
import { printBytes } from './quantities.js';
import { renderResult } from './render.js';
import { type StorageOptions, storageSettings, withStorage, withUsage } from './storage_options.js';
import { usageJson } from './usage_text.js';

const MIB = 1024 * 1024;

interface CheckStorageCommandOptions extends ClusterOptions, StorageOptions {
  readonly transferMib?: number;
  readonly forRestore?: true;
  readonly json?: true;
}

/** `spanvault check-storage`. */
export function addCheckStorageCommand(program: Command, context: Context): void {
  const command = program
    .command('check-storage')
    .description('try whether locations do what backups and restores need; leaves nothing behind')
    .argument('<uri...>', 'one location, or one per locality with COCKROACH_LOCALITY each')
    .option('--for-restore', 'a location that nothing can be written to is good enough')
    .option(
      '--transfer-mib <n>',
      'MiB of each of the four objects that measure throughput (default: 16)',
      wholeNumber(1),
    )
    .option('--json', 'one JSON line per location')
    .action((uris: string[], options: CheckStorageCommandOptions) => runCheck(context, uris, options));
  withExamples(
    withStorage(withCluster(command)),
    "spanvault check-storage --external-io-dir ./backups 'nodelocal://1/east'",
    "spanvault check-storage 's3://bucket/backups?AUTH=implicit' --json",
    "spanvault check-storage --cluster ./c1 'external://east?COCKROACH_LOCALITY=default' 'external://west?COCKROACH_LOCALITY=region%3Dwest'",
  );
}

async function runCheck(context: Context, uris: readonly string[], options: CheckStorageCommandOptions): Promise<void> {
  const { io, host } = context;
  context.jsonFailures = options.json === true;
  const { transferMib } = options;
  const externalIODir = options.externalIoDir ?? io.env.SPANVAULT_EXTERNAL_IO_DIR;
  const cluster = options.cluster ?? io.env.SPANVAULT_CLUSTER;
  const { checked, usages } = await withUsage(context, options, async (used) => {
    const found = await host.withStorage(cluster, externalIODir, (storage) =>
      checkStorage({
        uris,
        storage: { ...storage, ...storageSettings(options).calls },
        signal: io.signal,
        ...(transferMib === undefined ? {} : { transferBytes: transferMib * MIB }),
      }),
    );
    return { checked: found, usages: used() };
  });
  for (const location of checked) {
    if (options.json) await write(io.stdout, `${JSON.stringify({ event: 'location', ...location })}\n`);
    else await printLocation(context, location);
  }
  if (options.json) await write(io.stdout, `${JSON.stringify({ event: 'usage', usage: usageJson(usages) })}\n`);
  const bad = checked.filter((location) => !isUsable(location, options.forRestore === true));
  if (bad.length === 0) return;
  const failed = bad[0]!.steps.find(({ outcome }) => outcome === 'failed');
  // Whatever a step threw, what failed here is the location.
  const code: FaultCode = failed?.code?.startsWith('SV_STORAGE') ? failed.code : 'SV_STORAGE_IO';
  throw new SpanvaultError(
    code,
    `${bad.length} of ${checked.length} locations cannot be used for ${options.forRestore ? 'restores' : 'backups and restores'}: ${bad.map(({ location }) => location).join(', ')}`,
  );
}

function isUsable({ usableForBackup, usableForRestore }: CheckedLocation, forRestore: boolean): boolean {
  return usableForRestore && (forRestore || usableForBackup);
}

async function printLocation(context: Context, checked: CheckedLocation): Promise<void> {
  const { stdout } = context.io;
  const locality = checked.locality === undefined ? '' : ` (${checked.locality})`;
  const verdict = `backup ${checked.usableForBackup ? 'yes' : 'no'}, restore ${checked.usableForRestore ? 'yes' : 'no'}`;
  await write(stdout, `${checked.location}${locality}: ${verdict}\n`);
  for await (const text of renderResult(tableOf(checked), 'table')) await write(stdout, text);
  const speed = (bytes: number | undefined): string =>
    bytes === undefined ? 'not measured' : `${printBytes(bytes)}/s`;
  await write(stdout, `write ${speed(checked.writeSpeed)}, read ${speed(checked.readSpeed)}\n\n`);
}

function tableOf({ steps }: CheckedLocation): Result {
  return {
    columns: [
      { name: 'check' },
      { name: 'needed for' },
      { name: 'outcome' },
      { name: 'ms', numeric: true },
      { name: 'detail' },
    ],
    rows: steps.map(({ name, neededFor, outcome, seconds, detail }) => [
      name,
      neededFor,
      outcome,
      (seconds * 1000).toFixed(1),
      detail,
    ]),
    tag: 'CHECK',
    notices: [],
  };
}
