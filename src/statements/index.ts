/**
 * statements/: CockroachDB's statements on backups, restores, zone configurations and rows. Owns the grammar, the typed
 * statements, their execution against an Engine, and results as rows.
 * Must not do the work itself: the rooms below back up, restore, store and list; and it must not format for a terminal.
 */
export { type AsOf, parseAsOf, resolveAsOf } from './as_of.js';
export { type EngineOptions, openEngine } from './embedded_engine.js';
export type * from './engine.js';
export { type ExecuteOptions, execute } from './execute.js';
export {
  BACKUP_OPTIONS,
  type BackupOptions,
  CHECK_CONNECTION_OPTIONS,
  type CheckConnectionOptions,
  RESTORE_OPTIONS,
  type RestoreOptions,
  SHOW_BACKUP_OPTIONS,
  type ShowBackupOptions,
} from './options.js';
export { type ParsedStatement, parseStatement, parseStatements } from './parse.js';
export { type PrintOptions, printStatement } from './print.js';
export { printLiteral } from './print_literal.js';
export type { Cell, Column, Result, Row } from './result.js';
export type * from './schema_statement.js';
export { openSession, type Session, type SessionObserver } from './session.js';
export type * from './statement.js';
export { type Split, splitStatements } from './syntax.js';
