/** What a caller should do about an error: give up, try the same call again later, or start the operation over. */
export type Retry = 'never' | 'backoff' | 'restart';

/** One class per thing a caller would do differently. */
export type FaultClass =
  | 'usage'
  | 'storage'
  | 'corruption'
  | 'unsupported'
  | 'coverage'
  | 'sourceSink'
  | 'worker'
  | 'aborted'
  | 'internal';

/** Process exit code of each class, as the README's table prints it. */
export const EXIT_CODES: Readonly<Record<FaultClass, number>> = {
  internal: 1,
  usage: 2,
  storage: 3,
  corruption: 4,
  unsupported: 5,
  coverage: 6,
  sourceSink: 7,
  worker: 8,
  aborted: 130,
};

/** The table of every code: its class and what it means to a user. A test keeps README and the native enum equal to it. */
export const FAULT_CODES = {
  SV_USAGE: { class: 'usage', meaning: 'an argument, option or statement is wrong' },
  SV_SYNTAX: { class: 'usage', meaning: 'a statement does not parse' },
  SV_NOT_SUPPORTED: { class: 'usage', meaning: 'the statement or option is not supported yet' },
  SV_URI: { class: 'usage', meaning: 'a storage URI or its parameters are wrong' },
  SV_LOCALITY: { class: 'usage', meaning: 'a locality or the list of locality-aware URIs is wrong' },
  SV_EXISTS: { class: 'usage', meaning: 'a table, database, backup or cluster of that name exists already' },
  SV_UNDEFINED: { class: 'usage', meaning: 'a table, database, column, index, partition or node does not exist' },
  SV_NOT_EMPTY: { class: 'usage', meaning: 'a full cluster restore needs an empty cluster' },
  SV_LIMIT: { class: 'usage', meaning: 'a key, value, row or option exceeds a stated limit' },
  SV_CONSTRAINT: { class: 'usage', meaning: 'a row or zone configuration violates a constraint' },
  SV_STORAGE_NOT_FOUND: { class: 'storage', meaning: 'an object does not exist' },
  SV_STORAGE_EXISTS: { class: 'storage', meaning: 'an object that must be new exists already' },
  SV_STORAGE_DENIED: { class: 'storage', meaning: 'the store refused access' },
  SV_STORAGE_UNAVAILABLE: { class: 'storage', meaning: 'the store failed in a way that may pass' },
  SV_STORAGE_IO: { class: 'storage', meaning: 'the store failed in a way that will not pass by itself' },
  SV_CORRUPT_SST: { class: 'corruption', meaning: 'an SST is damaged: footer, block, checksum, order or count' },
  SV_CORRUPT_MANIFEST: { class: 'corruption', meaning: 'a manifest, partition descriptor or LATEST file is damaged' },
  SV_CORRUPT_VALUE: { class: 'corruption', meaning: 'a key, value or row does not decode, or its checksum is wrong' },
  SV_CORRUPT_STORE: { class: 'corruption', meaning: 'the embedded cluster on disk is damaged' },
  SV_UNSUPPORTED_FORMAT: { class: 'unsupported', meaning: 'a file is of a format or version that is not read' },
  SV_MISSING_PART: {
    class: 'coverage',
    meaning: 'a partition of a locality-aware backup was not found in the given URIs',
  },
  SV_COVERAGE: {
    class: 'coverage',
    meaning: 'the backup or cluster does not cover the requested time, span or object',
  },
  SV_SOURCE: { class: 'sourceSink', meaning: 'the range source failed' },
  SV_SINK: { class: 'sourceSink', meaning: 'the range sink failed' },
  SV_WORKER_DIED: { class: 'worker', meaning: 'a worker thread died' },
  SV_ABORTED: { class: 'aborted', meaning: 'the operation was aborted by its caller' },
  SV_INTERNAL: { class: 'internal', meaning: 'a defect of spanvault; please report it' },
} as const satisfies Record<string, { class: FaultClass; meaning: string }>;

/** A stable error code. Messages are not API; codes are. */
export type FaultCode = keyof typeof FAULT_CODES;
