import type { PlacementReport } from '../backup/index.js';
import { SpanvaultError } from '../fault/index.js';
import { printTimestamp } from '../keys/index.js';
import { resolveAsOf } from './as_of.js';
import type { Control, ShownObject, ShowRequest, WorkCounts } from './engine.js';
import { refuseLaterOptions } from './options.js';
import { printStatement } from './print.js';
import { type Column, columns, numberCell, type Result, type Row, rowsResult } from './result.js';
import type { Session } from './session.js';
import type {
  BackupSource,
  BackupStatement,
  RestoreStatement,
  ShowBackupStatement,
  ShowBackupsStatement,
} from './statement.js';

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
  checkSource('RESTORE', statement);
  const { options } = statement;
  const request = {
    targets: statement.targets,
    currentDatabase: session.currentDatabase,
    from: statement.from,
    uris: statement.uris,
    asOf: statement.asOf === null ? undefined : resolveAsOf(statement.asOf, session.engine.now()),
    options: {
      ...(options.into_db === undefined ? {} : { intoDb: options.into_db }),
      ...(options.new_db_name === undefined ? {} : { newDbName: options.new_db_name }),
      skipMissingForeignKeys: options.skip_missing_foreign_keys === true,
      skipMissingSequences: options.skip_missing_sequences === true,
      skipMissingViews: options.skip_missing_views === true,
      skipLocalitiesCheck: options.skip_localities_check === true,
      schemaOnly: options.schema_only === true,
    },
  };
  return runJob(session, 'RESTORE', statement, signal, async (control) => {
    const outcome = await session.engine.restore(request, control);
    session.observer.onRestore?.(outcome);
    return { counts: outcome, notices: [...outcome.warnings, ...outcome.sink.warnings] };
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

/** Refuses what a source may say but cannot be read yet. */
function checkSource(statement: 'RESTORE' | 'SHOW BACKUP', source: BackupSource): void {
  if (source.incrementals !== undefined) {
    throw new SpanvaultError('SV_NOT_SUPPORTED', `${statement} of a list of incremental backups is not supported yet`);
  }
  if (source.from.kind === 'blank') throw blankSubdirectory(source.from.name);
}

function blankSubdirectory(name: string): SpanvaultError {
  return new SpanvaultError('SV_USAGE', `{${name}} stands for a subdirectory such as '2023/02/23-150925.62'`, {
    hint: "SHOW BACKUPS IN '…' lists the subdirectories of a collection",
  });
}

/** SHOW BACKUPS IN: the subdirectory of every full backup. */
export async function executeShowBackups(session: Session, statement: ShowBackupsStatement): Promise<Result> {
  const paths = await session.engine.listBackups(statement.uris);
  return rowsResult(
    'SHOW BACKUPS',
    columns('path'),
    paths.map((path) => [path]),
  );
}

/** SHOW BACKUP: the objects of a backup, or its manifests as JSON. */
export async function executeShowBackup(session: Session, statement: ShowBackupStatement): Promise<Result> {
  refuseLaterOptions('SHOW BACKUP', statement.options);
  checkSource('SHOW BACKUP', statement);
  const { options, schemas } = statement;
  const request: ShowRequest = {
    from: statement.from,
    uris: statement.uris,
    schemas,
    checkFiles: options.check_files === true,
    privileges: options.privileges === true,
  };
  if (options.as_json === true) {
    const manifests = await session.engine.showManifests(request);
    return rowsResult(
      'SHOW BACKUP',
      columns('manifest'),
      manifests.map((manifest) => [manifest]),
    );
  }
  const objects = await session.engine.showBackup(request);
  const fields = shownFields(request, options.debug_ids === true);
  return rowsResult(
    'SHOW BACKUP',
    fields.map(({ column }) => column),
    objects.map((object) => fields.map(({ cell }) => cell(object))),
  );
}

interface ShownField {
  readonly column: Column;
  readonly cell: (object: ShownObject) => Row[number];
}

function field(name: string, cell: ShownField['cell']): ShownField {
  return { column: columns(name)[0]!, cell };
}

/** Columns of SHOW BACKUP in the order of crdb-features.md 2.3. */
function shownFields(request: ShowRequest, debugIds: boolean): readonly ShownField[] {
  const id = (name: string, cell: ShownField['cell']): readonly ShownField[] => (debugIds ? [field(name, cell)] : []);
  return [
    field('database_name', (object) => object.databaseName),
    ...id('database_id#', (object) => numberCell(object.databaseId)),
    field('parent_schema_name', (object) => object.parentSchemaName),
    ...id('parent_schema_id#', (object) => numberCell(object.parentSchemaId)),
    field('object_name', (object) => object.objectName),
    ...id('object_id#', (object) => numberCell(object.objectId)),
    field('object_type', (object) => object.objectType),
    field('backup_type', (object) => object.backupType),
    field('start_time', (object) => (object.startTime === null ? null : printTimestamp(object.startTime))),
    field('end_time', (object) => printTimestamp(object.endTime)),
    field('size_bytes#', (object) => numberCell(object.sizeBytes)),
    field('rows#', (object) => numberCell(object.rows)),
    field('is_full_cluster', (object) => String(object.isFullCluster)),
    field('regions', (object) => object.regions),
    ...(request.schemas ? [field('create_statement', (object) => object.createStatement ?? null)] : []),
    ...(request.privileges
      ? [field('privileges', (object) => object.privileges ?? null), field('owner', (object) => object.owner ?? null)]
      : []),
    ...(request.checkFiles ? [field('file_bytes#', (object) => numberCell(object.fileBytes))] : []),
  ];
}
