import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Session } from '#src/statements/index.js';
import { closeSql, lines, sql, sqlCluster, sqlRoot } from '../e2e/sql_cluster.js';

/* What old releases wrote differently, and what may be done with it once it is restored. */

const BACKUPS = new URL('../../../shared/fixtures/cockroach-backups/', import.meta.url).pathname;
const PRESENT = existsSync(BACKUPS);
if (!PRESENT) console.warn('test/real: ../shared/fixtures is absent, the tests over old forms are SKIPPED');

/** A cluster that restored a database of a fixture. */
async function restored(fixture: string, database: string): Promise<Session> {
  const root = sqlRoot();
  const session = await sqlCluster(root, 'old');
  cpSync(join(BACKUPS, fixture), join(root, 'extern', '1', 'src'), { recursive: true });
  await sql(session, `RESTORE DATABASE ${database} FROM 'nodelocal://1/src' WITH new_db_name = 'old'`);
  return session;
}

const created = async (session: Session, table: string): Promise<string> =>
  (await sql(session, `SHOW CREATE TABLE ${table}`)).rows[0]?.[1] ?? '';

afterAll(closeSql);

describe.skipIf(!PRESENT)('foreign keys that stand in indexes, up to 19.1', () => {
  it.each(['v1.0.7', 'v2.0.7', 'v19.1.4'])('%s: are shown, and keep the table that they refer to', async (fixture) => {
    const session = await restored(fixture, 'test');
    const key = 'CONSTRAINT fk_t3 FOREIGN KEY (k) REFERENCES public.t3(k)';
    expect(await created(session, 'old.t4')).toContain(`\n\t${key},\n`);
    expect((await sql(session, "SHOW BACKUP SCHEMAS 'nodelocal://1/src'")).rows.flat().join('\n')).toContain(key);
    await expect(sql(session, 'DROP TABLE old.t3')).rejects.toThrow(
      '"t3" is referenced by foreign key from table "t4"',
    );
    await expect(sql(session, 'TRUNCATE old.t3')).rejects.toThrow('"t3" is referenced by foreign key from table "t4"');
    await expect(sql(session, 'ALTER TABLE old.t3 SET (exclude_data_from_backup = true)')).rejects.toThrow(
      'cannot set data in a table with inbound foreign key constraints to be excluded from backup',
    );
    await sql(session, 'CREATE DATABASE other');
    await expect(sql(session, 'ALTER TABLE old.t4 RENAME TO other.t4')).rejects.toThrow(
      '"fk_t3" will exist between databases',
    );
  });
});

describe.skipIf(!PRESENT)('interleaved tables, whose rows lie inside those of their parent', () => {
  it('are not changed where that would strand the rows of one or the other', async () => {
    const session = await restored('v19.1.4', 'test');
    const change = (text: string) => sql(session, text);
    await expect(change('TRUNCATE old.t3 CASCADE')).rejects.toThrow(
      'TRUNCATE on the interleaved table t3 is not supported yet',
    );
    await expect(change('TRUNCATE old.t4')).rejects.toThrow(
      'TRUNCATE on the interleaved table t4 is not supported yet',
    );
    await expect(change('DROP TABLE old.t3 CASCADE')).rejects.toThrow('"t3" is interleaved by table "t4"');
    await expect(change('DROP TABLE old.t4')).rejects.toThrow('"t4" is interleaved in table "t3"');
    await expect(change('ALTER TABLE old.t3 ADD COLUMN c INT NOT NULL DEFAULT 1')).rejects.toThrow(
      'ADD COLUMN on the interleaved table t3 is not supported yet',
    );
    expect(await lines(session, 'SELECT * FROM old.t3')).toEqual(['1', '2', '3']);
    expect(await lines(session, 'SELECT * FROM old.t4')).toEqual(['1,1,1', '2,2,2', '3,3,3']);
    await change('DROP TABLE old.t4, old.t3');
    await change("BACKUP DATABASE old INTO 'nodelocal://1/again'");
    await change('DROP DATABASE old CASCADE');
  });
});
