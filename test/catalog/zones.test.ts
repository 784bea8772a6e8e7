import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildDatabase,
  buildTables,
  catalogOf,
  configureZone,
  DEFAULT_ZONE,
  decodeZone,
  EMPTY_ZONE,
  encodeZone,
  initialZoneRows,
  MOVR_TABLES,
  nodeSatisfies,
  parseConstraints,
  parseLeasePreferences,
  printConstraints,
  printLeasePreferences,
  showZone,
  showZones,
  systemDescriptors,
  type ZoneChange,
  Zones,
  type ZoneTarget,
} from '#src/catalog/index.js';
import { fromHex, parseLocality, toHex } from '#src/keys/index.js';
import { fixtureCatalog, HAS_FIXTURES, parseCsv, truth } from './fixtures.js';

/** config column of system.zones in the v21.1-cluster backup, read from its SST. */
const REAL_ROWS: Readonly<Record<number, string>> = {
  0: '108080804018808080800222040890bf052801500058007800',
  1: '108080804018808080800222040890bf052801500058007800',
  16: '1080808040188080808002220308901c2801500058007800',
  17: '108080804018808080800222040890bf052801500058007800',
  22: '108080804018808080800222 0308d8042801500058007800',
  25: '220308d8042801500058007800',
  27: '220308d8042801500058007800',
  52: '10c0843d1880c2d72f500158017801',
  55: '220308d8042801500158017801',
};

const TIME = { wall: 1_700_000_000_000_000_000n, logical: 0 };
const MOVR = catalogOf(
  ...systemDescriptors(TIME),
  buildDatabase('movr', 52, TIME),
  ...buildTables(MOVR_TABLES, 53, { databaseId: 52, time: TIME }),
);
const NODES = ['region=us-east1,az=a', 'region=us-west1,az=b', 'region=europe-west1,az=c'].map((text) => ({
  locality: parseLocality(text),
}));
const CONTEXT = { currentDatabase: 'movr', nodes: NODES };

function set(settings: Record<string, string | number | boolean>): ZoneChange {
  return { kind: 'set', settings: Object.entries(settings).map(([name, value]) => ({ name, value })) };
}

function partition(name: string, index: string | undefined, table = 'rides'): ZoneTarget {
  return { kind: 'partition', partition: name, table, index };
}

function configured(...steps: readonly (readonly [ZoneTarget, ZoneChange])[]): Zones {
  return steps.reduce(
    (zones, [target, change]) => configureZone(MOVR, zones, target, change, CONTEXT).zones,
    Zones.decode(initialZoneRows()),
  );
}

describe('zone bytes', () => {
  it('decode and encode the real rows without a change', () => {
    for (const hex of Object.values(REAL_ROWS)) {
      const bytes = fromHex(hex);
      expect(toHex(encodeZone(decodeZone(bytes)))).toBe(toHex(bytes));
    }
    expect(decodeZone(fromHex(REAL_ROWS[52]!))).toMatchObject({
      rangeMinBytes: 1_000_000n,
      rangeMaxBytes: 100_000_000n,
      numReplicas: undefined,
      constraints: undefined,
    });
  });

  it('rows of releases before 21.1 and fields of newer ones survive', () => {
    for (const hex of ['220308901c50015801', `${REAL_ROWS[55]}8a01026869`, '4a00500058007801']) {
      expect(toHex(encodeZone(decodeZone(fromHex(hex))))).toBe(hex);
    }
  });

  it('refuse damaged rows with SV_CORRUPT_VALUE and nothing else', () => {
    const bytes = fromHex(REAL_ROWS[0]!);
    for (const length of [1, 6, 13, 16]) {
      expect(() => decodeZone(bytes.subarray(0, length))).toThrowError(/does not decode/);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (random) => {
        try {
          decodeZone(random);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SV_CORRUPT_VALUE' });
        }
      }),
    );
  });
});

