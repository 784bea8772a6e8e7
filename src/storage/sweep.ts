import type { StorageOperation } from './calls.js';
import { storageClock } from './clock.js';
import { resolveUri } from './connections.js';
import type { StorageConfig } from './contract.js';
import { NodelocalStorage } from './nodelocal.js';
import { resolveRetry, retryLayer } from './retry.js';
import { S3Storage } from './s3.js';
import { sweepUploads } from './s3_sweep.js';
import { checkScheme } from './schemes.js';
import { parseUri, withoutLocality } from './uri.js';
import { currentLedger } from './usage.js';

/** Something that a killed process left half-written. It is in no listing, and nothing names it. */
export interface Leftover {
  /** A multipart upload of S3, or an unfinished file of nodelocal. */
  readonly kind: 'upload' | 'file';
  /** `s3://bucket/key`, or the file below the location. */
  readonly location: string;
  /** When the upload was begun or the file last written. */
  readonly since: Date;
  readonly removed: boolean;
}

export interface SweepOptions {
  /** Remove what is found; else it is only told. */
  readonly remove: boolean;
  /** Only what is older: a run that is at work has uploads of its own. Seconds; zero is for locations that nobody writes to. */
  readonly olderThanSeconds: number;
}

/** Makes a call by the one retry policy. */
export type Repeat = <T>(operation: StorageOperation, name: string, work: () => Promise<T>) => Promise<T>;

/**
 * Finds what killed runs left half-written below a location. Google Cloud Storage and Azure drop theirs by themselves after a week and
 * tell nobody of it, and the other stores keep nothing unfinished: there nothing is found.
 * @throws SpanvaultError SV_URI, storage
 */
export async function sweepStorage(config: StorageConfig, options: SweepOptions): Promise<readonly Leftover[]> {
  const { settings } = config;
  const uri = withoutLocality(parseUri(resolveUri(config.uri, settings)));
  checkScheme(uri);
  const clock = storageClock();
  const before = Date.now() - options.olderThanSeconds * 1000;
  if (uri.scheme === 'nodelocal') return new NodelocalStorage(uri, settings).sweepUnfinished(before, options.remove);
  if (uri.scheme !== 's3') return [];
  const usage = currentLedger().of(`${uri.scheme}://${uri.host}`);
  const storage = new S3Storage(uri, (kind) => {
    usage.requests[kind] = (usage.requests[kind] ?? 0) + 1;
  });
  const layer = retryLayer(resolveRetry(settings.retry), clock, storage.display, () => undefined);
  const repeat: Repeat = async (operation, name, work) => {
    const call = { operation, name, sentBytes: 0, expectedBytes: 0, objects: 1, again: false, signal: undefined };
    return (await layer(call, async () => ({ value: await work(), receivedBytes: 0 }))).value;
  };
  return sweepUploads(storage, before, options.remove, repeat);
}
