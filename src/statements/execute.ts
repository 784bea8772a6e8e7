import { SpanvaultError } from '../fault/index.js';
import { executeBackup, executeRestore } from './execute_backup.js';
import { executeCatalog } from './execute_catalog.js';
import { executeConnections } from './execute_connections.js';
import { executeRows } from './execute_rows.js';
import { executeSchema } from './execute_schema.js';
import { executeShowBackup, executeShowBackups } from './execute_show.js';
import { executeZones } from './execute_zones.js';
import { parseStatement } from './parse.js';
import type { Result } from './result.js';
import type { Session } from './session.js';
import type { Statement } from './statement.js';

/** What a caller may give to one execution. */
export interface ExecuteOptions {
  /** Aborts a running BACKUP or RESTORE, which then leaves nothing behind. */
  readonly signal?: AbortSignal;
}

/**
 * Runs one statement. The result's rows may stream: read them before the session is closed.
 * @throws SpanvaultError SV_SYNTAX, SV_NOT_SUPPORTED, and whatever the rooms below refuse or fail with
 */
export async function execute(
  session: Session,
  input: string | Statement,
  options: ExecuteOptions = {},
): Promise<Result> {
  const statement = typeof input === 'string' ? parseStatement(input) : input;
  const result = await dispatch(session, statement, options.signal ?? new AbortController().signal);
  const notices = result.notices.filter((notice) => !session.noticed.has(notice));
  for (const notice of notices) session.noticed.add(notice);
  return { ...result, notices };
}

function dispatch(session: Session, statement: Statement, signal: AbortSignal): Promise<Result> {
  switch (statement.kind) {
    case 'backup':
      return executeBackup(session, statement, signal);
    case 'restore':
      return executeRestore(session, statement, signal);
    case 'showBackups':
      return executeShowBackups(session, statement);
    case 'showBackup':
      return executeShowBackup(session, statement);
    case 'createConnection':
    case 'alterConnection':
    case 'dropConnection':
    case 'showConnections':
    case 'checkConnection':
      return executeConnections(session, statement, signal);
    case 'showZones':
    case 'showZone':
    case 'showLocality':
    case 'configureZone':
      return executeZones(session, statement);
    case 'select':
    case 'insert':
    case 'upsert':
    case 'update':
    case 'delete':
      return executeRows(session, statement);
    case 'createTable':
    case 'createIndex':
    case 'createSchema':
    case 'dropIndexes':
    case 'addColumns':
    case 'renameTable':
    case 'renameColumn':
    case 'renameIndex':
    case 'renameDatabase':
    case 'setSchema':
    case 'setExcluded':
    case 'truncate':
      return executeSchema(session, statement);
    case 'unsupported':
      throw new SpanvaultError('SV_NOT_SUPPORTED', `${statement.statement} is not supported yet`, {
        details: { statement: statement.statement },
      });
    default:
      return executeCatalog(session, statement);
  }
}
