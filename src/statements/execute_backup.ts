import type { PlacementReport } from '../backup/index.js';
import { resolveAsOf } from './as_of.js';
import { blankSubdirectory, checkSource } from './backup_source.js';
import type { Control, WorkCounts } from './engine.js';
import { refuseLaterOptions } from './options.js';
import { printStatement } from './print.js';
import { columns, numberCell, type Result, rowsResult } from './result.js';
import type { Session } from './session.js';
import type { BackupStatement, RestoreStatement } from './statement.js';

const JOB_COLUMNS = columns('job_id#', 'status', 'fraction_completed#', 'rows#', 'index_entries#', 'bytes#');
const DETACHED_COLUMNS = columns('job_id#');

/** BACKUP: a full backup into a new subdirectory, or an incremental one that is added to a chain. */
export async function executeBackup(
  session: Session,
  statement: BackupStatement,
  signal: AbortSignal,
): Promise<Result> {
  const { destination, options } = statement;
  refuseLaterOptions('BACKUP', options);
  if (destination.kind === 'blank') throw blankSubdirectory(destination.name);
  const locations = {
    uris: statement.uris,
    appendTo: destination.kind === 'new' ? undefined : destination,
    incrementalUris: options.incremental_location,
  };
  // A wrong list of locations fails the statement and starts no job, detached or not.
  session.engine.checkLocations(locations);
  const now = session.engine.now();
  const request = {
    targets: statement.targets,
    currentDatabase: session.currentDatabase,
    ...locations,
    revisionHistory: options.revision_history === true,
    asOf: statement.asOf === null ? now : resolveAsOf(statement.asOf, now),
  };
  return runJob(session, 'BACKUP', statement, signal, async (control) => {
    const outcome = await session.engine.backup(request, control);
    session.observer.onBackup?.(outcome);
    return { counts: outcome, notices: placementNotices(outcome.placement) };
  });
}

/** RESTORE of a cluster, of databases or of tables. */
export async function executeRestore(
  session: Session,
  statement: RestoreStatement,
  signal: AbortSignal,
): Promise<Result> {
  refuseLaterOptions('RESTORE', statement.options);
  checkSource(statement, statement.options.incremental_location);
  const { options } = statement;
  const request = {
    targets: statement.targets,
    currentDatabase: session.currentDatabase,
    from: statement.from,
    uris: statement.uris,
    incrementals: statement.incrementals,
    incrementalUris: options.incremental_location,
    asOf: statement.asOf === null ? undefined : resolveAsOf(statement.asOf, session.engine.now()),
    options: {
      ...(options.into_db === undefined ? {} : { intoDb: options.into_db }),
      ...(options.new_db_name === undefined ? {} : { newDbName: options.new_db_name }),
      skipMissingForeignKeys: options.skip_missing_foreign_keys === true,
      skipMissingSequences: options.skip_missing_sequences === true,
      skipMissingSequenceOwners: options.skip_missing_sequence_owners === true,
      skipMissingViews: options.skip_missing_views === true,
      skipLocalitiesCheck: options.skip_localities_check === true,
      schemaOnly: options.schema_only === true,
    },
  };
  return runJob(session, 'RESTORE', statement, signal, async (control) => {
    const outcome = await session.engine.restore(request, control);
    session.observer.onRestore?.(outcome);
    return { counts: outcome, notices: [...new Set([...outcome.warnings, ...outcome.sink.warnings])] };
  });
}

interface Done {
  readonly counts: WorkCounts;
  readonly notices: readonly string[];
}

/** Runs an operation as a job: waits for it, or with `detached` returns its id at once. */
async function runJob(
  session: Session,
  type: 'BACKUP' | 'RESTORE',
  statement: BackupStatement | RestoreStatement,
  signal: AbortSignal,
  operation: (control: Control) => Promise<Done>,
): Promise<Result> {
  const job = session.jobs.start(
    type,
    printStatement(statement),
    (handle) =>
      operation({
        jobId: handle.jobId,
        signal: handle.signal,
        onProgress: (progress) => {
          handle.setFraction(progress.fraction);
          session.observer.onProgress?.(type, progress);
        },
      }),
    signal,
  );
  if (statement.options.detached === true) {
    session.detached.push(job.done);
    return rowsResult(type, DETACHED_COLUMNS, [[String(job.jobId)]]);
  }
  const { counts, notices } = await job.done;
  const row = [
    String(job.jobId),
    'succeeded',
    '1',
    ...[counts.rows, counts.indexEntries, counts.bytes].map(numberCell),
  ];
  return rowsResult(type, JOB_COLUMNS, [row], notices);
}

/** One sentence per bucket and reason for data that left its own locality (seed S04: the documentation has none). */
function placementNotices(placement: PlacementReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const { wanted, bucket, reason } of placement.displaced) {
    const sentence = `of ${wanted} went to the bucket of ${bucket}: ${reason}`;
    counts.set(sentence, (counts.get(sentence) ?? 0) + 1);
  }
  return [...counts].map(([sentence, count]) => `${count} ${count === 1 ? 'range' : 'ranges'} ${sentence}`);
}
