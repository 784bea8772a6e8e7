import { SpanvaultError } from '../fault/index.js';
import { native } from '../native/index.js';
import type { ExternalStorage, StorageConfig } from './contract.js';
import { MemoryStorage } from './memory.js';
import { NodelocalStorage } from './nodelocal.js';
import { checkScheme } from './schemes.js';
import { joinUri, parseUri, withoutLocality } from './uri.js';

/**
 * Opens a location; no I/O happens before the first call. COCKROACH_LOCALITY says something of a list of locations and
 * is ignored here.
 * @throws SpanvaultError SV_URI, SV_NOT_SUPPORTED, SV_STORAGE_DENIED
 */
export function openStorage(config: StorageConfig): ExternalStorage {
  const uri = withoutLocality(parseUri(config.uri));
  checkScheme(uri);
  switch (uri.scheme) {
    case 'nodelocal':
      return new NodelocalStorage(uri, config.settings);
    case 'memory':
      return new MemoryStorage(uri, native);
    default:
      throw new SpanvaultError('SV_INTERNAL', `storage scheme ${uri.scheme} is marked as supported and has no driver`);
  }
}

/** The config of a directory below a location. @throws SpanvaultError SV_URI */
export function directoryConfig(config: StorageConfig, directory: string): StorageConfig {
  return { ...config, uri: joinUri(config.uri, directory) };
}
