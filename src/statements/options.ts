import { SpanvaultError } from '../fault/index.js';
import type { Literal } from './statement.js';
import { syntaxError } from './syntax.js';

/** Shape of an option's value; a `number` keeps its text. `flag` takes none; `bool` may stand alone and then means true. */
type Shape = 'flag' | 'bool' | 'string' | 'number' | 'uris';

interface OptionRow {
  readonly shape: Shape;
  /** False: recognised, and refused with "not supported yet". */
  readonly runs: boolean;
}

const runs = <S extends Shape>(shape: S): { readonly shape: S; readonly runs: true } => ({ shape, runs: true });
const later = <S extends Shape>(shape: S): { readonly shape: S; readonly runs: false } => ({ shape, runs: false });

/** Every option of BACKUP (crdb-features.md 2.1). */
export const BACKUP_OPTIONS = {
  detached: runs('bool'),
  revision_history: runs('bool'),
  encryption_passphrase: later('string'),
  kms: later('uris'),
  execution_locality: later('string'),
  incremental_location: runs('uris'),
  include_all_virtual_clusters: later('bool'),
  updates_cluster_monitoring_metrics: later('bool'),
  strict_storage_locality: later('flag'),
  strict: later('bool'),
  revision_stream: later('flag'),
} as const;

/** Every option of RESTORE (crdb-features.md 2.2). */
export const RESTORE_OPTIONS = {
  into_db: runs('string'),
  new_db_name: runs('string'),
  skip_missing_foreign_keys: runs('flag'),
  skip_missing_sequences: runs('flag'),
  skip_missing_sequence_owners: runs('flag'),
  skip_missing_views: runs('flag'),
  skip_localities_check: runs('flag'),
  schema_only: runs('flag'),
  detached: runs('bool'),
  skip_missing_udfs: later('flag'),
  verify_backup_table_data: later('flag'),
  encryption_passphrase: later('string'),
  kms: later('uris'),
  execution_locality: later('string'),
  incremental_location: runs('uris'),
  remove_regions: later('flag'),
  unsafe_restore_incompatible_version: later('flag'),
  virtual_cluster: later('string'),
  virtual_cluster_name: later('string'),
  include_all_virtual_clusters: later('bool'),
  debug_pause_on: later('string'),
  experimental_deferred_copy: later('flag'),
  experimental_copy: later('flag'),
  grants: later('flag'),
} as const;

/** Every option of SHOW BACKUP (crdb-features.md 2.3). */
export const SHOW_BACKUP_OPTIONS = {
  as_json: runs('flag'),
  check_files: runs('flag'),
  debug_ids: runs('flag'),
  privileges: runs('flag'),
  encryption_passphrase: later('string'),
  kms: later('uris'),
  incremental_location: runs('uris'),
  skip_size: later('flag'),
  encryption_info_dir: later('string'),
  debug_dump_metadata_sst: later('flag'),
} as const;

/** Every option of CHECK EXTERNAL CONNECTION (crdb-features.md 2.5). */
export const CHECK_CONNECTION_OPTIONS = {
  transfer: runs('string'),
  time: runs('string'),
  concurrently: runs('number'),
} as const;

type ValueOf<S extends Shape> = S extends 'flag'
  ? true
  : S extends 'bool'
    ? boolean
    : S extends 'string' | 'number'
      ? string
      : readonly string[];
type OptionsOf<T extends Readonly<Record<string, OptionRow>>> = { readonly [K in keyof T]?: ValueOf<T[K]['shape']> };

export type BackupOptions = OptionsOf<typeof BACKUP_OPTIONS>;
export type RestoreOptions = OptionsOf<typeof RESTORE_OPTIONS>;
export type ShowBackupOptions = OptionsOf<typeof SHOW_BACKUP_OPTIONS>;
export type CheckConnectionOptions = OptionsOf<typeof CHECK_CONNECTION_OPTIONS>;

