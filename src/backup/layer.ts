import { Catalog, excludedSpans } from '../catalog/index.js';
import type { BackupScope, ScopeHistory } from '../cluster/contract.js';
import { type AppendableChain, type LocalityUris, openForAppend, parseBackupUris } from '../collection/index.js';
import { SpanvaultError } from '../fault/index.js';
import {
  compareTimestamps,
  EMPTY_TIMESTAMP,
  mergeSpans,
  printTimestamp,
  subtractSpans,
  type Timestamp,
} from '../keys/index.js';
import {
  type Appended,
  checkAppended,
  checkNothingLeftOut,
  introducedSpans,
  lacksObjects,
  type Previous,
} from './append.js';
import type { BackupOptions } from './options.js';
import type { LayerWindow } from './passes.js';

/*
 * What a run will hold, resolved from its options before anything is written: its locations, its chain, its window of time
 * and what of the source it covers.
 */

/** Locations of a backup, parsed. */
export interface LayerLocations {
  readonly uris: LocalityUris;
  readonly incrementalUris: LocalityUris | undefined;
}

/**
 * Parses the locations of a run.
 * @throws SpanvaultError SV_LOCALITY, SV_URI, SV_USAGE; an explicit location of incrementals must have as many URIs as the
 * collection, with the same localities (crdb-features.md S48)
 */
export function parseLocations(
  options: Pick<BackupOptions, 'into' | 'incrementalLocation' | 'appendTo' | 'storage'>,
): LayerLocations {
  const uris = parseBackupUris(options.into, options.storage ?? {});
  if (options.incrementalLocation === undefined) return { uris, incrementalUris: undefined };
  if (options.appendTo === undefined) {
    throw new SpanvaultError('SV_USAGE', 'incremental_location is only of use to an incremental backup', {
      hint: "BACKUP INTO LATEST IN '…' WITH incremental_location = '…' appends to the newest full backup",
    });
  }
  const incrementalUris = parseBackupUris(options.incrementalLocation, options.storage ?? {});
  const wanted = [...uris.byLocality.keys()].sort();
  const given = [...incrementalUris.byLocality.keys()].sort();
  if (wanted.length !== given.length || wanted.some((locality, index) => locality !== given[index])) {
    throw new SpanvaultError(
      'SV_LOCALITY',
      `incremental_location has the localities [${['default', ...given].join(' ')}], but the full backup's location has [${['default', ...wanted].join(' ')}]`,
      { hint: 'give incremental_location one URI for each URI of the collection, with the same COCKROACH_LOCALITY' },
    );
  }
  return { uris, incrementalUris };
}

/** A layer about to be taken. */
export interface Layer {
  readonly scope: BackupScope;
  /** The scope's descriptors. */
  readonly catalog: Catalog;
  readonly window: LayerWindow;
  /** The chain that it is added to; undefined for a full. */
  readonly chain: AppendableChain | undefined;
  readonly history: ScopeHistory | undefined;
}

/** The chain that a run adds to, read and checked; undefined for a full. */
export async function openChain(
  options: BackupOptions,
  { uris, incrementalUris }: LayerLocations,
): Promise<AppendableChain | undefined> {
  if (options.appendTo === undefined) return undefined;
  return openForAppend({
    uris,
    subdir: options.appendTo,
    settings: options.storage ?? {},
    ...(incrementalUris === undefined ? {} : { incrementalUris }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Start of the next layer: the end of the newest one; empty for a full. */
export function startOf(chain: AppendableChain | undefined): Timestamp {
  return chain?.newest.manifest.endTime ?? EMPTY_TIMESTAMP;
}

/** End of the layer. @throws SpanvaultError SV_USAGE for a time that has not come */
export function endOf({ asOf }: BackupOptions, now: Timestamp): Timestamp {
  if (asOf === undefined) return now;
  if (compareTimestamps(asOf, now) > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      `AS OF SYSTEM TIME: cannot specify timestamp in the future (${printTimestamp(asOf)} > ${printTimestamp(now)})`,
    );
  }
  return asOf;
}

/**
 * Resolves the targets at the layer's end and, for an incremental, checks them against the chain.
 * @throws SpanvaultError SV_UNDEFINED, SV_USAGE and others of the chain
 */
export async function resolveLayer(
  options: BackupOptions,
  chain: AppendableChain | undefined,
  endTime: Timestamp,
): Promise<Layer> {
  const { source, targets } = options;
  const startTime = startOf(chain);
  const scope = await source.resolve(targets, endTime);
  const allRevisions = options.revisionHistory === true;
  const history = allRevisions ? await source.history?.(targets, startTime, endTime) : undefined;
  const spans = mergeSpans([...scope.spans, ...(history?.spans ?? [])]);
  const catalog = Catalog.decode(scope.descriptors);
  const excluded = excludedSpans(catalog.tables());
  const window = { spans, excludedSpans: excluded, introducedSpans: [], startTime, endTime, allRevisions };
  if (chain === undefined) return { scope, catalog, window, chain, history };
  const { manifest } = chain.newest;
  const previous: Previous = { manifest, catalog: Catalog.decode(manifest.descriptors) };
  const next: Appended = { scope, catalog, endTime, clusterId: source.clusterId, spans };
  checkAppended(previous, next);
  await checkComplete(options, previous, next);
  const introduced = introducedSpans(previous, spans, excluded);
  return { scope, catalog, window: { ...window, introducedSpans: introduced }, chain, history };
}

async function checkComplete({ source, targets }: BackupOptions, previous: Previous, next: Appended): Promise<void> {
  if (targets.kind === 'cluster') return;
  if (targets.kind !== 'spans') {
    // Tables that were dropped are missing rightly: only a look at all that exists tells.
    if (!lacksObjects(previous, next)) return;
    const existing = await source.resolve({ kind: 'cluster' }, next.endTime);
    checkNothingLeftOut(previous, next, Catalog.decode(existing.descriptors));
    return;
  }
  if (subtractSpans(previous.manifest.spans, next.spans).length > 0) {
    throw new SpanvaultError(
      'SV_USAGE',
      'the previous backup layer covers spans that this incremental backup leaves out',
    );
  }
}
