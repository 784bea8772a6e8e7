import { SpanvaultError } from '../fault/index.js';
import { native } from '../native/index.js';
import { AzureStorage } from './azure.js';
import { type StorageCall, withLayers } from './calls.js';
import { storageClock } from './clock.js';
import { resolveUri } from './connections.js';
import type { ExternalStorage, StorageConfig, StorageSettings } from './contract.js';
import { GsStorage } from './gs.js';
import { HttpStorage } from './http.js';
import { limitLayer } from './limits.js';
import { MemoryStorage } from './memory.js';
import { metricsLayer, type OperationMetrics } from './metrics.js';
import { NodelocalStorage } from './nodelocal.js';
import { resolveRetry, retryLayer } from './retry.js';
import { S3Storage } from './s3.js';
import { checkScheme, registerScheme } from './schemes.js';
import { traceLayer } from './trace.js';
import { joinUri, parseUri, type StorageUri, withoutLocality } from './uri.js';
import { currentLedger } from './usage.js';
import { UserfileStorage } from './userfile.js';

/** What a driver may use besides its URI. */
export interface DriverContext {
  readonly settings: StorageSettings;
  /** Counts a request that goes out, by the store's own name for it; for drivers whose calls are several requests. */
  count(kind: string): void;
}

/** A driver of the user's own. */
export interface StorageDriver {
  /** Query parameters that its URIs may have; upper case by convention. */
  readonly parameters: readonly string[];
  open(uri: StorageUri, settings: StorageSettings): ExternalStorage;
}

const drivers = new Map<string, StorageDriver>();

/**
 * Adds a driver for a scheme that none of ours uses, in this thread: a worker thread needs its own call, so a module that
 * registers belongs into the module of the source's or sink's worker half too. storageConformance checks a driver.
 * @throws SpanvaultError SV_USAGE for a scheme that is taken
 */
export function registerDriver(scheme: string, driver: StorageDriver): void {
  registerScheme(scheme, driver.parameters);
  drivers.set(scheme, driver);
}

/**
 * Opens a location; no I/O happens before the first call. COCKROACH_LOCALITY says something of a list of locations and
 * is ignored here. Every call is counted, repeated, limited and traced as the settings say, in that order and only here.
 * @throws SpanvaultError SV_URI, SV_NOT_SUPPORTED, SV_STORAGE_DENIED, SV_USAGE
 */
export function openStorage(config: StorageConfig): ExternalStorage {
  const uri = withoutLocality(parseUri(resolveUri(config.uri, config.settings)));
  checkScheme(uri);
  const { settings } = config;
  // What stands before an @ may be a password.
  const usage = currentLedger().of(`${uri.scheme}://${uri.host.slice(uri.host.lastIndexOf('@') + 1)}`);
  const count = (kind: string): void => {
    usage.requests[kind] = (usage.requests[kind] ?? 0) + 1;
  };
  const storage = openDriver(uri, { settings, count });
  const clock = storageClock();
  const onRetry = ({ operation }: StorageCall): void => {
    usage.operations[operation].retries++;
  };
  const free = settings.limits === undefined && settings.trace !== true;
  const guarded = withLayers(storage, [
    metricsLayer(usage.operations),
    retryLayer(resolveRetry(settings.retry), clock, storage.display, onRetry),
    ...(settings.limits === undefined ? [] : [limitLayer(settings.limits, clock)]),
    ...(settings.trace === true ? [traceLayer(storage.display, clock)] : []),
  ]);
  if (storage.local !== undefined && free)
    guarded.local = countedLocal(storage.local.bind(storage), usage.operations.read);
  return guarded;
}

/** Reads that native code makes by itself are counted all the same. */
function countedLocal(
  local: NonNullable<ExternalStorage['local']>,
  sums: OperationMetrics,
): NonNullable<ExternalStorage['local']> {
  return (name) => ({
    ...local(name),
    count({ calls, bytes, seconds }) {
      sums.calls += calls;
      sums.bytes += bytes;
      sums.seconds += seconds;
    },
  });
}

/** The bare driver of a checked URI. A client library is loaded by its driver's first call. */
function openDriver(uri: StorageUri, context: DriverContext): ExternalStorage {
  const { settings } = context;
  const driver = drivers.get(uri.scheme);
  if (driver !== undefined) return driver.open(uri, settings);
  switch (uri.scheme) {
    case 'nodelocal':
      return new NodelocalStorage(uri, settings);
    case 'memory':
      return new MemoryStorage(uri, native);
    case 'userfile':
      return new UserfileStorage(uri, settings);
    case 's3':
      return new S3Storage(uri, context.count, settings);
    case 'gs':
      return new GsStorage(uri, context.count);
    case 'azure-blob':
    case 'azure':
    case 'azure-storage':
      return new AzureStorage(uri, context.count);
    case 'http':
    case 'https':
      return new HttpStorage(uri, context.count);
    default:
      throw new SpanvaultError('SV_INTERNAL', `storage scheme ${uri.scheme} is known and has no driver`);
  }
}

/** The config of a directory below a location. @throws SpanvaultError SV_URI */
export function directoryConfig(config: StorageConfig, directory: string): StorageConfig {
  return { ...config, uri: joinUri(config.uri, directory) };
}
