import { SpanvaultError } from '../fault/index.js';
import { calendarParts, encodeUvarintDescending, fromHex, type Timestamp, toHex } from '../keys/index.js';

/*
 * Every path name of a collection (crdb-format.md 1.1-1.6, 3.3). Times are UTC; hundredths are truncated. Directories
 * of a collection begin with a slash, as LATEST holds them.
 */

/** Where LATEST files lie since 22.1, and what their names begin with. */
export const LATEST_DIRECTORY = 'metadata/latest/';
export const LATEST_FILE = 'LATEST';
/** Incrementals since 22.1 lie below this directory of the collection. */
export const INCREMENTALS_DIRECTORY = 'incrementals';
export const LOCK_PREFIX = 'BACKUP-LOCK-';
/** Content of a lock file. */
export const LOCK_CONTENT = 'lock';
export const CHECKPOINT_FILE = 'BACKUP-CHECKPOINT';
export const PROGRESS_DIRECTORY = 'progress/';
export const ENCRYPTION_INFO_FILE = 'ENCRYPTION-INFO';
const INDEX_DIRECTORY = 'metadata/index/';

/**
 * Hides data files from listings: the beginning of `data/`, for stores know longer delimiters less well, as CockroachDB's
 * newest versions found. It occurs in `metadata/` and in `descriptorslist.sst` as well, which are not looked for by listing.
 */
export const LISTING_DELIMITER = 'd';

/** `/2023/02/23-150925.62`: directory of a full backup that ends at `end`. */
export function fullSubdir(end: Timestamp): string {
  const { year, month, day, clock } = calendarParts(end);
  return `/${year}/${month}/${day}-${clock}`;
}

/** `20230223-150925.62` */
function compactTime(ts: Timestamp): string {
  const { year, month, day, clock } = calendarParts(ts);
  return `${year}${month}${day}-${clock}`;
}

/** `/20230223/153000.00`: directory of an incremental below its chain's directory, without the start that newer versions add. */
export function incrementalDirectory(end: Timestamp): string {
  return `/${compactTime(end).replace('-', '/')}`;
}

/** `/20230223/153000.00-20230223-150925.62`, as since 25.2. */
export function incrementalDirectoryWithStart(end: Timestamp, start: Timestamp): string {
  return `${incrementalDirectory(end)}-${compactTime(start)}`;
}

const SUBDIR = /^\/?(\d{4}\/\d{2}\/\d{2}-\d{6}\.\d{2})\/?$/;
const ENDS_IN_SUBDIR = /^(.*)\/([0-9]{4}\/[0-9]{2}\/[0-9]{2}-[0-9]{6}\.[0-9]{2})\/?$/s;

/** A user's subdirectory with a leading and without a trailing slash. @throws SpanvaultError SV_USAGE with CockroachDB's words */
export function normalizeSubdir(subdir: string): string {
  const match = SUBDIR.exec(subdir);
  if (match === null) {
    throw new SpanvaultError(
      'SV_USAGE',
      `provided subdir "${subdir}" does not match expected format YYYY/MM/DD-HHMMSS.SS`,
    );
  }
  return `/${match[1]}`;
}

/** Splits a path that ends in a full backup's directory; undefined when it does not. */
export function splitSubdir(path: string): { readonly root: string; readonly subdir: string } | undefined {
  const match = ENDS_IN_SUBDIR.exec(path);
  return match === null ? undefined : { root: match[1]!, subdir: `/${match[2]}` };
}

/** Go's Time.String() in UTC: `2023-02-23 15:09:25.625777 +0000 UTC`, nanoseconds without trailing zeros. */
export function goTimeText(wall: bigint): string {
  const seconds = new Date(Number(wall / 1_000_000_000n) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  const nanos = wall % 1_000_000_000n;
  const fraction = nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${seconds}${fraction} +0000 UTC`;
}

/** `LATEST-<hex>` for a time in nanoseconds: a later one sorts first. */
export function latestName(wall: bigint): string {
  return `${LATEST_FILE}-${encodeDescendingText(goTimeText(wall))}`;
}

/** The time text inside a `LATEST-<hex>` name; undefined when it is none. */
export function latestTimeText(name: string): string | undefined {
  const match = /^LATEST-13((?:[0-9a-f]{2})*)fffe$/.exec(name);
  if (match === null) return undefined;
  const complement = fromHex(match[1]!).map((byte) => byte ^ 0xff);
  // Inside the text, 00 is followed by ff (escaped); Go's times have none, so undoing it is enough.
  return Buffer.from(complement).toString('utf8').replaceAll('\0\u00ff', '\0');
}

/** Hex of EncodeStringDescending (crdb-format.md 1.3). */
function encodeDescendingText(text: string): string {
  const complement = Buffer.from(text.replaceAll('\0', '\0\u00ff'), 'latin1').map((byte) => byte ^ 0xff);
  return `13${toHex(complement)}fffe`;
}

/** Name of the `n`-th (from 1) partition descriptor: bytes outside [A-Za-z0-9=-] of the locality become `_`. */
export function partName(n: number, localityKv: string): string {
  const sanitised = Buffer.from(localityKv, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9=-]/g, '_');
  return `BACKUP_PART_${n}_${sanitised}`;
}

/** Name of the lock of a job. */
export function lockName(jobId: string): string {
  return `${LOCK_PREFIX}${jobId}`;
}

/** Path of a data file in its layer, below `data/` since 21.2; numbers are uniqueInt of keys/. */
export function sstPath(number: bigint): string {
  return `data/${number}.sst`;
}

function descendingMillis(ts: Timestamp): string {
  return toHex(encodeUvarintDescending(ts.wall / 1_000_000n));
}

/** Directory of a chain's index entries, from the end of its full as its subdirectory names it (crdb-format.md 1.5). */
export function indexDirectory(fullEnd: Timestamp): string {
  return `${INDEX_DIRECTORY}${descendingMillis(fullEnd)}_${compactTime(fullEnd)}/`;
}

/** Name of one layer's index entry; `start` undefined for a full. */
export function indexName(end: Timestamp, start: Timestamp | undefined): string {
  return `${descendingMillis(end)}_${start === undefined ? '0' : compactTime(start)}_${compactTime(end)}_metadata.pb`;
}

/** The parts of an index entry's name. @throws SpanvaultError SV_CORRUPT_MANIFEST with CockroachDB's words */
export function parseIndexName(name: string): { readonly start: string | undefined; readonly end: string } {
  const parts = name.split('_');
  if (parts.length !== 4 || parts[3] !== 'metadata.pb') {
    throw new SpanvaultError('SV_CORRUPT_MANIFEST', `invalid index filename format: ${name}`);
  }
  return { start: parts[1] === '0' ? undefined : parts[1]!, end: parts[2]! };
}
