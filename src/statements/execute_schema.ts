import { type Result, tagResult } from './result.js';
import type { SchemaStatement } from './schema_statement.js';
import type { Session } from './session.js';

/** What CockroachDB calls each statement when it is done. */
const TAGS: Readonly<Record<SchemaStatement['kind'], string>> = {
  createTable: 'CREATE TABLE',
  createIndex: 'CREATE INDEX',
  createSchema: 'CREATE SCHEMA',
  dropIndexes: 'DROP INDEX',
  addColumns: 'ALTER TABLE',
  renameTable: 'RENAME TABLE',
  renameColumn: 'RENAME COLUMN',
  renameIndex: 'RENAME INDEX',
  renameDatabase: 'RENAME DATABASE',
  setSchema: 'ALTER TABLE SET SCHEMA',
  setExcluded: 'ALTER TABLE',
  truncate: 'TRUNCATE',
};

/** Statements that change tables, indexes, columns and their names. */
export async function executeSchema(session: Session, statement: SchemaStatement): Promise<Result> {
  const notices = await session.engine.changeSchema(statement, session.currentDatabase);
  // The session follows the database that it is in.
  if (statement.kind === 'renameDatabase' && session.currentDatabase === statement.database)
    session.currentDatabase = statement.to;
  return tagResult(TAGS[statement.kind], notices);
}
