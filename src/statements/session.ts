import { JobRegistry } from '../jobs/index.js';
import type { BackupOutcome, Engine, Progress, RestoreOutcome } from './engine.js';

/** Receives what a statement's result rows cannot hold. */
export interface SessionObserver {
  onProgress?(operation: 'BACKUP' | 'RESTORE', progress: Progress): void;
  onBackup?(outcome: BackupOutcome): void;
  onRestore?(outcome: RestoreOutcome): void;
}

/** What statements run in: an engine, a current database, and the node that the user is connected to. */
export interface Session {
  readonly engine: Engine;
  /** Answers SHOW LOCALITY and nodelocal://self. */
  readonly node: number;
  readonly jobs: JobRegistry;
  readonly observer: SessionObserver;
  /** Settles with each detached BACKUP and RESTORE: await them before the engine is closed. */
  readonly detached: Promise<unknown>[];
  /** Notices that were given: each is given once. */
  readonly noticed: Set<string>;
  currentDatabase: string;
}

/** The database that CockroachDB connects to when none is named. */
const DEFAULT_DATABASE = 'defaultdb';

/** A session on an engine. */
export function openSession(
  engine: Engine,
  options: { readonly node?: number; readonly database?: string; readonly observer?: SessionObserver } = {},
): Session {
  const node = options.node ?? 1;
  return {
    engine,
    node,
    jobs: new JobRegistry(node),
    observer: options.observer ?? {},
    detached: [],
    noticed: new Set(),
    currentDatabase: options.database ?? DEFAULT_DATABASE,
  };
}
