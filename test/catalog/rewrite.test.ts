import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildDatabase,
  buildSchema,
  buildTable,
  Catalog,
  type CatalogTargets,
  catalogOf,
  type Descriptor,
  decodeDescriptor,
  keyRewrites,
  planRestore,
  type RestoreOptions,
  renameDatabases,
  requireEmptyCluster,
  rewriteDescriptors,
  rewriteExpressionIds,
  stampDescriptor,
  systemDescriptors,
  tableDependencies,
} from '#src/catalog/index.js';
import { EMPTY_TIMESTAMP, toHex } from '#src/keys/index.js';
import { everyDescriptor, fixtureCatalog, HAS_FIXTURES } from './fixtures.js';
import { Descriptor as Wrapper } from './messages.js';

const TIME = { wall: 1_700_000_000_000_000_000n, logical: 3 };
const EXISTING = catalogOf(
  ...systemDescriptors(TIME),
  buildDatabase('defaultdb', 50, TIME),
  buildDatabase('target', 51, TIME, { schemas: [{ name: 'sc', id: 52 }] }),
  buildSchema('sc', 52, 51, TIME),
);

function restore(
  backup: Catalog,
  targets: Exclude<CatalogTargets, { kind: 'cluster' }>,
  options: RestoreOptions = {},
  existing = EXISTING,
) {
  return planRestore(backup, existing, targets, options, { nextId: 100, time: TIME });
}

function tables(...patterns: string[]): Exclude<CatalogTargets, { kind: 'cluster' }> {
  return { kind: 'tables', patterns, currentDatabase: 'defaultdb' };
}

describe('expressions', () => {
  it('change ids of sequences, types and functions outside of literals', () => {
    const ids = new Map([
      [52, 152],
      [53, 7],
      [54, 500_000],
    ]);
    const rewrite = (text: string) => rewriteExpressionIds(text, ids);
    expect(rewrite('nextval(52:::REGCLASS)')).toBe('nextval(152:::REGCLASS)');
    expect(rewrite("nextval('52:::REGCLASS':::STRING)")).toBe("nextval('52:::REGCLASS':::STRING)");
    expect(rewrite("'sad':::@100053 = b::@100054 || 'it''s @100053'")).toBe(
      "'sad':::@100007 = b::@600054 || 'it''s @100053'".replace('600054', '600000'),
    );
    expect(rewrite('[FUNCTION 100053](a)')).toBe('[FUNCTION 100007](a)');
    expect(rewrite('@99 + 52 + nextval(51:::REGCLASS)')).toBe('@99 + 52 + nextval(51:::REGCLASS)');
  });

  it('change databases of fully qualified names of a query only', () => {
    const rename = (text: string) => renameDatabases(text, new Set(['tt', 'My "DB"']), 'new db');
    expect(rename('SELECT a, b FROM tt.public.idx WHERE a < 10')).toBe(
      'SELECT a, b FROM "new db".public.idx WHERE a < 10',
    );
    expect(rename(`SELECT t.a, 'tt.public.idx' FROM "My ""DB""".sc."T" AS t`)).toBe(
      `SELECT t.a, 'tt.public.idx' FROM "new db".sc."T" AS t`,
    );
    expect(rename('SELECT tt.a FROM public.tt, xtt.public.a, a.tt.public.b')).toBe(
      'SELECT tt.a FROM public.tt, xtt.public.a, a.tt.public.b',
    );
  });
});

