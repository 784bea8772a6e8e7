import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { initCluster } from '#src/cluster/index.js';
import { execute, openEngine, openSession, type Session } from '#src/statements/index.js';

/* Columns of every type with a default: in new rows, in rows that were there before the column, and in SHOW CREATE. */

const root = mkdtempSync(join(tmpdir(), 'spanvault-defaults-'));
let session: Session;
beforeAll(async () => {
  await initCluster(root, { nodes: [[]], mapBytes: 2 ** 30 });
  session = openSession(await openEngine(root, { open: { mapBytes: 2 ** 30 } }));
});
afterAll(async () => {
  await session.engine.close();
  rmSync(root, { recursive: true, force: true });
});

/** Type, DEFAULT as written, and the value as SQL prints it. */
const COLUMNS: readonly (readonly [string, string, string])[] = [
  ['INT2', '-3', '-3'],
  ['INT4', '7', '7'],
  ['INT8', '9223372036854775807', '9223372036854775807'],
  ['FLOAT4', '0.5', '0.5'],
  ['FLOAT8', '-1.5e20', '-1.5e+20'],
  ['FLOAT8', "'NaN'", 'NaN'],
  ['DECIMAL', '1.50', '1.50'],
  ['DECIMAL(10,2)', '-2.005', '-2.01'],
  ['STRING', `e'it\\'s\\n\\u00e9'`, "it's\né"],
  ['VARCHAR(3)', "'abc'", 'abc'],
  ['CHAR(4)', "'ab  '", 'ab'],
  ['NAME', "'n'", 'n'],
  ['STRING COLLATE de', "'ß'", 'ß'],
  ['BYTES', "x'00ff'", '\\x00ff'],
  ['BOOL', 'false', 'false'],
  ['DATE', "'2020-02-29'", '2020-02-29'],
  ['TIME(0)', "'01:02:03.6'", '01:02:04'],
  ['TIMETZ', "'01:02:03-05:30'", '01:02:03-05:30:00'],
  ['TIMESTAMP', "'2021-02-03 04:05:06.789'", '2021-02-03 04:05:06.789'],
  ['TIMESTAMPTZ(3)', "'2021-02-03 04:05:06.7891+01'", '2021-02-03 03:05:06.789+00:00'],
  ['INTERVAL', "'1 year 2 days 03:04'", '1 year 2 days 03:04:00'],
  ['UUID', "'63616665-6630-3064-6465-616462656562'", '63616665-6630-3064-6465-616462656562'],
  ['INET', "'10.0.0.1/8'", '10.0.0.1/8'],
  ['JSONB', `'{"b": [1, "x", null]}'`, '{"b": [1, "x", null]}'],
  ['BIT(3)', "B'101'", '101'],
  ['VARBIT', "'11'", '11'],
  ['OID', '26', '26'],
  ['INT8[]', 'ARRAY[1, NULL]', '{1,NULL}'],
  ['STRING[]', `'{a,"b c"}'`, '{a,"b c"}'],
];

async function rows(statement: string): Promise<(string | null)[][]> {
  const found: (string | null)[][] = [];
  for await (const row of (await execute(session, statement)).rows) found.push([...row]);
  return found;
}

test('rows before and after the column have the same value, and SHOW CREATE reads back', async () => {
  const names = COLUMNS.map((_, index) => `c${index}`);
  await execute(session, 'CREATE TABLE late (k INT PRIMARY KEY, FAMILY (k))');
  await execute(session, 'INSERT INTO late VALUES (1)');
  const clauses = COLUMNS.map(([type, value], index) => `ADD COLUMN c${index} ${type} DEFAULT ${value}`);
  await execute(session, `ALTER TABLE late ${clauses.slice(0, 15).join(', ')}`);
  await execute(session, `ALTER TABLE late ${clauses.slice(15).join(', ')}`);
  await execute(session, 'INSERT INTO late (k) VALUES (2)');
  const expected = COLUMNS.map(([, , text]) => text);
  expect(await rows('SELECT * FROM late')).toEqual([
    ['1', ...expected],
    ['2', ...expected],
  ]);
  await execute(session, `UPDATE late SET ${names.map((name) => `${name} = NULL`).join(', ')} WHERE k = 1`);
  expect(await rows('SELECT * FROM late WHERE k = 1')).toEqual([['1', ...names.map(() => null)]]);

  const [[, text]] = (await rows('SHOW CREATE TABLE late')) as [[string, string]];
  await execute(session, 'CREATE DATABASE again');
  await execute(session, text.replace('public.late', 'again.public.late'));
  const [[, copy]] = (await rows('SHOW CREATE TABLE again.late')) as [[string, string]];
  // Elements of an array that was text are written without blanks, until they are read as an array.
  expect(copy.replaceAll(', ', ',')).toBe(text.replaceAll(', ', ','));
  await execute(session, 'INSERT INTO again.late SELECT * FROM late');
  expect(await rows('SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE again.late')).toEqual(
    await rows('SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE late'),
  );
});
