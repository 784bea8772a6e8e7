/**
 * statements/: CockroachDB's statements on backups, restores, zone configurations and rows. Owns the grammar, the typed
 * statements, their execution against an Engine, and results as rows.
 * Must not do the work itself: the rooms below back up, restore, store and list; and it must not format for a terminal.
 */
export { type AsOf, parseAsOf, resolveAsOf } from './as_of.js';
export {
  type BackupOptions,
  type RestoreOptions,
  type ShowBackupOptions,
  BACKUP_OPTIONS,
  RESTORE_OPTIONS,
  SHOW_BACKUP_OPTIONS,
} from './options.js';
export { type ParsedStatement, parseStatement, parseStatements } from './parse.js';
export type * from './statement.js';
export { type Split, splitStatements } from './syntax.js';
export type * from './engine.js';
export { type ExecuteOptions, execute } from './execute.js';
export { type PrintOptions, printLiteral, printStatement } from './print.js';
export type { Cell, Column, Result, Row } from './result.js';
export { type Session, type SessionObserver, openSession } from './session.js';
export { type EngineOptions, openEngine } from './embedded_engine.js';
