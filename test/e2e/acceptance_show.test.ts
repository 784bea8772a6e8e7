import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { workloadInit } from '#src/cluster/index.js';
import { type Engine, execute, openEngine, openSession, type Row } from '#src/statements/index.js';
import { BARE, BUCKETS, closeAll, filesBelow, newCluster, storageOf } from './test_cluster.js';

/*
 * The acceptance list of locality-aware backups (crdb-features.md, section 11): what SHOW tells, line by line.
 */

describe('acceptance: SHOW', () => {
  let engine: Engine;
  let subdir: string;
  let totals: { readonly rows: number; readonly bytes: number };
  let extern: string;

  beforeAll(async () => {
    const cluster = await newCluster(['region=us-east1,az=a', 'region=us-west1,az=a', '']);
    extern = cluster.externalIODir;
    await workloadInit(cluster, 'movr', { rows: 300, regions: { europe_west: 'us-east1' } });
    const targets = { kind: 'databases', names: ['movr'] } as const;
    const storage = storageOf(cluster);
    const taken = await backup({ source: cluster.source(), into: BUCKETS, targets, storage });
    subdir = taken.subdir;
    totals = { rows: taken.rows, bytes: taken.bytes };
    await cluster.close();
    engine = await openEngine(cluster.directory);
  });
  afterAll(async () => {
    await engine.close();
    await closeAll();
  });

  async function run(statement: string, node = 1): Promise<{ readonly names: string[]; readonly rows: Row[] }> {
    const { columns, rows } = await execute(openSession(engine, { node }), statement);
    const read: Row[] = [];
    for await (const row of rows) read.push(row);
    return { names: columns.map(({ name }) => name), rows: read };
  }
  const list = (uris: readonly string[]): string => `(${uris.map((uri) => `'${uri}'`).join(', ')})`;

  it('line 10: SHOW LOCALITY with and without a locality', async () => {
    expect(await run('SHOW LOCALITY;')).toEqual({ names: ['locality'], rows: [['region=us-east1,az=a']] });
    expect(await run('SHOW LOCALITY', 2)).toEqual({ names: ['locality'], rows: [['region=us-west1,az=a']] });
    expect(await run('SHOW LOCALITY', 3)).toEqual({ names: ['locality'], rows: [['']] });
  });

  it('line 10: SHOW BACKUPS from the default location and from another', async () => {
    expect(subdir).toMatch(/^\/\d{4}\/\d\d\/\d\d-\d{6}\.\d\d$/);
    expect(await run(`SHOW BACKUPS IN '${BARE[0]}'`)).toEqual({ names: ['path'], rows: [[subdir]] });
    expect(await run(`SHOW BACKUPS IN '${BARE[1]}/'`)).toEqual({ names: ['path'], rows: [] });
  });

  it.each([
    ['with COCKROACH_LOCALITY', BUCKETS],
    ['bare', BARE],
    ['in another order', [...BARE].reverse()],
  ])('line 10: SHOW BACKUP, URIs %s', async (_title, uris) => {
    const { names, rows } = await run(`SHOW BACKUP FROM LATEST IN ${list(uris)}`);
    expect(names).toEqual([
      'database_name',
      'parent_schema_name',
      'object_name',
      'object_type',
      'backup_type',
      'start_time',
      'end_time',
      'size_bytes',
      'rows',
      'is_full_cluster',
      'regions',
    ]);
    expect(rows.map((row) => row.slice(0, 5))).toEqual([
      [null, null, 'movr', 'database', 'full'],
      ...['users', 'vehicles', 'rides', 'vehicle_location_histories', 'promo_codes', 'user_promo_codes'].map((name) => [
        'movr',
        'public',
        name,
        'table',
        'full',
      ]),
    ]);
    // Sizes and rows are summed over the parts in all locations.
    const sum = (column: number): number => rows.reduce((total, row) => total + Number(row[column] ?? 0), 0);
    expect([sum(7), sum(8)]).toEqual([totals.bytes, totals.rows]);
    expect(new Set(rows.map((row) => `${row[5]} ${row[9]} ${row[10]}`))).toEqual(new Set(['null false null']));
  });

  it('line 10: SHOW BACKUP without one location names the part that is missing', async () => {
    await expect(run(`SHOW BACKUP FROM LATEST IN ${list([BARE[0], BARE[2]])}`)).rejects.toMatchObject({
      code: 'SV_MISSING_PART',
      message: 'expected manifest BACKUP_PART_1_region=us-west1 not found in backup locations',
    });
  });

  it('line 11: check_files with 0, 1 and 12 missing files over two localities names at most ten', async () => {
    const statement = `SHOW BACKUP FROM '${subdir}' IN ${list(BARE)} WITH check_files`;
    const whole = await run(statement);
    expect(whole.names.at(-1)).toBe('file_bytes');
    const physical = whole.rows.reduce((sum, row) => sum + Number(row.at(-1) ?? 0), 0);
    expect(physical).toBeGreaterThan(0);

    const sstsOf = (node: number): string[] =>
      filesBelow(join(extern, String(node))).filter((file) => file.startsWith('b/') && /\/data\/\d+\.sst$/.test(file));
    const [east, west] = [sstsOf(1).slice(0, 6), sstsOf(2).slice(0, 6)];
    expect([east.length, west.length]).toEqual([6, 6]);
    const uriOf = (node: number, file: string): string => `nodelocal://${node}/${file}`;
    const refusal = async (): Promise<string> =>
      run(statement).then(
        () => 'accepted',
        (error: Error) => error.message,
      );

    rmSync(join(extern, '2', west[0]!));
    expect(await refusal()).toBe(`The following files are missing from the backup:\n\t${uriOf(2, west[0]!)}`);
    for (const file of east) rmSync(join(extern, '1', file));
    for (const file of west) rmSync(join(extern, '2', file), { force: true });
    const lines = (await refusal()).split('\n');
    expect(lines[0]).toBe('The following files are missing from the backup:');
    const gone = new Set([...east.map((file) => uriOf(1, file)), ...west.map((file) => uriOf(2, file))]);
    expect(lines.length).toBe(11);
    expect(new Set(lines.slice(1)).size).toBe(10);
    for (const line of lines.slice(1)) expect(gone.has(line.trim()), line).toBe(true);
    // Without the option, metadata alone is read.
    expect((await run(statement.replace(' WITH check_files', ''))).rows.length).toBe(7);
  });
});
