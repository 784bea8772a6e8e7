import { randomUUID } from 'node:crypto';
import { parseBackupUris, parseSourceUris, type SourceUri } from '../collection/index.js';
import { type FaultCode, isSpanvaultError, throwIfAborted } from '../fault/index.js';
import {
  directoryConfig,
  type ExternalStorage,
  openStorage,
  type StorageConfig,
  type StorageSettings,
  withLayers,
} from '../storage/index.js';
import { clockStep } from './clock.js';
import { Refusals } from './permissions.js';
import { type NeededFor, STEPS, type Step, type StepSubject, WRITE } from './steps.js';
import { transfer } from './transfer.js';

export interface CheckStorageOptions {
  /** One location, or several as a backup takes them. */
  readonly uris: readonly string[];
  readonly storage?: StorageSettings;
  /** Bytes of each of the four objects that throughput is measured with. @defaultValue 16 MiB */
  readonly transferBytes?: number;
  readonly signal?: AbortSignal;
}

/** What came of one step. `failed` costs the use it is needed for; `warning` costs nothing but is worth knowing. */
export interface CheckedStep {
  readonly name: string;
  readonly neededFor: NeededFor;
  readonly outcome: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly seconds: number;
  /** What was seen, or what is wrong; secrets redacted. */
  readonly detail: string;
  /** With `failed` and `warning`. */
  readonly code?: FaultCode;
  /** With a refusal: the permission to grant, or that the credentials themselves are refused. */
  readonly remedy?: string;
}

export interface CheckedLocation {
  /** Secrets redacted. */
  readonly location: string;
  /** `default`, `key=value`, or undefined for a bare URI. */
  readonly locality: string | undefined;
  readonly steps: readonly CheckedStep[];
  readonly usableForBackup: boolean;
  readonly usableForRestore: boolean;
  /** Bytes per second; undefined when it did not come to that. */
  readonly readSpeed: number | undefined;
  readonly writeSpeed: number | undefined;
  /** Directory that the check wrote to, and how many objects it could not remove again; undefined when that cannot be listed. */
  readonly directory: string;
  readonly leftBehind: number | undefined;
}

const TRANSFER_BYTES = 16 * 1024 * 1024;
const CONCURRENTLY = 4;

/**
 * Tries what backups and restores need of each location, in a directory of its own below it that is removed again, also when a
 * step fails or the check is aborted. A location that fails is a result, not an exception.
 * @throws SpanvaultError SV_USAGE, SV_URI, SV_LOCALITY for a wrong list; SV_ABORTED, after what was written is removed
 */
export async function checkStorage(options: CheckStorageOptions): Promise<readonly CheckedLocation[]> {
  const settings = options.storage ?? {};
  const sources = parseSourceUris(options.uris, settings);
  if (sources.some(({ locality }) => locality !== undefined)) parseBackupUris(options.uris, settings);
  const checked: CheckedLocation[] = [];
  for (const source of sources) checked.push(await checkLocation(source, settings, options));
  return checked;
}

async function checkLocation(
  { uri, locality }: SourceUri,
  settings: StorageSettings,
  { transferBytes = TRANSFER_BYTES, signal }: CheckStorageOptions,
): Promise<CheckedLocation> {
  const root: StorageConfig = { uri, settings };
  const directory = `spanvault-check-${randomUUID()}`;
  const config = directoryConfig(root, directory);
  const refusals = new Refusals(uri);
  const open = (of: StorageConfig): ExternalStorage => withLayers(openStorage(of), [refusals.layer]);
  const storage = open(config);
  const subject: StepSubject = { storage, reopen: () => open(config), signal };
  const take = (step: Step): Promise<CheckedStep> => takeStep(step, subject, refusals);
  const steps: CheckedStep[] = [];
  let speeds: { readSpeed: number | undefined; writeSpeed: number | undefined } = {
    readSpeed: undefined,
    writeSpeed: undefined,
  };
  let removed: Removed;
  try {
    steps.push(await take(listStep(() => open(root))), await take(WRITE));
    const writes = steps[1]!.outcome === 'ok';
    for (const step of STEPS) steps.push(writes ? await take(step) : skipped(step));
    steps.push(await take(clockStep(uri)));
    if (writes) {
      throwIfAborted(signal);
      const one = await transfer(config, {
        bytes: transferBytes,
        concurrently: CONCURRENTLY,
        milliseconds: undefined,
        ...(signal && { signal }),
      });
      speeds = one;
      steps.push(throughput(one.error, transferBytes));
    }
  } finally {
    removed = await removeAll(storage, refusals);
    await storage.close();
  }
  steps.push(removed.step);
  const holds = (use: 'backup' | 'restore'): boolean =>
    steps.every(({ neededFor, outcome }) => outcome === 'ok' || outcome === 'warning' || !neededFor.includes(use));
  // What only a backup writes can be skipped: a restore then depends on the listing alone.
  const readable = steps.every(({ neededFor, outcome }) => outcome !== 'failed' || !neededFor.includes('restore'));
  return {
    location: openStorage(root).display,
    locality,
    steps,
    usableForBackup: holds('backup'),
    usableForRestore: readable,
    readSpeed: speeds.readSpeed,
    writeSpeed: speeds.writeSpeed,
    directory,
    leftBehind: removed.left,
  };
}