describe.skipIf(!HAS_FIXTURES)('rewriting real descriptors', () => {
  const all = HAS_FIXTURES ? everyDescriptor().map(({ descriptor }) => descriptor) : [];
  const byManifest = (): Descriptor[][] => {
    const groups = new Map<string, Descriptor[]>();
    for (const { manifest, descriptor } of everyDescriptor())
      groups.set(manifest, [...(groups.get(manifest) ?? []), descriptor]);
    return [...groups.values()];
  };

  it('identity gives the same bytes', () => {
    const ids = new Map(all.map(({ id }) => [id, id]));
    for (const missing of ['keep', 'drop'] as const) {
      for (const group of byManifest()) {
        // The manifest of 1.0.7 holds references to nothing outside of it, like all the others.
        const raw = rewriteDescriptors(group, { ids, missing });
        raw.forEach((bytes, index) => {
          expect(bytes, group[index]!.name).toBe(group[index]!.raw);
        });
      }
    }
  });

  it('there and back gives the same bytes, whatever the new ids', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 2 ** 20 }), fc.boolean(), (base, large) => {
        for (const group of byManifest()) {
          const movable = group.filter(({ id }) => id !== 1);
          const there = new Map(movable.map(({ id }) => [id, large ? base * 1000 + id : base + id]));
          const back = new Map([...there].map(([from, to]) => [to, from]));
          const moved = rewriteDescriptors(group, { ids: there, missing: 'keep' }).map(decodeDescriptor);
          for (const [index, one] of moved.entries())
            expect(one.id).toBe(there.get(group[index]!.id) ?? group[index]!.id);
          const returned = rewriteDescriptors(moved, { ids: back, missing: 'keep' });
          returned.forEach((bytes, index) => {
            expect(toHex(bytes), group[index]!.name).toBe(toHex(group[index]!.raw));
          });
        }
      }),
      { numRuns: 8 },
    );
  });

  it('no old id is left in a rewritten catalog', () => {
    const types = fixtureCatalog('v21.1-types');
    const ids = new Map(types.descriptors.map(({ id }) => [id, id + 1000]));
    const moved = new Catalog(rewriteDescriptors(types.descriptors, { ids, missing: 'keep' }).map(decodeDescriptor));
    for (const table of moved.tables()) {
      const needs = tableDependencies(table);
      for (const id of [...needs.references, ...needs.reads, ...needs.types, ...needs.usesSequences]) {
        expect(moved.byId(id), `${table.name} ${id}`).toBeDefined();
      }
      expect(moved.databaseById(table.parentId)?.name).toBe('tt');
    }
    expect(moved.qualifiedName(moved.tableById(1063)!)).toBe('tt.sc.inschema');
    expect(moved.schema(1052, 'sc')?.id).toBe(1062);
    expect(moved.typeById(1053)!.message).toMatchObject({ arrayTypeId: 1054, referencingDescriptorIds: [1055, 1063] });
    expect(moved.typeById(1054)!.message.alias).toMatchObject({
      oid: 101054,
      arrayContents: { oid: 101053, udtMetadata: { stableArrayTypeId: 101054 } },
    });
    expect(JSON.stringify(Wrapper.decode(moved.tableById(1055)!.raw))).not.toMatch(/10005[34]/);
  });

  it('interleaved tables of 1.0 keep their structure', () => {
    const old = fixtureCatalog('v1.0.7');
    const t3 = old.tables().find(({ name }) => name === 't3')!;
    const t4 = old.tables().find(({ name }) => name === 't4')!;
    const ids = new Map([
      [t3.id, 500],
      [t4.id, 501],
    ]);
    const [moved3, moved4] = rewriteDescriptors([t3, t4], { ids, missing: 'keep' }).map(decodeDescriptor);
    if (moved3?.kind !== 'table' || moved4?.kind !== 'table') throw new Error('no table');
    expect(moved4.message.primaryIndex?.interleave?.ancestors?.[0]?.tableId).toBe(500);
    expect(moved3.message.primaryIndex?.interleavedBy?.[0]?.table).toBe(501);
  });

  it('stamps version and time', () => {
    const rides = fixtureCatalog('v21.1-cluster').tableById(55)!;
    const stamped = decodeDescriptor(stampDescriptor(rides, 1, TIME));
    expect(stamped).toMatchObject({ version: 1, modificationTime: TIME, name: 'rides' });
    expect(toHex(stampDescriptor(stamped, rides.version, rides.modificationTime))).toBe(toHex(rides.raw));
    expect(decodeDescriptor(stampDescriptor(rides, 1, EMPTY_TIMESTAMP)).modificationTime).toEqual(EMPTY_TIMESTAMP);
  });
});