describe('constraint texts', () => {
  it.each([
    ['[]', '[]'],
    ['', '[]'],
    ['[+region=us-west1,-ssd]', '[+region=us-west1, -ssd]'],
    ['["+region=us-west1"]', '[+region=us-west1]'],
    ["['+region=us-west1', '-a b']", "[+region=us-west1, '-a b']"],
    ['{"+region=west": 1}', '{+region=west: 1}'],
    ['{+region=west: 1, "+region=east,+ssd": 2}', "{'+region=east,+ssd': 2, +region=west: 1}"],
  ])('%s is printed as %s', (text, printed) => {
    expect(printConstraints(parseConstraints(text))).toBe(printed);
    expect(printConstraints(parseConstraints(printed))).toBe(printed);
  });

  it('lease preferences are lists of lists', () => {
    expect(printLeasePreferences(parseLeasePreferences('[[+region=us-east], [+region=us-west,+ssd]]'))).toBe(
      '[[+region=us-east], [+region=us-west, +ssd]]',
    );
    expect(parseLeasePreferences('[]')).toEqual([]);
  });

  it.each([
    ['[+region=a=b]', 'constraint needs to be in the form "(key=)value", not "region=a=b"'],
    ['[""]', 'the empty string is not a valid constraint'],
    ['+region=a', 'invalid constraints format. expected an array of strings or a map of strings to ints'],
    ['{+region=a: x}', 'invalid constraints format. expected an array of strings or a map of strings to ints'],
    ['[[+a]]', 'invalid constraints format. expected an array of strings or a map of strings to ints'],
    ['[+region=a', /could not parse zone config: malformed value/],
    ['[+region=a] x', /could not parse zone config: malformed value/],
    ['["+a]', /could not parse zone config: malformed value/],
  ])('%s is refused', (text, message) => {
    expect(() => parseConstraints(text)).toThrowError(message);
  });

  it('any text is parsed or refused, and printing what was parsed is stable', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('[', ']', '{', '}', ',', ':', '+', '-', 'a', '=', '1', ' ', '"', "'"),
          maxLength: 16,
        }),
        (text) => {
          let parsed: ReturnType<typeof parseConstraints>;
          try {
            parsed = parseConstraints(text);
          } catch (error) {
            expect(error).toMatchObject({ code: 'SV_CONSTRAINT' });
            return;
          }
          const printed = printConstraints(parsed);
          expect(printConstraints(parseConstraints(printed))).toBe(printed);
        },
      ),
    );
  });
});

describe.skipIf(!HAS_FIXTURES)('real zones', () => {
  it('print as SHOW ZONE CONFIGURATIONS printed them', () => {
    const catalog = fixtureCatalog('v21.1-cluster').with(
      catalogOf(
        ...[25, 27].map((id) => {
          const name = id === 25 ? 'replication_constraint_stats' : 'replication_stats';
          const spec = { name, columns: [{ name: 'k', type: 'INT8' }], primaryKey: ['k'] };
          return buildTables([spec], id, { databaseId: 1, time: TIME })[0]!;
        }),
      ).descriptors,
    );
    const zones = Zones.decode(
      Object.entries(REAL_ROWS).map(([id, hex]) => ({ id: Number(id), config: fromHex(hex) })),
    );
    const expected = parseCsv(truth('v21.1-cluster/show-zone-configurations.csv')).slice(1);
    expect(showZones(catalog, zones).map(({ target, rawConfigSql }) => [target, rawConfigSql])).toEqual(expected);
  });
});

describe('inheritance', () => {
  it('goes default, database, table, index, partition', () => {
    const zones = configured(
      [{ kind: 'database', name: 'movr' }, set({ num_replicas: 5 })],
      [{ kind: 'table', table: 'rides' }, set({ 'gc.ttlseconds': 600 })],
      [{ kind: 'index', table: 'rides', index: 'primary' }, set({ constraints: '[+region=us-east1]' })],
      [
        partition('us_west', 'primary'),
        set({ constraints: '[+region=us-west1]', lease_preferences: '[[+region=us-west1]]' }),
      ],
    );
    const rides = MOVR.tableById(55)!;
    expect(zones.ofTable(rides)).toMatchObject({ numReplicas: 5, gcTtlSeconds: 600, constraints: [] });
    expect(printConstraints(zones.ofSubzone(rides, 1, '').constraints!)).toBe('[+region=us-east1]');
    expect(zones.ofSubzone(rides, 1, 'us_west')).toMatchObject({ numReplicas: 5, gcTtlSeconds: 600 });
    expect(printConstraints(zones.ofSubzone(rides, 1, 'us_west').constraints!)).toBe('[+region=us-west1]');
    expect(printConstraints(zones.ofSubzone(rides, 1, 'us_east').constraints!)).toBe('[+region=us-east1]');
    expect(zones.ofSubzone(rides, 2, 'us_west').constraints).toEqual([]);
    expect(zones.ofRange('meta').gcTtlSeconds).toBe(3600);
    expect(zones.ofTable(MOVR.tableById(53)!)).toMatchObject({ numReplicas: 5, gcTtlSeconds: 90_000 });
  });

  it('cuts a table where configurations change, and keeps subzone spans of the row', () => {
    const zones = configured(
      [partition('us_west', 'primary'), set({ constraints: '[+region=us-west1]' })],
      [{ kind: 'index', table: 'rides', index: 'rides_auto_index_fk_city_ref_users' }, set({ num_replicas: 1 })],
    );
    const rides = MOVR.tableById(55)!;
    const row = decodeZone(encodeZone(zones.row(55)!));
    expect(row.numReplicas).toBe(0);
    expect(row.subzones.map(({ indexId, partitionName }) => [indexId, partitionName])).toEqual([
      [1, 'us_west'],
      [2, ''],
    ]);
    const key = (city: string) => `8912${Buffer.from(city).toString('hex')}0001`;
    expect(
      row.subzoneSpans.map(({ key: start, endKey, subzoneIndex }) => [toHex(start), toHex(endKey), subzoneIndex]),
    ).toEqual([
      [key('los angeles'), '', 0],
      [key('san francisco'), '', 0],
      [key('seattle'), '', 0],
      ['8a', '', 1],
    ]);
    const spans = zones.spansOfTable(MOVR, rides);
    expect(toHex(spans[0]!.span.key)).toBe('bf');
    expect(toHex(spans.at(-1)!.span.endKey)).toBe('c0');
    for (let index = 1; index < spans.length; index++) {
      expect(toHex(spans[index]!.span.key)).toBe(toHex(spans[index - 1]!.span.endKey));
    }
    expect(spans.map(({ subzone }) => subzone?.partitionName)).toEqual([
      undefined,
      'us_west',
      undefined,
      'us_west',
      undefined,
      'us_west',
      undefined,
      '',
      undefined,
    ]);
  });
});

