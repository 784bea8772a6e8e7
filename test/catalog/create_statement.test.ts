import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  buildDatabase,
  buildTable,
  buildTables,
  catalogOf,
  configureZone,
  createStatement,
  MOVR_TABLES,
  resolvePattern,
  type TableComment,
  Zones,
} from '#src/catalog/index.js';
import { parseLocality } from '#src/keys/index.js';
import { FIXTURES, fixtureCatalog, HAS_FIXTURES, parseCsv, truth } from './fixtures.js';

const TIME = { wall: 1_700_000_000_000_000_000n, logical: 0 };
const COMMENTS: readonly TableComment[] = [
  { on: 'table', subId: 0, comment: 'rides' },
  { on: 'column', subId: 10, comment: 'in dollars' },
];

describe.skipIf(!HAS_FIXTURES)('create statements of real tables', () => {
  const files = ['v21.1-cluster', 'v21.1-types', 'v21.1-bank'].flatMap((fixture) =>
    HAS_FIXTURES
      ? readdirSync(join(FIXTURES, 'truth', fixture))
          .filter((file) => file.endsWith('.sql'))
          .map((file) => [fixture, file] as const)
      : [],
  );

  it.each(files)('%s %s is what SHOW CREATE TABLE printed', (fixture, file) => {
    const catalog = fixtureCatalog(fixture);
    const [table] = resolvePattern(catalog, file.replace(/\.sql$/, ''), '');
    const comments = table!.name === 'rides' ? COMMENTS : [];
    const [, [expected] = []] = parseCsv(truth(join(fixture, file)));
    expect(createStatement(catalog, table!, { qualified: true, comments })).toBe(expected);
  });

  it('SHOW BACKUP SCHEMAS: every object of the cluster backup', () => {
    const catalog = fixtureCatalog('v21.1-cluster');
    const rows = parseCsv(truth('v21.1-cluster/show-schemas.csv')).slice(1);
    let compared = 0;
    for (const [database, schema, name, type, , , , , , statement] of rows) {
      if (type !== 'table') continue;
      const [table] = resolvePattern(catalog, `${database}.${schema}.${name}`, '');
      expect(createStatement(catalog, table!, { qualified: false }), name).toBe(statement);
      compared++;
    }
    expect(compared).toBe(16);
  });

  it('views, sequences and interleaved tables', () => {
    const types = fixtureCatalog('v21.1-types');
    expect(createStatement(types, types.tableById(64)!, { qualified: true })).toBe(
      'CREATE VIEW public.v (a, b) AS SELECT a, b FROM tt.public.idx WHERE a < 10',
    );
    expect(createStatement(types, types.tableById(65)!, { qualified: false })).toBe(
      'CREATE SEQUENCE sq MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 1 START 5',
    );
    const old = fixtureCatalog('v2.0.7');
    const t4 = old.tables().find(({ name }) => name === 't4')!;
    expect(createStatement(old, t4, { qualified: false })).toMatch(/\n\) INTERLEAVE IN PARENT public\.t3 \(\w+\)$/);
  });

  it('a foreign key to a table that is not there is left out', () => {
    const types = fixtureCatalog('v21.1-types');
    const alone = types.without(new Set([58]));
    expect(createStatement(alone, alone.tableById(63)!, { qualified: false })).not.toMatch(/FOREIGN KEY/);
  });
});

describe('partitioned tables', () => {
  const movr = catalogOf(
    buildDatabase('movr', 52, TIME),
    ...buildTables(MOVR_TABLES, 53, { databaseId: 52, time: TIME }),
  );
  const users = movr.tableById(53)!;
  const create = `CREATE TABLE public.users (
	id UUID NOT NULL,
	city VARCHAR NOT NULL,
	name VARCHAR NULL,
	address VARCHAR NULL,
	credit_card VARCHAR NULL,
	CONSTRAINT "primary" PRIMARY KEY (city ASC, id ASC),
	FAMILY "primary" (id, city, name, address, credit_card)
) PARTITION BY LIST (city) (
	PARTITION us_west VALUES IN (('seattle'), ('san francisco'), ('los angeles')), 
	PARTITION us_east VALUES IN (('new york'), ('boston'), ('washington dc')), 
	PARTITION europe_west VALUES IN (('amsterdam'), ('paris'), ('rome'))
)`;

  it('print partitions, and zone configurations sorted', () => {
    expect(createStatement(movr, users, { qualified: true })).toBe(create);
    const none = new Zones([]);
    expect(createStatement(movr, users, { qualified: true, zones: none })).toBe(
      `${create}\n-- Warning: Partitioned table with no zone configurations.`,
    );
    const nodes = [{ locality: parseLocality('region=r') }];
    const zones = ['us_west', 'us_east'].reduce(
      (state, partition) =>
        configureZone(
          movr,
          state,
          { kind: 'partition', partition, table: 'users', index: 'primary' },
          { kind: 'set', settings: [{ name: 'constraints', value: '[+region=r]' }] },
          { currentDatabase: 'movr', nodes },
        ).zones,
      none,
    );
    const alter = (name: string) =>
      `ALTER PARTITION ${name} OF INDEX movr.public.users@primary CONFIGURE ZONE USING\n\tconstraints = '[+region=r]'`;
    expect(createStatement(movr, users, { qualified: true, zones })).toBe(
      [create, alter('us_east'), alter('us_west')].join(';\n'),
    );
  });

  it('print ranges, subpartitions, DEFAULT and odd names', () => {
    const spec = {
      name: 'Odd "name"',
      columns: [
        { name: 'a', type: 'INT8' },
        { name: 'b', type: 'DATE' },
      ],
      primaryKey: ['a', { name: 'b', direction: 'desc' as const }],
      partitioning: {
        columns: ['a'],
        list: [
          {
            name: 'x',
            values: [[{ datum: 1n }], [{ datum: null }]],
            subpartitioning: {
              columns: ['b'],
              range: [
                {
                  name: 'old',
                  from: [{ special: 'minvalue' as const }],
                  to: [{ datum: { kind: 'date' as const, days: 0n } }],
                },
              ],
            },
          },
          { name: 'rest', values: [[{ special: 'default' as const }]] },
        ],
      },
    };
    const catalog = catalogOf(buildTable(spec, 60, { databaseId: 52, time: TIME }));
    const text = createStatement(catalog, catalog.tableById(60)!, { qualified: false });
    expect(text.startsWith('CREATE TABLE "Odd ""name""" (')).toBe(true);
    expect(text.slice(text.indexOf(' PARTITION'))).toBe(
      " PARTITION BY LIST (a) (\n\tPARTITION x VALUES IN ((1), (NULL)) PARTITION BY RANGE (b) (\n\t\tPARTITION old VALUES FROM (MINVALUE) TO ('1970-01-01')\n\t), \n\tPARTITION rest VALUES IN ((DEFAULT))\n)",
    );
  });
});