describe.skipIf(!HAS_FIXTURES)('planRestore', () => {
  const types = HAS_FIXTURES ? fixtureCatalog('v21.1-types') : EXISTING;
  const cluster = HAS_FIXTURES ? fixtureCatalog('v21.1-cluster') : EXISTING;

  it('a whole database: new ids in the old order, keys rewritten, privileges reset', () => {
    const plan = restore(cluster, { kind: 'databases', names: ['movr'] }, { newDbName: 'movr2' });
    const made = Catalog.decode(plan.descriptors);
    expect([...plan.ids]).toEqual([52, 53, 54, 55, 56, 57, 58].map((id, index) => [id, 100 + index]));
    expect(plan.nextId).toBe(107);
    expect(made.database('movr2')?.id).toBe(100);
    const rides = made.tableById(103)!;
    expect(rides).toMatchObject({ parentId: 100, version: 1, modificationTime: TIME });
    expect(rides.message.outboundFks.map((key) => [key.originTableId, key.referencedTableId])).toEqual([
      [103, 101],
      [103, 102],
    ]);
    expect(rides.message.inboundFks.map((key) => [key.originTableId, key.referencedTableId])).toEqual([[104, 103]]);
    expect(rides.message.privileges?.users?.map((one: { user?: string | null }) => one.user)).toEqual([
      'admin',
      'root',
    ]);
    expect(plan.keyRewrites.map(({ from, to }) => `${toHex(from)}>${toHex(to)}`).slice(0, 4)).toEqual([
      'bd89>ed89',
      'be89>ee89',
      'be8a>ee8a',
      'bf89>ef89',
    ]);
  });

  it('a database with a schema, types, a view and a sequence', () => {
    const plan = restore(types, { kind: 'databases', names: ['tt'] }, { newDbName: 'copy' });
    const made = Catalog.decode(plan.descriptors);
    expect(made.descriptors.length).toBe(types.descriptors.length);
    const view = made.tables().find(({ name }) => name === 'v')!;
    expect(view.message.viewQuery).toBe('SELECT a, b FROM copy.public.idx WHERE a < 10');
    expect(view.message.dependsOn).toEqual([plan.ids.get(58)]);
    expect(made.schema(100, 'sc')?.id).toBe(plan.ids.get(62));
    expect(keyRewrites([types.tableById(64)!], plan.ids)).toEqual([]);
  });

  it('one table into a database that exists, with its type and schema', () => {
    const plan = restore(types, tables('tt.sc.inschema'), { intoDb: 'target', skipMissingForeignKeys: true });
    const made = Catalog.decode(plan.descriptors);
    expect([...plan.ids].sort()).toEqual([
      [53, 100],
      [54, 101],
      [62, 52],
      [63, 102],
    ]);
    const table = made.tableById(102)!;
    expect(table).toMatchObject({ parentId: 51, parentSchemaId: 52 });
    expect(table.message.outboundFks).toEqual([]);
    expect(table.message.columns[1]!.type).toMatchObject({ oid: 100100, udtMetadata: { stableArrayTypeId: 100101 } });
    expect(made.typeById(100)!.message).toMatchObject({
      parentId: 51,
      parentSchemaId: 29,
      referencingDescriptorIds: [102],
    });
    expect(plan.updated).toEqual([]);
  });

  it('creates a schema in a database that lacks it, and re-uses an equal type', () => {
    const bare = catalogOf(buildDatabase('target', 51, TIME));
    const first = restore(types, tables('tt.sc.inschema'), { intoDb: 'target', skipMissingForeignKeys: true }, bare);
    expect(first.updated.length).toBe(1);
    const after = new Catalog([
      ...bare.descriptors,
      ...first.descriptors.map(decodeDescriptor),
      ...first.updated.map(decodeDescriptor),
    ]);
    expect(after.schema(51, 'sc')?.id).toBe(first.ids.get(62));
    const second = planRestore(types, after, tables('tt.alltypes'), { intoDb: 'target' }, { nextId: 200 });
    expect(second.ids.get(53)).toBe(first.ids.get(53));
    expect(second.descriptors.length).toBe(1);
    const updated = Catalog.decode(second.updated);
    expect(updated.typeById(first.ids.get(53)!)!.message.referencingDescriptorIds).toEqual([first.ids.get(63), 200]);
    const other = catalogOf(
      buildDatabase('target', 51, TIME),
      buildTable({ name: 'mood', columns: [{ name: 'a', type: 'INT8' }], primaryKey: ['a'] }, 60, {
        databaseId: 51,
        time: TIME,
      }),
    );
    expect(() => restore(types, tables('tt.alltypes'), { intoDb: 'target' }, other)).toThrowError(
      'relation "mood" already exists',
    );
  });

  it('system tables go into a database as ordinary tables', () => {
    const plan = restore(cluster, tables('system.zones'), { intoDb: 'target' });
    const zones = Catalog.decode(plan.descriptors).tableById(100)!;
    expect(zones).toMatchObject({ name: 'zones', parentId: 51, parentSchemaId: 29 });
    expect(plan.keyRewrites.map(({ from, to }) => [toHex(from), toHex(to)])).toEqual([['8d89', 'ec89']]);
  });

  it('drops what skip options allow: sequences, owners, views', () => {
    const skipped = restore(types, tables('tt.useseq'), { intoDb: 'target', skipMissingSequences: true });
    const column = Catalog.decode(skipped.descriptors).tableById(100)!.message.columns[0]!;
    expect(column.usesSequenceIds).toEqual([]);
    expect(Object.hasOwn(column, 'defaultExpr')).toBe(false);
    const view = restore(types, tables('tt.v', 'tt.hist'), { intoDb: 'target', skipMissingViews: true });
    expect(view.tables.map(({ name }) => name)).toEqual(['hist']);
    const sequence = restore(types, tables('tt.sq'), { intoDb: 'target' });
    expect(Catalog.decode(sequence.descriptors).tableById(100)!.message.dependedOnBy).toEqual([]);
  });

  describe('R #132202: sequences and owners of which one is gone', () => {
    const useseq = types.tables().find(({ name }) => name === 'useseq')!;
    const sq = types.tables().find(({ name }) => name === 'sq')!;
    type Message = typeof useseq.message;
    const edited = (table: typeof useseq, change: Partial<Message>): Descriptor =>
      decodeDescriptor(Wrapper.encode({ table: { ...table.message, ...change } }).finish());
    const catalog = (...changed: Descriptor[]): Catalog =>
      new Catalog([...types.descriptors.filter(({ id }) => !changed.some((one) => one.id === id)), ...changed]);
    const gone = { ...useseq.message.columns.at(-1)!, id: 90, name: 'gone' };

    it('a backup taken while the owning column is dropped restores, and nobody owns the sequence', () => {
      const dropping = edited(useseq, {
        mutations: [
          {
            direction: 2,
            column: { ...gone, defaultExpr: 'nextval(999:::REGCLASS)', usesSequenceIds: [999], ownsSequenceIds: [999] },
          },
        ],
      });
      const sequenceOwner = { ownerTableId: useseq.id, ownerColumnId: 90 };
      const owned = edited(sq, { sequenceOpts: { ...sq.message.sequenceOpts, sequenceOwner } });
      const made = Catalog.decode(
        restore(catalog(dropping, owned), { kind: 'databases', names: ['tt'] }, { newDbName: 'x' }).descriptors,
      );
      const named = (name: string) => made.tables().find((table) => table.name === name)!.message;
      expect(named('sq').sequenceOpts?.sequenceOwner?.ownerTableId ?? 0).toBe(0);
      const column = named('useseq').mutations[0]!.column!;
      expect([column.ownsSequenceIds, column.usesSequenceIds, column.defaultExpr ?? '']).toEqual([[], [], '']);
    });

    it('an owner without its sequence, and a sequence without its owner, ask for the option', () => {
      const option = '(or "skip_missing_sequence_owners" option)';
      const skip = { intoDb: 'target', skipMissingSequences: true, skipMissingSequenceOwners: true };
      const owner = catalog(
        edited(useseq, { columns: [...useseq.message.columns, { ...gone, ownsSequenceIds: [999] }] }),
      );
      const asked = { intoDb: 'target', skipMissingSequences: true };
      expect(() => restore(owner, tables('tt.useseq'), asked)).toThrow(
        `cannot restore table "useseq" without referenced sequence 999 ${option}`,
      );
      const restored = Catalog.decode(restore(owner, tables('tt.useseq'), skip).descriptors).tableById(100)!;
      expect(restored.message.columns.at(-1)!.ownsSequenceIds).toEqual([]);
      const sequenceOwner = { ownerTableId: 998, ownerColumnId: 1 };
      const owned = catalog(edited(sq, { sequenceOpts: { ...sq.message.sequenceOpts, sequenceOwner } }));
      expect(() => restore(owned, tables('tt.sq'), { intoDb: 'target' })).toThrow(
        `cannot restore sequence "sq" without referenced owner table 998 ${option}`,
      );
      const alone = Catalog.decode(restore(owned, tables('tt.sq'), skip).descriptors).tableById(100)!;
      expect(alone.message.sequenceOpts?.sequenceOwner?.ownerTableId ?? 0).toBe(0);
    });
  });

  it.each<readonly [string[], RestoreOptions, string]>([
    [
      ['tt.sc.inschema'],
      { intoDb: 'target' },
      'cannot restore table "inschema" without referenced table 58 (or "skip_missing_foreign_keys" option)',
    ],
    [
      ['tt.useseq'],
      { intoDb: 'target' },
      'cannot restore table "useseq" without referenced sequence 65 (or "skip_missing_sequences" option)',
    ],
    [
      ['tt.v'],
      { intoDb: 'target' },
      'cannot restore view "v" without restoring referenced table (or "skip_missing_views" option)',
    ],
    [['tt.hist'], {}, 'a database named "tt" needs to exist to restore table "hist"'],
    [['tt.hist'], { intoDb: 'nope' }, 'a database named "nope" needs to exist to restore table "hist"'],
    [['tt.nope'], {}, 'table "tt.nope" does not exist'],
    [
      ['tt.hist'],
      { newDbName: 'x' },
      'new_db_name can only be used for RESTORE DATABASE with a single target database',
    ],
  ])('refuses %o with %o', (patterns, options, message) => {
    expect(() => restore(types, tables(...patterns), options)).toThrowError(message);
  });

  it('refuses names that are taken', () => {
    const databases = (name: string): CatalogTargets & { kind: 'databases' } => ({ kind: 'databases', names: [name] });
    expect(() => restore(types, databases('tt'), { intoDb: 'target' })).toThrowError(
      'cannot use "into_db" option when restoring database(s)',
    );
    expect(() => restore(types, databases('tt'), { newDbName: 'target' })).toThrowError(
      'database "target" already exists',
    );
    expect(() => restore(cluster, databases('defaultdb'))).toThrowError('database "defaultdb" already exists');
    expect(() => restore(cluster, databases('system'))).toThrowError('database "system" already exists');
    const once = restore(types, tables('tt.hist'), { intoDb: 'target' });
    const after = EXISTING.with(once.descriptors.map(decodeDescriptor));
    expect(() => restore(types, tables('tt.hist'), { intoDb: 'target' }, after)).toThrowError(
      'relation "hist" already exists',
    );
    expect(() => restore(cluster, tables('movr.users', 'system.users'), { intoDb: 'target' })).toThrowError(
      'relation "users" already exists',
    );
  });
});

describe('requireEmptyCluster', () => {
  it('lets default databases pass and names the others', () => {
    expect(() => requireEmptyCluster(EXISTING)).toThrowError(
      'full cluster restore can only be run on a cluster with no tables or databases but found 2 descriptors: [target sc]',
    );
    requireEmptyCluster(catalogOf(...systemDescriptors(TIME), buildDatabase('defaultdb', 50, TIME)));
  });
});
