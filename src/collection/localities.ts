import { isSpanvaultError, SpanvaultError } from '../fault/index.js';
import { parseTier, printTier } from '../keys/index.js';
import {
  checkScheme,
  joinUri,
  parseUri,
  resolveUri,
  type StorageConfig,
  type StorageSettings,
  splitLocality,
  type UriParameter,
} from '../storage/index.js';

/*
 * Lists of URIs with COCKROACH_LOCALITY (crdb-format.md 3.1). The parameter's value is decoded once by the URI's parser and
 * must have been encoded: an `=` that is not written as %3D is refused rather than guessed at.
 */

const DEFAULT = 'default';

/** Where a locality-aware backup writes: URIs without COCKROACH_LOCALITY, in canonical form. */
export interface LocalityUris {
  readonly defaultUri: string;
  /** `key=value` → URI, in the order of the list. */
  readonly byLocality: ReadonlyMap<string, string>;
}

/** One location of a RESTORE or SHOW. */
export interface SourceUri {
  readonly uri: string;
  /** "default", `key=value`, or undefined for a bare URI. */
  readonly locality: string | undefined;
}

/**
 * The list of a BACKUP. Every rule and text of crdb-format.md 3.1; schemes and parameters are checked as well, so that a
 * wrong list is refused before any work.
 * @throws SpanvaultError SV_LOCALITY, SV_URI, SV_NOT_SUPPORTED, SV_USAGE for an empty list
 */
export function parseBackupUris(uris: readonly string[], settings: StorageSettings): LocalityUris {
  const [first, ...more] = uris.map((uri) => parseLocation(uri, settings));
  if (first === undefined) throw new SpanvaultError('SV_USAGE', 'no storage URI is given');
  if (more.length === 0) {
    if (first.locality !== undefined && first.locality.value !== DEFAULT) {
      throw localityFault(`COCKROACH_LOCALITY ${first.locality.value} is invalid for a single BACKUP location`);
    }
    return { defaultUri: first.uri, byLocality: new Map() };
  }
  let defaultUri: string | undefined;
  const byLocality = new Map<string, string>();
  for (const { uri, locality } of [first, ...more]) {
    if (locality === undefined || locality.value === '') {
      throw localityFault('multiple URLs are provided for partitioned BACKUP, but COCKROACH_LOCALITY is not specified');
    }
    if (locality.value === DEFAULT) {
      if (defaultUri !== undefined) throw localityFault('multiple default URLs provided for partition backup');
      defaultUri = uri;
      continue;
    }
    const tier = parseLocalityValue(locality);
    if (byLocality.has(tier)) throw localityFault(`duplicate URIs for locality ${tier}`);
    byLocality.set(tier, uri);
  }
  if (defaultUri === undefined) throw localityFault('no default URL provided for partitioned backup');
  return { defaultUri, byLocality };
}

/**
 * The list of a RESTORE or SHOW: bare URIs or with the parameter, in any order. What is where is found by looking; the
 * parameter only says where to look for the manifest first.
 * @throws SpanvaultError SV_LOCALITY, SV_URI, SV_NOT_SUPPORTED, SV_USAGE for an empty list
 */
export function parseSourceUris(uris: readonly string[], settings: StorageSettings): SourceUri[] {
  if (uris.length === 0) throw new SpanvaultError('SV_USAGE', 'no storage URI is given');
  const sources = new Map<string, SourceUri>();
  const seen = new Set<string>();
  for (const { uri, locality } of uris.map((text) => parseLocation(text, settings))) {
    const value =
      locality === undefined ? undefined : locality.value === DEFAULT ? DEFAULT : parseLocalityValue(locality);
    if (value !== undefined && seen.has(value)) {
      throw localityFault(
        value === DEFAULT
          ? 'multiple default URLs provided for partition backup'
          : `duplicate URIs for locality ${value}`,
      );
    }
    if (value !== undefined) seen.add(value);
    const same = sources.get(uri);
    if (same === undefined) sources.set(uri, { uri, locality: value });
    else if (value === DEFAULT) sources.set(uri, { uri, locality: DEFAULT });
  }
  return [...sources.values()];
}

/** The same list with every URI pointing to a directory below. */
export function joinLocalityUris(uris: LocalityUris, directory: string): LocalityUris {
  return {
    defaultUri: joinUri(uris.defaultUri, directory),
    byLocality: new Map([...uris.byLocality].map(([locality, uri]) => [locality, joinUri(uri, directory)])),
  };
}

/** Storage configs of a list. */
export function localityConfigs(
  uris: LocalityUris,
  settings: StorageSettings,
): { readonly defaultStore: StorageConfig; readonly byLocality: ReadonlyMap<string, StorageConfig> } {
  return {
    defaultStore: { uri: uris.defaultUri, settings },
    byLocality: new Map([...uris.byLocality].map(([locality, uri]) => [locality, { uri, settings }])),
  };
}

/** From here on a location is known by what it is, not by the name of a connection. */
function parseLocation(
  text: string,
  settings: StorageSettings,
): { readonly uri: string; readonly locality: UriParameter | undefined } {
  const resolved = resolveUri(text, settings);
  checkScheme(parseUri(resolved));
  return splitLocality(resolved);
}

/** Checks a value that is not "default": one tier, encoded exactly once. */
function parseLocalityValue(parameter: UriParameter): string {
  const { value, raw } = parameter;
  let tier: string;
  try {
    tier = printTier(parseTier(value));
  } catch (error) {
    const problem = isSpanvaultError(error) ? error.message : String(error);
    const hint = /%3d/i.test(value) ? { hint: 'the value is percent-encoded twice: write = as %3D' } : {};
    throw new SpanvaultError('SV_LOCALITY', `failed to parse backup locality: ${problem}`, { cause: error, ...hint });
  }
  if (raw.includes('=')) {
    throw new SpanvaultError(
      'SV_LOCALITY',
      `failed to parse backup locality: the value ${JSON.stringify(raw)} is not percent-encoded`,
      {
        hint: `write COCKROACH_LOCALITY=${encodeURIComponent(value)}`,
      },
    );
  }
  return tier;
}

function localityFault(message: string): SpanvaultError {
  return new SpanvaultError('SV_LOCALITY', message);
}