describe('configureZone', () => {
  it('prints partitions and resolves PARTITION OF TABLE, OF INDEX t@* and DISCARD', () => {
    const all = configured([partition('us_west', '*'), set({ constraints: '[+region=us-west1]' })]);
    const shown = showZones(MOVR, all).slice(5);
    expect(shown.map(({ target }) => target)).toEqual([
      'PARTITION us_west OF INDEX movr.public.rides@primary',
      'PARTITION us_west OF INDEX movr.public.rides@rides_auto_index_fk_city_ref_users',
      'PARTITION us_west OF INDEX movr.public.rides@rides_auto_index_fk_vehicle_city_ref_vehicles',
    ]);
    expect(shown[1]!.rawConfigSql).toBe(
      "ALTER PARTITION us_west OF INDEX movr.public.rides@rides_auto_index_fk_city_ref_users CONFIGURE ZONE USING\n\tconstraints = '[+region=us-west1]'",
    );
    const one = configureZone(MOVR, all, partition('us_west', 'primary'), { kind: 'discard' }, CONTEXT);
    expect(one.changedIds).toEqual([55]);
    expect(one.zones.row(55)!.subzones.length).toBe(2);
    const none = configureZone(MOVR, all, partition('us_west', '*'), { kind: 'discard' }, CONTEXT);
    expect(none.zones.row(55)).toBeUndefined();
    const users = configured([partition('us_west', undefined, 'users'), set({ num_replicas: 1 })]);
    expect(users.row(53)!.subzones.length).toBe(1);
    expect(() => configured([partition('us_west', undefined), set({ num_replicas: 1 })])).toThrowError(
      'partition "us_west" exists on multiple indexes of table "rides"',
    );
  });

  it('copies from the parent, and USING DEFAULT inherits again', () => {
    const table: ZoneTarget = { kind: 'table', table: 'movr.rides' };
    const zones = configured(
      [{ kind: 'database', name: 'movr' }, set({ range_min_bytes: 1_000_000, range_max_bytes: 100_000_000 })],
      [
        table,
        {
          kind: 'set',
          settings: [
            { name: 'range_min_bytes', value: 5n },
            { name: 'range_max_bytes', copyFromParent: true },
          ],
        },
      ],
    );
    expect(zones.row(55)).toMatchObject({ rangeMinBytes: 5n, rangeMaxBytes: 100_000_000n });
    const reset = configureZone(MOVR, zones, table, { kind: 'default' }, CONTEXT).zones;
    expect(toHex(encodeZone(reset.row(55)!))).toBe(toHex(encodeZone(EMPTY_ZONE)));
    expect(showZone(MOVR, zones, { kind: 'table', table: 'vehicles' }, 'movr')[0]!.target).toBe('DATABASE movr');
    expect(showZone(MOVR, configured(), { kind: 'table', table: 'vehicles' }, 'movr')).toEqual([
      {
        target: 'RANGE default',
        rawConfigSql:
          "ALTER RANGE default CONFIGURE ZONE USING\n\trange_min_bytes = 134217728,\n\trange_max_bytes = 536870912,\n\tgc.ttlseconds = 90000,\n\tnum_replicas = 3,\n\tconstraints = '[]',\n\tlease_preferences = '[]'",
      },
    ]);
    const cleared = configureZone(MOVR, zones, { kind: 'range', name: 'default' }, { kind: 'default' }, CONTEXT).zones;
    expect(cleared.ofDefault()).toMatchObject({ numReplicas: DEFAULT_ZONE.numReplicas });
  });

  it.each<readonly [Record<string, string | number | boolean>, string]>([
    [
      { constraints: '[+region=us-west1, +region=us-east1]' },
      'incompatible zone constraints: "+region=us-west1" and "+region=us-east1"',
    ],
    [
      { constraints: '[+region=us-west1, -region=us-west1]' },
      'incompatible zone constraints: "+region=us-west1" and "-region=us-west1"',
    ],
    [
      { constraints: '[+region=mars]' },
      'constraint "+region=mars" matches no existing nodes within the cluster - did you enter it correctly?',
    ],
    [
      { num_replicas: 2 },
      'could not validate zone config: at least 3 replicas are required for multi-replica configurations',
    ],
    [{ num_replicas: 0 }, 'could not validate zone config: at least one replica is required'],
    [{ 'gc.ttlseconds': 0 }, 'could not validate zone config: GC.TTLSeconds 0 less than minimum allowed 1'],
    [
      { range_min_bytes: 1 },
      'could not validate zone config: range_min_bytes and range_max_bytes must be set together',
    ],
    [
      { range_min_bytes: 0, range_max_bytes: 1000 },
      'could not validate zone config: RangeMaxBytes 1000 less than minimum allowed 65536',
    ],
    [
      { constraints: '{+region=us-west1: 1}' },
      'could not validate zone config: when per-replica constraints are set, num_replicas must be set as well',
    ],
    [
      { num_replicas: 3, constraints: '{+region=us-west1: 2, +region=us-east1: 2}' },
      'could not validate zone config: the number of replicas specified in constraints (4) cannot be greater than the number of replicas configured for the zone (3)',
    ],
    [
      { num_replicas: 3, constraints: '{-region=us-west1: 1}' },
      "could not validate zone config: only required constraints (prefixed with a '+') can be applied to a subset of replicas",
    ],
    [
      { constraints: '[ssd]' },
      "could not validate zone config: constraints must either be required (prefixed with a '+') or prohibited (prefixed with a '-')",
    ],
    [
      { lease_preferences: '[[+region=us-west1]]' },
      'could not validate zone config: lease preferences can not be set unless the constraints are explicitly set as well',
    ],
    [{ replicas: 3 }, 'unsupported zone config parameter: "replicas"'],
    [{ num_replicas: 'three' }, 'argument of num_replicas must be type int, not "three"'],
  ])('refuses %o', (settings, message) => {
    expect(() => configured([{ kind: 'table', table: 'rides' }, set(settings)])).toThrowError(message);
  });

  it('refuses unknown targets, system config tables, and the end of the default', () => {
    const refuse =
      (target: ZoneTarget, change: ZoneChange = set({ num_replicas: 1 })) =>
      () =>
        configured([target, change]);
    expect(refuse({ kind: 'range', name: 'x' })).toThrowError('"x" is not a built-in zone');
    expect(refuse({ kind: 'database', name: 'x' })).toThrowError('database "x" does not exist');
    expect(refuse({ kind: 'table', table: 'x' })).toThrowError('table "x" does not exist');
    expect(refuse({ kind: 'index', table: 'rides', index: 'x' })).toThrowError('index "x" does not exist');
    expect(refuse(partition('x', 'primary'))).toThrowError('partition "x" does not exist on index "primary"');
    expect(refuse(partition('x', undefined))).toThrowError('partition "x" does not exist on table "rides"');
    expect(refuse({ kind: 'table', table: 'system.users' })).toThrowError(
      /cannot set zone configs for system config tables/,
    );
    expect(refuse({ kind: 'range', name: 'default' }, { kind: 'discard' })).toThrowError('cannot remove default zone');
  });

  it('nodes satisfy constraints by tier', () => {
    const node = { locality: parseLocality('region=a,zone=b'), attributes: ['ssd'] };
    const holds = (text: string) => nodeSatisfies(node, parseConstraints(`[${text}]`)[0]!.constraints[0]!);
    expect(['+region=a', '-region=a', '+region=b', '-region=b', '+ssd', '-ssd', 'x'].map(holds)).toEqual([
      true,
      false,
      false,
      true,
      true,
      false,
      true,
    ]);
  });
});
