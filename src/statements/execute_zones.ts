import { columns, type Result, rowsResult, tagResult } from './result.js';
import type { Session } from './session.js';
import type { StatementOf } from './statement.js';

type ZoneStatement = StatementOf<'showZones' | 'showZone' | 'showLocality' | 'configureZone'>;

/** Statements on localities and zone configurations. */
export async function executeZones(session: Session, statement: ZoneStatement): Promise<Result> {
  const { engine, currentDatabase } = session;
  switch (statement.kind) {
    case 'showLocality':
      return rowsResult('SHOW LOCALITY', columns('locality'), [[engine.nodeLocality(session.node)]]);
    case 'showZones':
    case 'showZone': {
      const zones =
        statement.kind === 'showZones' ? await engine.zones() : await engine.zone(statement.target, currentDatabase);
      return rowsResult(
        'SHOW ZONE CONFIGURATIONS',
        columns('target', 'raw_config_sql'),
        zones.map(({ target, rawConfigSql }) => [target, rawConfigSql]),
      );
    }
    case 'configureZone': {
      const { changed, notices } = await engine.configureZone(statement.target, currentDatabase, statement.change);
      return tagResult(`CONFIGURE ZONE ${changed}`, notices);
    }
  }
}
