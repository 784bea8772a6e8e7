import { resolveAsOf } from './as_of.js';
import type { InsertSource, SelectRequest, TableRef } from './engine.js';
import { type Result, rowsResult, tagResult } from './result.js';
import type { Session } from './session.js';
import type { InsertStatement, Name, SelectStatement, StatementOf } from './statement.js';

type RowStatement = StatementOf<'select' | 'insert' | 'upsert' | 'update' | 'delete'>;

/** Statements that read and write rows. */
export async function executeRows(session: Session, statement: RowStatement): Promise<Result> {
  const { engine } = session;
  const table = tableRef(session, statement.table);
  switch (statement.kind) {
    case 'select': {
      const { columns, rows } = await engine.select(table, selectRequest(session, statement));
      return rowsResult('SELECT', columns, rows);
    }
    case 'insert':
      return tagResult(
        `INSERT 0 ${await engine.insert(table, statement.columns, insertSource(session, statement.rows))}`,
      );
    case 'upsert':
      return tagResult(`INSERT 0 ${await engine.upsert(table, statement.columns, statement.tuples)}`);
    case 'update':
      return tagResult(`UPDATE ${await engine.update(table, statement.set, statement.where)}`);
    case 'delete':
      return tagResult(`DELETE ${await engine.remove(table, statement.where)}`);
  }
}

/** A name with the database that completes it. */
export function tableRef(session: Session, name: Name): TableRef {
  return { name, currentDatabase: session.currentDatabase };
}

function selectRequest(session: Session, statement: SelectStatement): SelectRequest {
  return {
    asOf: statement.asOf === null ? undefined : resolveAsOf(statement.asOf, session.engine.now()),
    where: statement.where,
    limit: statement.limit ?? undefined,
  };
}

function insertSource(session: Session, rows: InsertStatement['rows']): InsertSource {
  if (rows.kind === 'values') return rows;
  return { kind: 'select', table: tableRef(session, rows.table), request: selectRequest(session, rows) };
}
