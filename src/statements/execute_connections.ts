import { SpanvaultError } from '../fault/index.js';
import { noConnection } from '../storage/index.js';
import type { CheckedConnection, ShownConnection } from './engine.js';
import { parseInterval } from './interval.js';
import type { CheckConnectionOptions } from './options.js';
import { printStatement } from './print.js';
import { columns, numberCell, type Result, rowsResult, tagResult } from './result.js';
import type { Session } from './session.js';
import type { ConnectionStatement } from './statement.js';

const MIB = 1024 * 1024;

/** What CockroachDB transfers unless told otherwise. */
const DEFAULT_TRANSFER_BYTES = 32 * MIB;
/** Most that one statement may write and read at a time. */
const MAX_TRANSFER_BYTES = 1024 * MIB;
const MAX_CONCURRENTLY = 64;

/** Statements on external connections (crdb-features.md 2.5). */
export async function executeConnections(
  session: Session,
  statement: ConnectionStatement,
  signal: AbortSignal,
): Promise<Result> {
  const { engine } = session;
  switch (statement.kind) {
    case 'createConnection': {
      const { name, uri, ifNotExists } = statement;
      const created = await engine.createConnection(name, uri, ifNotExists);
      return tagResult(
        'CREATE EXTERNAL CONNECTION',
        created ? [] : [`external connection ${JSON.stringify(name)} already exists, skipping`],
      );
    }
    case 'alterConnection': {
      const { name, uri, ifExists } = statement;
      const altered = await engine.alterConnection(name, uri, ifExists);
      return tagResult(
        'ALTER EXTERNAL CONNECTION',
        altered ? [] : [`external connection ${JSON.stringify(name)} does not exist, skipping`],
      );
    }
    case 'dropConnection':
      await engine.dropConnection(statement.name);
      return tagResult('DROP EXTERNAL CONNECTION');
    case 'showConnections':
      return showConnections(await engine.connections(), statement.name, statement.create);
    case 'checkConnection': {
      const checked = await engine.checkConnection({ uri: statement.uri, ...transferOf(statement.options) }, signal);
      return rowsResult('CHECK EXTERNAL CONNECTION', CHECK_COLUMNS, checked.map(checkedRow));
    }
  }
}

/**
 * SHOW and SHOW CREATE. CockroachDB prints secrets in SHOW CREATE; here they are redacted everywhere, so the statement that
 * makes a connection anew needs its secrets filled in.
 */
function showConnections(all: readonly ShownConnection[], name: string | null, create: boolean): Result {
  const shown = name === null ? all : all.filter((connection) => connection.name === name);
  if (name !== null && shown.length === 0) throw noConnection(name);
  if (create) {
    return rowsResult(
      'SHOW CREATE EXTERNAL CONNECTION',
      columns('connection_name', 'create_statement'),
      shown.map((one) => [one.name, printStatement({ kind: 'createConnection', ...one, ifNotExists: false })]),
    );
  }
  return rowsResult(
    'SHOW EXTERNAL CONNECTION',
    columns('connection_name', 'connection_uri', 'connection_type'),
    // Keys of a KMS and sources of data are connections of CockroachDB too; here all are locations.
    shown.map((one) => [one.name, one.uri, 'STORAGE']),
  );
}

const CHECK_COLUMNS = columns(
  'node#',
  'locality',
  'ok',
  'error',
  'transferred#',
  'read_speed#',
  'write_speed#',
  'can_delete',
);

function checkedRow(checked: CheckedConnection): readonly (string | null)[] {
  const { node, locality, error, transferred, readSpeed, writeSpeed, canDelete } = checked;
  return [
    numberCell(node),
    locality,
    String(error === undefined),
    error ?? '',
    mebibytes(transferred),
    readSpeed === undefined ? null : `${mebibytes(readSpeed)}/s`,
    writeSpeed === undefined ? null : `${mebibytes(writeSpeed)}/s`,
    String(canDelete),
  ];
}

function mebibytes(bytes: number): string {
  const value = bytes / MIB;
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} MiB`;
}

interface Transfer {
  readonly transferBytes: number;
  readonly milliseconds: number | undefined;
  readonly concurrently: number;
}

function transferOf({ transfer, time, concurrently }: CheckConnectionOptions): Transfer {
  const parallel = Number(concurrently ?? '1');
  if (parallel < 1 || parallel > MAX_CONCURRENTLY) {
    throw new SpanvaultError('SV_LIMIT', `concurrently = ${concurrently} is not between 1 and ${MAX_CONCURRENTLY}`);
  }
  return {
    transferBytes: transfer === undefined ? DEFAULT_TRANSFER_BYTES : parseSize(transfer),
    milliseconds: time === undefined ? undefined : parseDuration(time),
    concurrently: parallel,
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: MIB,
  gib: 1024 * MIB,
};

/** `32MiB`, `1 GB`, `1048576` */
function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const unit = match === null ? undefined : SIZE_UNITS[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) {
    throw new SpanvaultError('SV_USAGE', `transfer ${JSON.stringify(text)} is not a size such as '32MiB'`);
  }
  const bytes = Math.round(Number(match[1]) * unit);
  if (bytes < 1 || bytes > MAX_TRANSFER_BYTES) {
    throw new SpanvaultError(
      'SV_LIMIT',
      `transfer = '${text}' is not between 1 byte and ${MAX_TRANSFER_BYTES / MIB} MiB`,
    );
  }
  return bytes;
}

function parseDuration(text: string): number {
  const nanos = parseInterval(text);
  if (nanos === undefined || nanos <= 0n) {
    throw new SpanvaultError('SV_USAGE', `time ${JSON.stringify(text)} is not a duration such as '30s'`);
  }
  return Number(nanos / 1_000_000n);
}
