import type { Random } from './random.js';
import { keyOf, type ModelColumn, type ModelState, type ModelTable, withoutDatabase, withTable } from './state.js';

/*
 * Random changes of a cluster: a statement, and what it does to the model.
 */

export interface Operation {
  readonly sql: string;
  readonly after: ModelState;
  /** The database that was given another name. */
  readonly renamed?: { readonly from: string; readonly to: string };
}

/** A kind of change; undefined where the state has nothing to change that way. */
type Maker = (random: Random, state: ModelState) => Operation | undefined;

/** Names are few, so that what was dropped comes back under the same name. */
const DATABASES = ['d1', 'd2'];
const TABLES = ['t1', 't2', 't3'];

const quote = (text: string | null, type: ModelColumn['type']): string =>
  text === null ? 'NULL' : type === 'INT8' ? text : `'${text}'`;

interface Found {
  readonly database: string;
  readonly name: string;
  readonly table: ModelTable;
}

function anyTable(random: Random, state: ModelState): Found | undefined {
  const all = [...state].flatMap(([database, tables]) =>
    [...tables].map(([name, table]): Found => ({ database, name, table })),
  );
  return all.length === 0 ? undefined : random.pick(all);
}

const createDatabase: Maker = (random, state) => {
  const free = DATABASES.filter((one) => !state.has(one));
  if (free.length === 0) return undefined;
  const name = random.pick(free);
  return { sql: `CREATE DATABASE ${name}`, after: new Map(state).set(name, new Map()) };
};

const dropDatabase: Maker = (random, state) => {
  if (state.size === 0) return undefined;
  const name = random.pick([...state.keys()]);
  return { sql: `DROP DATABASE ${name} CASCADE`, after: withoutDatabase(state, name) };
};

const SHAPES: readonly { readonly definition: string; readonly table: Omit<ModelTable, 'rows'> }[] = [
  {
    definition: '(k INT8 PRIMARY KEY, v STRING)',
    table: {
      columns: [
        { name: 'k', type: 'INT8', fill: null },
        { name: 'v', type: 'STRING', fill: null },
      ],
      key: ['k'],
      indexes: [],
    },
  },
  {
    definition:
      '(a INT8, b STRING, c STRING, d STRING, PRIMARY KEY (a, b DESC), FAMILY f1 (a, b), FAMILY f2 (c), FAMILY f3 (d), INDEX c_idx (c))',
    table: {
      columns: [
        { name: 'a', type: 'INT8', fill: null },
        { name: 'b', type: 'STRING', fill: null },
        { name: 'c', type: 'STRING', fill: null },
        { name: 'd', type: 'STRING', fill: null },
      ],
      key: ['a', 'b'],
      indexes: ['c_idx'],
    },
  },
  {
    definition:
      "(k STRING PRIMARY KEY, n INT8 NOT NULL DEFAULT 7, INDEX n_idx (n) STORING (s), s STRING DEFAULT 'none')",
    table: {
      columns: [
        { name: 'k', type: 'STRING', fill: null },
        { name: 'n', type: 'INT8', fill: '7' },
        { name: 's', type: 'STRING', fill: 'none' },
      ],
      key: ['k'],
      indexes: ['n_idx'],
    },
  },
];

const createTable: Maker = (random, state) => {
  if (state.size === 0) return undefined;
  const database = random.pick([...state.keys()]);
  const name = random.pick(TABLES);
  if (state.get(database)!.has(name)) return undefined;
  const { definition, table } = random.pick(SHAPES);
  return {
    sql: `CREATE TABLE ${database}.${name} ${definition}`,
    after: withTable(state, database, name, { ...table, rows: new Map() }),
  };
};

const dropTable: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name } = found;
  return { sql: `DROP TABLE ${database}.${name}`, after: withTable(state, database, name, undefined) };
};

const truncate: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name, table } = found;
  return {
    sql: `TRUNCATE ${database}.${name}`,
    after: withTable(state, database, name, { ...table, rows: new Map() }),
  };
};

const renameTable: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name, table } = found;
  const to = random.pick(TABLES);
  if (state.get(database)!.has(to)) return undefined;
  const after = withTable(withTable(state, database, name, undefined), database, to, table);
  return { sql: `ALTER TABLE ${database}.${name} RENAME TO ${to}`, after };
};

const moveTable: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name, table } = found;
  const other = [...state.keys()].find((one) => one !== database);
  if (other === undefined || state.get(other)!.has(name)) return undefined;
  const after = withTable(withTable(state, database, name, undefined), other, name, table);
  return { sql: `ALTER TABLE ${database}.public.${name} RENAME TO ${other}.public.${name}`, after };
};

const renameDatabase: Maker = (random, state) => {
  if (state.size === 0) return undefined;
  const name = random.pick([...state.keys()]);
  const to = random.pick(DATABASES);
  if (state.has(to)) return undefined;
  const after = new Map([...state].map(([key, tables]) => [key === name ? to : key, tables]));
  return { sql: `ALTER DATABASE ${name} RENAME TO ${to}`, after, renamed: { from: name, to } };
};

