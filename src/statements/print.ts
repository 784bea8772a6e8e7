import { redactUri } from '../storage/index.js';
import type { AsOf } from './as_of.js';
import { spellOption } from './options.js';
import { printLiteral } from './print_literal.js';
import { printSchemaStatement } from './print_schema.js';
import type {
  BackupSource,
  ColumnValue,
  ConnectionStatement,
  Layer,
  Literal,
  Statement,
  StatementTargets,
  ZoneChange,
  ZoneTarget,
} from './statement.js';
import { printName, printString } from './words.js';

/** How URIs and secrets are written. */
export interface PrintOptions {
  /** True (the default): secrets of URIs read `redacted` and passphrases `******`, for messages and job descriptions. */
  readonly redact?: boolean;
}

/** The statement's canonical text, without a semicolon. With `redact: false` it parses back to an equal statement. */
export function printStatement(statement: Statement, options: PrintOptions = {}): string {
  const redact = options.redact ?? true;
  switch (statement.kind) {
    case 'backup': {
      const { targets, destination, uris, asOf, options: given } = statement;
      const into = destination.kind === 'new' ? '' : `${printLayer(destination)} IN `;
      return join(
        'BACKUP',
        printTargets(targets),
        `INTO ${into}${printUris(uris, redact)}`,
        printAsOf(asOf),
        printOptions(given, redact),
      );
    }
    case 'restore':
      return join(
        'RESTORE',
        printTargets(statement.targets),
        printSource(statement, redact),
        printAsOf(statement.asOf),
        printOptions(statement.options, redact),
      );
    case 'showBackups':
      return `SHOW BACKUPS IN ${printUris(statement.uris, redact)}`;
    case 'showBackup':
      return join(
        statement.schemas ? 'SHOW BACKUP SCHEMAS' : 'SHOW BACKUP',
        printSource(statement, redact),
        printOptions(statement.options, redact),
      );
    case 'configureZone':
      return `ALTER ${printZoneTarget(statement.target)} CONFIGURE ZONE ${printChange(statement.change)}`;
    case 'showZone':
      return `SHOW ZONE CONFIGURATION FROM ${printZoneTarget(statement.target)}`;
    case 'createConnection':
    case 'alterConnection':
    case 'dropConnection':
    case 'showConnections':
    case 'checkConnection':
      return printConnection(statement, redact);
    default:
      return printRest(statement);
  }
}

function printConnection(statement: ConnectionStatement, redact: boolean): string {
  const uri = (text: string): string => printString(redact ? redactUri(text) : text);
  switch (statement.kind) {
    case 'createConnection':
      return join(
        'CREATE EXTERNAL CONNECTION',
        statement.ifNotExists ? 'IF NOT EXISTS' : '',
        `${printString(statement.name)} AS ${uri(statement.uri)}`,
      );
    case 'alterConnection':
      return join(
        'ALTER EXTERNAL CONNECTION',
        statement.ifExists ? 'IF EXISTS' : '',
        `${printString(statement.name)} AS ${uri(statement.uri)}`,
      );
    case 'dropConnection':
      return `DROP EXTERNAL CONNECTION ${printString(statement.name)}`;
    case 'showConnections':
      return join(
        'SHOW',
        statement.create ? 'CREATE' : '',
        statement.name !== null
          ? `EXTERNAL CONNECTION ${printString(statement.name)}`
          : statement.create
            ? 'ALL EXTERNAL CONNECTIONS'
            : 'EXTERNAL CONNECTIONS',
      );
    case 'checkConnection': {
      const { concurrently, ...others } = statement.options;
      const number = concurrently === undefined ? '' : `concurrently = ${concurrently}`;
      const given = printOptions(others, redact);
      const options =
        given === '' ? (number === '' ? '' : `WITH ${number}`) : number === '' ? given : `${given}, ${number}`;
      return join('CHECK EXTERNAL CONNECTION', uri(statement.uri), options);
    }
  }
}

type RestStatement = Exclude<
  Statement,
  | ConnectionStatement
  | { readonly kind: 'backup' | 'restore' | 'showBackups' | 'showBackup' | 'configureZone' | 'showZone' }
>;

