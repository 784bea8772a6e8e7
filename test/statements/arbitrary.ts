import fc from 'fast-check';
import {
  BACKUP_OPTIONS,
  CHECK_CONNECTION_OPTIONS,
  RESTORE_OPTIONS,
  SHOW_BACKUP_OPTIONS,
  type Statement,
} from '#src/statements/index.js';

/* Arbitrary statements, canonical ones only: printing and parsing must give them back. */

const identifier = fc.oneof(
  fc.constantFrom(
    'movr',
    'rides',
    'public',
    'a',
    'select',
    'Mixed',
    'from',
    'backup',
    'é',
    'É',
    'a b',
    'latest',
    'database',
    'x',
  ),
  fc.string({ minLength: 1, maxLength: 6 }).filter((text) => text !== '*'),
);
const name = fc.array(identifier, { minLength: 1, maxLength: 3 });
const pattern = fc
  .tuple(fc.array(identifier, { maxLength: 2 }), fc.oneof(identifier, fc.constant('*')))
  .map(([parts, last]) => [...parts, last]);
const text = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("it's", '--', '/*', ';', '\\', "''"));
const uri = fc.oneof(
  text,
  fc.constantFrom('nodelocal://1/a?COCKROACH_LOCALITY=default', 's3://b?AWS_ACCESS_KEY_ID=k&AWS_SECRET_ACCESS_KEY=s'),
);
const uris = fc.array(uri, { minLength: 1, maxLength: 3 });

const literal = fc.oneof(
  fc.record({ kind: fc.constant('null' as const) }),
  fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
  fc.record({
    kind: fc.constant('number' as const),
    text: fc.constantFrom('0', '-1', '3.50', '1e10', '-2.5e-3', '9223372036854775807'),
  }),
  fc.record({ kind: fc.constant('string' as const), value: text }),
  fc.record({
    kind: fc.constant('bytes' as const),
    hex: fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  }),
);

const asOf = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(10n ** 18n), max: -1000n }).map((nanos) => ({ kind: 'interval' as const, nanos })),
  fc
    .record({ wall: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), logical: fc.nat(2 ** 31 - 1) })
    .map((ts) => ({ kind: 'time' as const, ...ts })),
  fc.constant({ kind: 'followerRead' as const }),
);

const targets = fc.oneof(
  fc.constant({ kind: 'cluster' as const }),
  fc.record({ kind: fc.constant('databases' as const), names: fc.array(identifier, { minLength: 1, maxLength: 2 }) }),
  fc.record({ kind: fc.constant('tables' as const), patterns: fc.array(pattern, { minLength: 1, maxLength: 2 }) }),
);

const layer = fc.oneof(
  fc.constant({ kind: 'latest' as const }),
  fc.record({ kind: fc.constant('subdir' as const), subdir: text }),
  fc.constant({ kind: 'blank' as const, name: 'subdirectory' }),
);

type OptionTable = Readonly<Record<string, { readonly shape: string }>>;
function options(table: OptionTable) {
  const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    flag: fc.constant(true),
    bool: fc.boolean(),
    string: text,
    number: fc.nat().map(String),
    uris,
  };
  return fc.record(Object.fromEntries(Object.entries(table).map(([key, { shape }]) => [key, values[shape]!])), {
    requiredKeys: [],
    noNullPrototype: true,
  });
}

const columnValue = fc.record({ column: identifier, value: literal });
const where = fc.array(columnValue, { minLength: 1, maxLength: 2 });
const select = fc.record({
  kind: fc.constant('select' as const),
  table: name,
  asOf,
  where: fc.array(columnValue, { maxLength: 2 }),
  limit: fc.oneof(fc.constant(null), fc.nat()),
});
const tuple = fc.array(literal, { minLength: 1, maxLength: 3 });
const behaviour = fc.constantFrom(null, 'cascade', 'restrict');

