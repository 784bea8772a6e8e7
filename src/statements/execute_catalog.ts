import { SpanvaultError } from '../fault/index.js';
import type { ShownRange } from './engine.js';
import { tableRef } from './execute_rows.js';
import { columns, numberCell, type Result, type Row, rowsResult, tagResult } from './result.js';
import type { Session } from './session.js';
import type { Name, StatementOf } from './statement.js';
import { printName } from './words.js';

type CatalogStatement = StatementOf<
  | 'showDatabases'
  | 'showTables'
  | 'showCreate'
  | 'showRanges'
  | 'showFingerprints'
  | 'createDatabase'
  | 'dropDatabase'
  | 'dropTables'
  | 'use'
>;

/** Statements on databases and tables as a whole. */
export async function executeCatalog(session: Session, statement: CatalogStatement): Promise<Result> {
  const { engine } = session;
  switch (statement.kind) {
    case 'showDatabases': {
      const databases = await engine.databases();
      const rows = databases.map(({ name, owner }) => [name, owner, null, null, '{}', null]);
      return rowsResult(
        'SHOW DATABASES',
        columns('database_name', 'owner', 'primary_region', 'secondary_region', 'regions', 'survival_goal'),
        rows,
      );
    }
    case 'showTables':
      return showTables(session, statement.from);
    case 'showCreate': {
      const { name, text } = await engine.createStatement(tableRef(session, statement.table));
      return rowsResult('SHOW CREATE', columns('table_name', 'create_statement'), [[name, text]]);
    }
    case 'showRanges': {
      const ranges = await engine.ranges(tableRef(session, statement.table), statement.index ?? undefined);
      return rowsResult('SHOW RANGES', RANGE_COLUMNS, ranges.map(rangeRow));
    }
    case 'showFingerprints': {
      const prints = await engine.fingerprints(tableRef(session, statement.table));
      return rowsResult(
        'SHOW EXPERIMENTAL_FINGERPRINTS',
        columns('index_name', 'fingerprint'),
        prints.map(({ index, fingerprint }) => [index, fingerprint]),
      );
    }
    case 'createDatabase': {
      const created = await engine.createDatabase(statement.name, statement.ifNotExists);
      return tagResult(
        'CREATE DATABASE',
        created ? [] : [`database ${printName([statement.name])} already exists, skipping`],
      );
    }
    case 'dropDatabase':
      await engine.dropDatabase(statement.name, statement.ifExists, statement.behaviour);
      return tagResult('DROP DATABASE');
    case 'dropTables':
      await engine.dropTables(
        statement.tables.map((name) => tableRef(session, name)),
        statement.ifExists,
        statement.behaviour,
      );
      return tagResult('DROP TABLE');
    case 'use':
      return useDatabase(session, statement.database);
  }
}

async function useDatabase(session: Session, name: string): Promise<Result> {
  const databases = await session.engine.databases();
  if (!databases.some((database) => database.name === name)) {
    throw new SpanvaultError('SV_UNDEFINED', `database ${JSON.stringify(name)} does not exist`);
  }
  session.currentDatabase = name;
  return tagResult('SET');
}

/** SHOW TABLES [FROM database | schema | database.schema]; a single name is a database, else a schema of the current one. */
async function showTables(session: Session, from: Name | null): Promise<Result> {
  const [first, second, third] = from ?? [session.currentDatabase];
  if (third !== undefined)
    throw new SpanvaultError('SV_USAGE', `${printName(from ?? [])} is neither a database nor a schema`);
  const databases = await session.engine.databases();
  const isDatabase = second !== undefined || databases.some(({ name }) => name === first);
  const tables =
    isDatabase || from === null
      ? await session.engine.tables(first!, second)
      : await session.engine.tables(session.currentDatabase, first);
  const rows: readonly Row[] = tables.map(({ schema, name, type, owner }) => [schema, name, type, owner, null]);
  return rowsResult('SHOW TABLES', columns('schema_name', 'table_name', 'type', 'owner', 'locality'), rows);
}

const RANGE_COLUMNS = columns(
  'start_key',
  'end_key',
  'range_id#',
  'range_size_mb#',
  'lease_holder#',
  'lease_holder_locality',
  'replicas',
  'replica_localities',
);

function rangeRow(range: ShownRange): Row {
  return [
    range.startKey,
    range.endKey,
    numberCell(range.rangeId),
    (range.bytes / 1e6).toFixed(6).replace(/\.?0+$/, ''),
    numberCell(range.leaseholder),
    range.leaseholderLocality,
    `{${range.replicas.join(',')}}`,
    `{${range.replicaLocalities.map((locality) => JSON.stringify(locality)).join(',')}}`,
  ];
}