function printRest(statement: RestStatement): string {
  switch (statement.kind) {
    case 'showLocality':
      return 'SHOW LOCALITY';
    case 'showZones':
      return 'SHOW ZONE CONFIGURATIONS';
    case 'showFingerprints':
      return `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ${printName(statement.table)}`;
    case 'showDatabases':
      return 'SHOW DATABASES';
    case 'showTables':
      return join('SHOW TABLES', statement.from === null ? '' : `FROM ${printName(statement.from)}`);
    case 'showCreate':
      return `SHOW CREATE TABLE ${printName(statement.table)}`;
    case 'showRanges':
      return statement.index === null
        ? `SHOW RANGES FROM TABLE ${printName(statement.table)}`
        : `SHOW RANGES FROM INDEX ${printName(statement.table)}@${printName([statement.index])}`;
    case 'createDatabase':
      return join('CREATE DATABASE', statement.ifNotExists ? 'IF NOT EXISTS' : '', printName([statement.name]));
    case 'dropDatabase':
      return join(
        'DROP DATABASE',
        statement.ifExists ? 'IF EXISTS' : '',
        printName([statement.name]),
        (statement.behaviour ?? '').toUpperCase(),
      );
    case 'dropTables':
      return join(
        'DROP TABLE',
        statement.ifExists ? 'IF EXISTS' : '',
        statement.tables.map(printName).join(', '),
        (statement.behaviour ?? '').toUpperCase(),
      );
    case 'upsert':
      return join(
        `UPSERT INTO ${printName(statement.table)}`,
        printColumns(statement.columns),
        `VALUES ${printTuples(statement.tuples)}`,
      );
    case 'select':
      return join(
        `SELECT * FROM ${printName(statement.table)}`,
        printAsOf(statement.asOf),
        printWhere(statement.where),
        statement.limit === null ? '' : `LIMIT ${statement.limit}`,
      );
    case 'insert': {
      const { table, columns, rows } = statement;
      const values = rows.kind === 'values' ? `VALUES ${printTuples(rows.tuples)}` : printStatement(rows);
      return join(`INSERT INTO ${printName(table)}`, printColumns(columns), values);
    }
    case 'update':
      return join(
        `UPDATE ${printName(statement.table)} SET ${statement.set.map(printAssignment).join(', ')}`,
        printWhere(statement.where),
      );
    case 'delete':
      return join(`DELETE FROM ${printName(statement.table)}`, printWhere(statement.where));
    case 'use':
      return `USE ${printName([statement.database])}`;
    case 'unsupported':
      return statement.statement;
    default:
      return printSchemaStatement(statement);
  }
}

function printColumns(columns: readonly string[] | null): string {
  return columns === null ? '' : `(${columns.map((name) => printName([name])).join(', ')})`;
}

function printTuples(tuples: readonly (readonly Literal[])[]): string {
  return tuples.map((tuple) => `(${tuple.map(printLiteral).join(', ')})`).join(', ');
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function printUris(uris: readonly string[], redact: boolean): string {
  const texts = uris.map((uri) => printString(redact ? redactUri(uri) : uri));
  return texts.length === 1 ? texts[0]! : `(${texts.join(', ')})`;
}

function printLayer(layer: Layer): string {
  if (layer.kind === 'latest') return 'LATEST';
  return layer.kind === 'blank' ? `{${layer.name}}` : printString(layer.subdir);
}

function printSource(source: BackupSource, redact: boolean): string {
  const uris = printUris(source.uris, redact);
  if (source.from.kind !== 'directory') return `FROM ${printLayer(source.from)} IN ${uris}`;
  return `FROM ${[uris, ...(source.incrementals ?? []).map((list) => printUris(list, redact))].join(', ')}`;
}

function printTargets(targets: StatementTargets): string {
  if (targets.kind === 'cluster') return '';
  if (targets.kind === 'databases') return `DATABASE ${targets.names.map((name) => printName([name])).join(', ')}`;
  return `TABLE ${targets.patterns.map(printName).join(', ')}`;
}

function printAsOf(asOf: AsOf | null): string {
  if (asOf === null) return '';
  switch (asOf.kind) {
    case 'interval':
      return `AS OF SYSTEM TIME '${asOf.nanos}ns'`;
    case 'time':
      return `AS OF SYSTEM TIME ${asOf.wall}.${String(asOf.logical).padStart(10, '0')}`;
    case 'followerRead':
      return 'AS OF SYSTEM TIME follower_read_timestamp()';
    case 'unsupported':
      return `AS OF SYSTEM TIME ${asOf.name}()`;
  }
}

function printOptions(
  options: Readonly<Record<string, true | boolean | string | readonly string[] | undefined>>,
  redact: boolean,
): string {
  const texts = Object.entries(options).map(([name, value]) => {
    const spelled = spellOption(name);
    if (value === true || value === undefined) return spelled;
    if (value === false) return `${spelled} = false`;
    if (typeof value !== 'string') return `${spelled} = ${printUris(value, redact)}`;
    return `${spelled} = ${redact && name === 'encryption_passphrase' ? "'******'" : printString(value)}`;
  });
  return texts.length === 0 ? '' : `WITH ${texts.join(', ')}`;
}

function printZoneTarget(target: ZoneTarget): string {
  switch (target.kind) {
    case 'range':
    case 'database':
      return `${target.kind.toUpperCase()} ${printName([target.name])}`;
    case 'table':
      return `TABLE ${printName(target.table)}`;
    case 'index':
      return `INDEX ${printName(target.table)}@${printName([target.index])}`;
    case 'partition': {
      const owner =
        target.index === null
          ? `TABLE ${printName(target.table)}`
          : `INDEX ${printName(target.table)}@${printName([target.index])}`;
      return `PARTITION ${printName([target.partition])} OF ${owner}`;
    }
  }
}

function printChange(change: ZoneChange): string {
  if (change.kind === 'discard') return 'DISCARD';
  if (change.kind === 'default') return 'USING DEFAULT';
  const settings = change.settings.map(
    ({ name, value }) =>
      `${printName(name.split('.'))} = ${value.kind === 'copyFromParent' ? 'COPY FROM PARENT' : printLiteral(value)}`,
  );
  return `USING ${settings.join(', ')}`;
}

function printWhere(conditions: readonly ColumnValue[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.map(printAssignment).join(' AND ')}`;
}

function printAssignment({ column, value }: ColumnValue): string {
  return `${printName([column])} = ${printLiteral(value)}`;
}