const zoneTarget = fc.oneof(
  fc.record({ kind: fc.constant('range' as const), name: identifier }),
  fc.record({ kind: fc.constant('database' as const), name: identifier }),
  fc.record({ kind: fc.constant('table' as const), table: name }),
  fc.record({ kind: fc.constant('index' as const), table: name, index: identifier }),
  fc.record({
    kind: fc.constant('partition' as const),
    partition: identifier,
    table: name,
    index: fc.oneof(fc.constantFrom(null, '*'), identifier),
  }),
);
const zoneChange = fc.oneof(
  fc.constant({ kind: 'discard' as const }),
  fc.constant({ kind: 'default' as const }),
  fc.record({
    kind: fc.constant('set' as const),
    settings: fc.array(
      fc.record({
        name: fc.constantFrom('gc.ttlseconds', 'num_replicas', 'constraints', 'lease_preferences'),
        value: fc.oneof(literal, fc.constant({ kind: 'copyFromParent' as const })),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
);

const flag = fc.boolean();
const defaultValue = fc.oneof(
  literal,
  fc.constantFrom('now', 'unique_rowid', 'gen_random_uuid').map((call) => ({ kind: 'call' as const, name: call })),
  fc.record({ kind: fc.constant('array' as const), elements: fc.array(literal, { maxLength: 2 }) }),
);
const qualifier = fc.oneof(
  fc.constantFrom('notNull', 'null', 'notVisible', 'primaryKey', 'unique').map((kind) => ({ kind })),
  fc.record({ kind: fc.constant('default' as const), value: defaultValue }),
  fc.record({
    kind: fc.constant('family' as const),
    name: identifier,
    create: fc.constant(false),
    ifNotExists: fc.constant(false),
  }),
  fc.record({
    kind: fc.constant('family' as const),
    name: fc.oneof(fc.constant(null), identifier),
    create: fc.constant(true),
    ifNotExists: flag,
  }),
);
const column = fc.record({
  name: identifier,
  type: fc.constantFrom('INT', 'VARCHAR(20)', 'DECIMAL(10,2)[]', 'TIMESTAMP(3) WITH TIME ZONE', 'STRING[] COLLATE de'),
  qualifiers: fc.array(qualifier, { maxLength: 3 }),
});
const key = fc.array(fc.record({ name: identifier, direction: fc.constantFrom('asc', 'desc') }), {
  minLength: 1,
  maxLength: 2,
});
const optionalName = fc.oneof(fc.constant(null), identifier);
const index = fc.record({
  name: optionalName,
  unique: flag,
  columns: key,
  storing: fc.array(identifier, { maxLength: 2 }),
});
const indexRef = fc.record({ table: fc.oneof(fc.constant(null), name), index: identifier });
const element = fc.oneof(
  fc.record({ kind: fc.constant('column' as const), column }),
  fc.record({ kind: fc.constant('primaryKey' as const), name: optionalName, columns: key }),
  fc.record({ kind: fc.constant('index' as const), index }),
  fc.record({
    kind: fc.constant('family' as const),
    name: optionalName,
    columns: fc.array(identifier, { minLength: 1, maxLength: 2 }),
  }),
);

const elements = fc.array(element, { minLength: 1, maxLength: 3 });

const of = <K extends string>(kind: K, fields: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}) =>
  fc.record({ kind: fc.constant(kind), ...fields });

/** Every kind of statement that runs. */
export const statements = fc.oneof(
  of('backup', {
    targets,
    destination: fc.oneof(layer, fc.constant({ kind: 'new' })),
    uris,
    asOf,
    options: options(BACKUP_OPTIONS),
  }),
  of('restore', {
    targets,
    from: fc.oneof(layer, fc.constant({ kind: 'directory' })),
    uris,
    asOf,
    options: options(RESTORE_OPTIONS),
  }),
  of('showBackups', { uris }),
  of('showBackup', {
    schemas: fc.boolean(),
    from: fc.oneof(layer, fc.constant({ kind: 'directory' })),
    uris,
    options: options(SHOW_BACKUP_OPTIONS),
  }),
  of('createConnection', { name: text, uri, ifNotExists: fc.boolean() }),
  of('alterConnection', { name: text, uri, ifExists: fc.boolean() }),
  of('dropConnection', { name: text }),
  of('showConnections', { name: fc.oneof(fc.constant(null), text), create: fc.boolean() }),
  of('checkConnection', { uri, options: options(CHECK_CONNECTION_OPTIONS) }),
  of('showLocality'),
  of('showZones'),
  of('showZone', { target: zoneTarget }),
  of('configureZone', { target: zoneTarget, change: zoneChange }),
  of('showFingerprints', { table: name }),
  of('showDatabases'),
  of('showTables', { from: fc.oneof(fc.constant(null), name) }),
  of('showCreate', { table: name }),
  of('showRanges', { table: name, index: fc.oneof(fc.constant(null), identifier) }),
  of('createDatabase', { name: identifier, ifNotExists: fc.boolean() }),
  of('dropDatabase', { name: identifier, ifExists: fc.boolean(), behaviour }),
  of('dropTables', { tables: fc.array(name, { minLength: 1, maxLength: 2 }), ifExists: fc.boolean(), behaviour }),
  of('createTable', { table: name, ifNotExists: flag, elements }),
  of('createTable', { table: name, ifNotExists: flag, elements, excludeDataFromBackup: flag }),
  of('setExcluded', { table: name, ifExists: flag, excluded: flag }),
  of('createIndex', { table: name, ifNotExists: flag, index }),
  of('createSchema', { schema: name, ifNotExists: flag }),
  of('dropIndexes', { indexes: fc.array(indexRef, { minLength: 1, maxLength: 2 }), ifExists: flag, behaviour }),
  of('addColumns', {
    table: name,
    ifExists: flag,
    columns: fc.array(fc.record({ ifNotExists: flag, column }), { minLength: 1, maxLength: 2 }),
  }),
  of('renameTable', { table: name, ifExists: flag, to: name }),
  of('renameColumn', { table: name, ifExists: flag, column: identifier, to: identifier }),
  of('renameIndex', { index: indexRef, ifExists: flag, to: identifier }),
  of('renameDatabase', { database: identifier, to: identifier }),
  of('setSchema', { table: name, ifExists: flag, schema: identifier }),
  of('truncate', { tables: fc.array(name, { minLength: 1, maxLength: 2 }), behaviour }),
  select,
  of('upsert', {
    table: name,
    columns: fc.oneof(fc.constant(null), fc.array(identifier, { minLength: 1, maxLength: 2 })),
    tuples: fc.array(tuple, { minLength: 1, maxLength: 2 }),
  }),
  of('insert', {
    table: name,
    columns: fc.oneof(fc.constant(null), fc.array(identifier, { minLength: 1, maxLength: 2 })),
    rows: fc.oneof(of('values', { tuples: fc.array(tuple, { minLength: 1, maxLength: 2 }) }), select),
  }),
  of('update', { table: name, set: where, where: fc.array(columnValue, { maxLength: 2 }) }),
  of('delete', { table: name, where: fc.array(columnValue, { maxLength: 2 }) }),
  of('use', { database: identifier }),
) as fc.Arbitrary<Statement>;
