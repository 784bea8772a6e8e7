import { printTimestamp } from '../keys/index.js';
import { checkSource } from './backup_source.js';
import type { ShownObject, ShowRequest } from './engine.js';
import { refuseLaterOptions } from './options.js';
import { type Column, columns, numberCell, type Result, type Row, rowsResult } from './result.js';
import type { Session } from './session.js';
import type { ShowBackupStatement, ShowBackupsStatement } from './statement.js';

/** SHOW BACKUPS IN: the subdirectory of every full backup; where there is none, a notice says what is there instead. */
export async function executeShowBackups(session: Session, statement: ShowBackupsStatement): Promise<Result> {
  const paths = await session.engine.listBackups(statement.uris);
  const notices = paths.length > 0 ? [] : await session.engine.whyNoBackups(statement.uris);
  return rowsResult(
    'SHOW BACKUPS',
    columns('path'),
    paths.map((path) => [path]),
    notices,
  );
}

/** SHOW BACKUP: the objects of a backup, or its manifests as JSON. */
export async function executeShowBackup(session: Session, statement: ShowBackupStatement): Promise<Result> {
  refuseLaterOptions('SHOW BACKUP', statement.options);
  checkSource(statement, statement.options.incremental_location);
  const { options, schemas } = statement;
  const request: ShowRequest = {
    from: statement.from,
    uris: statement.uris,
    incrementals: statement.incrementals,
    incrementalUris: options.incremental_location,
    schemas,
    checkFiles: options.check_files === true,
    privileges: options.privileges === true,
  };
  if (options.as_json === true) {
    const { found, notices } = await session.engine.showManifests(request);
    return rowsResult(
      'SHOW BACKUP',
      columns('manifest'),
      found.map((manifest) => [manifest]),
      notices,
    );
  }
  const { found, notices } = await session.engine.showBackup(request);
  const fields = shownFields(request, options.debug_ids === true);
  return rowsResult(
    'SHOW BACKUP',
    fields.map(({ column }) => column),
    found.map((object) => fields.map(({ cell }) => cell(object))),
    notices,
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