const addColumn: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined || found.table.columns.length > 5) return undefined;
  const { database, name, table } = found;
  const column = `x${table.columns.length}`;
  const fill = random.chance(0.5) ? `fill ${random.between(0, 99)}` : null;
  const rows = new Map([...table.rows].map(([key, row]) => [key, [...row, fill]]));
  const columns = [...table.columns, { name: column, type: 'STRING' as const, fill }];
  return {
    sql: `ALTER TABLE ${database}.${name} ADD COLUMN ${column} STRING${fill === null ? '' : ` DEFAULT '${fill}'`}`,
    after: withTable(state, database, name, { ...table, columns, rows }),
  };
};

const createIndex: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name, table } = found;
  const index = random.pick(['i1', 'i2']);
  const column = random.pick(table.columns.filter((one) => !table.key.includes(one.name)));
  if (table.indexes.includes(index)) return undefined;
  return {
    sql: `CREATE INDEX ${index} ON ${database}.${name} (${column.name})`,
    after: withTable(state, database, name, { ...table, indexes: [...table.indexes, index] }),
  };
};

const dropIndex: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined || found.table.indexes.length === 0) return undefined;
  const { database, name, table } = found;
  const index = random.pick(table.indexes);
  return {
    sql: `DROP INDEX ${database}.${name}@${index}`,
    after: withTable(state, database, name, { ...table, indexes: table.indexes.filter((one) => one !== index) }),
  };
};

function value(random: Random, { type }: ModelColumn): string {
  return type === 'INT8' ? String(random.between(-3, 40)) : `s${random.between(0, 40)}`;
}

const insert: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name, table } = found;
  const rows = new Map(table.rows);
  const tuples: string[] = [];
  for (let count = random.between(1, 12); count > 0; count--) {
    const row = table.columns.map((column) =>
      !table.key.includes(column.name) && column.type === 'STRING' && random.chance(0.2) ? null : value(random, column),
    );
    const key = keyOf(table, row);
    if (rows.has(key)) continue;
    rows.set(key, row);
    tuples.push(`(${row.map((cell, at) => quote(cell, table.columns[at]!.type)).join(', ')})`);
  }
  if (tuples.length === 0) return undefined;
  return {
    sql: `INSERT INTO ${database}.${name} VALUES ${tuples.join(', ')}`,
    after: withTable(state, database, name, { ...table, rows }),
  };
};

function whereKey(table: ModelTable, row: readonly (string | null)[]): string {
  const parts = table.key.map((name) => {
    const at = table.columns.findIndex((column) => column.name === name);
    return `${name} = ${quote(row[at]!, table.columns[at]!.type)}`;
  });
  return parts.join(' AND ');
}

const update: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined || found.table.rows.size === 0) return undefined;
  const { database, name, table } = found;
  const [key, row] = random.pick([...table.rows]);
  const column = random.pick(table.columns.filter((one) => !table.key.includes(one.name)));
  const at = table.columns.indexOf(column);
  const cell = value(random, column);
  const rows = new Map(table.rows).set(key, row.with(at, cell));
  return {
    sql: `UPDATE ${database}.${name} SET ${column.name} = ${quote(cell, column.type)} WHERE ${whereKey(table, row)}`,
    after: withTable(state, database, name, { ...table, rows }),
  };
};

const remove: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined || found.table.rows.size === 0) return undefined;
  const { database, name, table } = found;
  const [key, row] = random.pick([...table.rows]);
  const rows = new Map(table.rows);
  rows.delete(key);
  return {
    sql: `DELETE FROM ${database}.${name} WHERE ${whereKey(table, row)}`,
    after: withTable(state, database, name, { ...table, rows }),
  };
};

const zone: Maker = (random, state) => {
  const found = anyTable(random, state);
  if (found === undefined) return undefined;
  const { database, name } = found;
  const setting = random.pick([
    `USING gc.ttlseconds = ${random.between(600, 90_000)}`,
    'USING num_replicas = 1',
    "USING constraints = '[+region=us-west]'",
    'DISCARD',
  ]);
  return { sql: `ALTER TABLE ${database}.${name} CONFIGURE ZONE ${setting}`, after: state };
};

/** Kinds by weight. */
const MAKERS: readonly (readonly [number, Maker])[] = [
  [14, insert],
  [6, update],
  [6, remove],
  [3, createTable],
  [1, dropTable],
  [1, truncate],
  [1, renameTable],
  [1, moveTable],
  [1, renameDatabase],
  [2, addColumn],
  [2, createIndex],
  [1, dropIndex],
  [1, createDatabase],
  [0.5, dropDatabase],
  [1, zone],
];
/** One random operation that the state allows. */
export function randomOperation(random: Random, state: ModelState): Operation {
  for (;;) {
    const maker = random.weighted(MAKERS);
    const operation = maker(random, state);
    if (operation !== undefined) return operation;
  }
}