/** Lists the location itself, one level deep and one object long: what finding a backup takes. */
function listStep(open: () => ExternalStorage): Step {
  return {
    name: 'list',
    neededFor: 'backup, restore',
    async run({ signal }) {
      const storage = open();
      try {
        for await (const _ of storage.list('', { delimiter: '/', ...(signal && { signal }) }))
          return 'the location holds objects';
        return 'the location is empty';
      } finally {
        await storage.close();
      }
    },
  };
}

async function takeStep(step: Step, subject: StepSubject, refusals: Refusals): Promise<CheckedStep> {
  throwIfAborted(subject.signal);
  const { name, neededFor } = step;
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  try {
    const detail = await step.run(subject);
    return { name, neededFor, outcome: 'ok', seconds: seconds(), detail };
  } catch (error) {
    if (!isSpanvaultError(error) || error.code === 'SV_ABORTED') throw error;
    const outcome = neededFor === 'optional' ? 'warning' : 'failed';
    const remedy = refusals.remedyOf(error);
    const known = { name, neededFor, outcome, seconds: seconds(), code: error.code } as const;
    if (remedy === undefined) return { ...known, detail: error.message };
    return { ...known, detail: `${error.message}: ${remedy}`, remedy };
  }
}

function skipped({ name, neededFor }: Step): CheckedStep {
  return { name, neededFor, outcome: 'skipped', seconds: 0, detail: 'nothing can be written here' };
}

function throughput(error: string | undefined, bytes: number): CheckedStep {
  const detail = error ?? `${CONCURRENTLY} objects of ${bytes} bytes at a time`;
  return {
    name: 'throughput',
    neededFor: 'optional',
    outcome: error === undefined ? 'ok' : 'warning',
    seconds: 0,
    detail,
  };
}

interface Removed {
  readonly step: CheckedStep;
  readonly left: number | undefined;
}

/** Removes what the check wrote and looks whether anything stayed; not subject to the check's own abort. */
async function removeAll(storage: ExternalStorage, refusals: Refusals): Promise<Removed> {
  const begin = performance.now();
  const step = (outcome: CheckedStep['outcome'], detail: string): CheckedStep => ({
    name: 'delete',
    neededFor: 'optional',
    outcome,
    seconds: (performance.now() - begin) / 1000,
    detail,
  });
  const names = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of storage.list('')) if (!name.endsWith('/')) found.push(name);
    return found;
  };
  try {
    let problem: unknown;
    for (const name of await names()) {
      const [result] = await Promise.allSettled([storage.delete(name)]);
      if (result.status === 'rejected') problem ??= result.reason;
    }
    const left = (await names()).length;
    if (left === 0) return { step: step('ok', 'nothing is left behind'), left };
    const remedy = refusals.remedyOf(problem);
    const why = problem instanceof Error ? `: ${problem.message}${remedy === undefined ? '' : `: ${remedy}`}` : '';
    return { step: step('warning', `${left} objects below ${storage.display} cannot be removed${why}`), left };
  } catch (error) {
    if (!isSpanvaultError(error)) throw error;
    return { step: step('warning', `${storage.display} cannot be listed: ${error.message}`), left: undefined };
  }
}
