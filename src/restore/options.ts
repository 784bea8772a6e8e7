import type { RangeSink, SinkReport, Targets } from '../cluster/contract.js';
import type { Timestamp } from '../keys/index.js';
import type { BucketUsage, StorageSettings } from '../storage/index.js';

/** How far a restore is. */
export interface RestoreProgress {
  readonly phase: 'planning' | 'restoring zones' | 'restoring data' | 'restoring system' | 'publishing';
  /** Key and value bytes written so far. */
  readonly bytes: number;
  /** Key and value bytes of the files to read; versions that are dropped count here and not in `bytes`. */
  readonly totalBytes: number;
  readonly entries: number;
}

/** What to restore, and from where. */
export interface RestoreOptions {
  readonly sink: RangeSink;
  /** 'LATEST', a subdirectory such as `/2023/02/23-150925.62`, or undefined for a plain directory as before 20.2. */
  readonly from: string | undefined;
  /** The URIs that together hold the backup, bare or with their parameters, in any order. */
  readonly in: readonly string[];
  /** Where the incrementals lie that were taken WITH incremental_location, bare or with their parameters. */
  readonly incrementalLocation?: readonly string[];
  /** With `from` undefined: the further layers, each by the URIs that together hold it. */
  readonly incrementals?: readonly (readonly string[])[];
  readonly targets: Targets;
  /** Default: the end of the newest layer. */
  readonly asOf?: Timestamp;
  readonly storage?: StorageSettings;
  /** Table restores: the database that receives the tables. */
  readonly intoDb?: string;
  /** A database restore under another name. */
  readonly newDbName?: string;
  readonly skipMissingForeignKeys?: boolean;
  readonly skipMissingSequences?: boolean;
  readonly skipMissingSequenceOwners?: boolean;
  readonly skipMissingViews?: boolean;
  readonly skipLocalitiesCheck?: boolean;
  /** Create the schema and no rows; reads no SST. */
  readonly schemaOnly?: boolean;
  /** With schemaOnly: read and check every row, and discard it. */
  readonly verifyData?: boolean;
  /** Worker threads. @defaultValue one per available core */
  readonly workers?: number;
  /** Bytes handed to the sink at once. @defaultValue 8 MiB */
  readonly batchBytes?: number;
  /** Data bytes that one work unit gathers; each worker holds one merged unit until its turn to write. @defaultValue 32 MiB */
  readonly unitBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

/** Where a restore spent its time, summed over workers: the slowest stage is read off these. */
export interface RestoreWaits {
  readonly readSeconds: number;
  readonly mergeSeconds: number;
  readonly writeSeconds: number;
}

export interface RestoreResult {
  readonly restoredTime: Timestamp;
  /** Keys of primary indexes, as CockroachDB counts rows, and of the other indexes. */
  readonly rows: number;
  readonly indexEntries: number;
  readonly bytes: number;
  readonly entries: number;
  readonly bytesRead: number;
  readonly units: number;
  readonly databases: readonly string[];
  readonly tables: readonly string[];
  readonly warnings: readonly string[];
  readonly sink: SinkReport;
  readonly waits: RestoreWaits;
  /** Operations, requests and bytes per bucket. */
  readonly usage: readonly BucketUsage[];
  readonly seconds: number;
}