const TABLES = {
  BACKUP: BACKUP_OPTIONS,
  RESTORE: RESTORE_OPTIONS,
  'SHOW BACKUP': SHOW_BACKUP_OPTIONS,
  'CHECK EXTERNAL CONNECTION': CHECK_CONNECTION_OPTIONS,
} as const;
type OptionTable = keyof typeof TABLES;

/** Options of several words, as they are written. */
const SPELLED: ReadonlySet<string> = new Set([
  'execution_locality',
  'strict_storage_locality',
  'revision_stream',
  'experimental_deferred_copy',
  'experimental_copy',
  'skip_size',
]);

/** The option as a statement writes it: `EXECUTION LOCALITY`, `into_db`. */
export function spellOption(name: string): string {
  return SPELLED.has(name) ? name.replaceAll('_', ' ').toUpperCase() : name;
}

/** An option as the grammar reads it. */
export interface WrittenOption {
  readonly name: string;
  readonly value: Literal | { readonly kind: 'list'; readonly values: readonly string[] } | null;
  readonly offset: number;
}

/**
 * Checks written options against the statement's table and gives them their types.
 * @throws SpanvaultError SV_SYNTAX for an unknown option, a repeated one, or a value of the wrong shape
 */
export function readOptions<T extends OptionTable>(
  source: string,
  statement: T,
  written: readonly WrittenOption[],
): OptionsOf<(typeof TABLES)[T]> {
  const table: Readonly<Record<string, OptionRow>> = TABLES[statement];
  const result: Record<string, boolean | string | readonly string[]> = {};
  for (const option of written) {
    const row = Object.hasOwn(table, option.name) ? table[option.name] : undefined;
    if (row === undefined) {
      throw syntaxError(
        source,
        option.offset,
        Object.keys(table).map(spellOption),
        `invalid option ${JSON.stringify(option.name)}`,
      );
    }
    const name = spellOption(option.name);
    if (Object.hasOwn(result, option.name))
      throw syntaxError(source, option.offset, [], `option ${JSON.stringify(name)} specified multiple times`);
    const value = readValue(row.shape, option.value);
    if (typeof value !== 'object' || !('wrong' in value)) result[option.name] = value;
    else throw syntaxError(source, option.offset, [], `option ${JSON.stringify(name)} ${value.wrong}`);
  }
  return result as OptionsOf<(typeof TABLES)[T]>;
}

function readValue(
  shape: Shape,
  value: WrittenOption['value'],
): boolean | string | readonly string[] | { readonly wrong: string } {
  switch (shape) {
    case 'flag':
      return value === null ? true : { wrong: 'does not take a value' };
    case 'bool':
      if (value === null) return true;
      if (value.kind === 'bool') return value.value;
      if (value.kind === 'string' && /^(true|false)$/i.test(value.value)) return value.value.toLowerCase() === 'true';
      return { wrong: 'takes true or false' };
    case 'string':
      return value?.kind === 'string' ? value.value : { wrong: 'requires a value in quotes' };
    case 'number':
      return value?.kind === 'number' && /^\d+$/.test(value.text) ? value.text : { wrong: 'requires a whole number' };
    case 'uris':
      if (value?.kind === 'list') return value.values;
      return value?.kind === 'string' ? [value.value] : { wrong: 'requires a URI in quotes or a list of them' };
  }
}

/**
 * Refuses the first given option that is recognised but does not run yet.
 * @throws SpanvaultError SV_NOT_SUPPORTED
 */
export function refuseLaterOptions(statement: OptionTable, options: Readonly<Record<string, unknown>>): void {
  const table: Readonly<Record<string, OptionRow>> = TABLES[statement];
  for (const name of Object.keys(options)) {
    if (table[name]?.runs !== true) {
      throw new SpanvaultError('SV_NOT_SUPPORTED', `${statement} WITH ${spellOption(name)} is not supported yet`, {
        details: { statement },
      });
    }
  }
}
