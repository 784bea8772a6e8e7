import { SpanvaultError } from '../fault/index.js';
import { native } from '../native/index.js';
import { AzureStorage } from './azure.js';
import { resolveUri } from './connections.js';
import type { ExternalStorage, StorageConfig, StorageSettings } from './contract.js';
import { GsStorage } from './gs.js';
import { HttpStorage } from './http.js';
import { MemoryStorage } from './memory.js';
import { NodelocalStorage } from './nodelocal.js';
import { checkScheme, registerScheme } from './schemes.js';
import { joinUri, parseUri, type StorageUri, withoutLocality } from './uri.js';

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
 * is ignored here.
 * @throws SpanvaultError SV_URI, SV_NOT_SUPPORTED, SV_STORAGE_DENIED
 */
export function openStorage(config: StorageConfig): ExternalStorage {
  const uri = withoutLocality(parseUri(resolveUri(config.uri, config.settings)));
  checkScheme(uri);
  const driver = drivers.get(uri.scheme);
  if (driver !== undefined) return driver.open(uri, config.settings);
  switch (uri.scheme) {
    case 'nodelocal':
      return new NodelocalStorage(uri, config.settings);
    case 'memory':
      return new MemoryStorage(uri, native);
    case 'gs':
      return new GsStorage(uri);
    case 'azure-blob':
    case 'azure':
    case 'azure-storage':
      return new AzureStorage(uri);
    case 'http':
    case 'https':
      return new HttpStorage(uri);
    default:
      throw new SpanvaultError('SV_INTERNAL', `storage scheme ${uri.scheme} is marked as supported and has no driver`);
  }
}

/** The config of a directory below a location. @throws SpanvaultError SV_URI */
export function directoryConfig(config: StorageConfig, directory: string): StorageConfig {
  return { ...config, uri: joinUri(config.uri, directory) };
}
