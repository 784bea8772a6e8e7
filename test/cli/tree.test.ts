import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { paint } from '#src/cli/io.js';
import { treePage } from '#src/cli/tree_page.js';
import { speaksUnicode, type TreeStyle, treeLines } from '#src/cli/tree_text.js';
import type { BackupTree, TreeLayer } from '#src/verify/index.js';
import { emptyBucket, locationsOf, writeSyntheticChain } from '../support/synthetic_chain.js';
import { runWith } from './fakes.js';

const scratch = mkdtempSync(join(tmpdir(), 'spanvault-tree-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const plain = paint({ isTTY: false } as never, {});
const style = (change: Partial<TreeStyle> = {}): TreeStyle => ({
  width: 110,
  unicode: true,
  colours: plain,
  all: false,
  ...change,
});
const draw = (tree: BackupTree, change?: Partial<TreeStyle>): string => [...treeLines(tree, style(change))].join('');

const at = (seconds: number) => ({ wall: BigInt(1_700_000_000 + seconds) * 1_000_000_000n, logical: 0 });
const bucket = (locality: string, files: number, dataBytes: number, missing: readonly string[] = []) => ({
  locality,
  location: locality === '' ? 's3://east/b' : 's3://west/b',
  files,
  dataBytes,
  fileBytes: dataBytes / 2,
  missing,
});
const layer = (type: TreeLayer['type'], start: number | null, end: number, east: number, west: number): TreeLayer => ({
  type,
  directory: `/${end}`,
  startTime: start === null ? null : at(start),
  endTime: at(end),
  revisionsFrom: null,
  rows: 1000,
  indexEntries: 0,
  dataBytes: east + west,
  tables: 6,
  onPath: true,
  buckets: [bucket('', 2, east), bucket('region=us-west', west === 0 ? 0 : 1, west)],
});
const TREE: BackupTree = {
  location: 's3://east/b',
  subdir: '/2023/11/14-221320.00',
  clusterId: '',
  version: '23.1',
  isFullCluster: false,
  databases: ['movr'],
  layers: [
    layer('full', null, 0, 3e6, 1e6),
    layer('incremental', 0, 3600, 2e5, 1e5),
    { ...layer('compacted', 0, 7200, 4e5, 0), onPath: true },
    { ...layer('incremental', 3600, 7200, 2e5, 0), onPath: false },
  ],
  buckets: [bucket('', 8, 3.8e6), bucket('region=us-west', 2, 1.1e6)],
  broken: undefined,
  notices: [],
  filesChecked: true,
};

describe('the tree on a terminal', () => {
  test('shows layers, what of them lies in which bucket, and the whole', () => {
    expect(draw(TREE)).toMatchInlineSnapshot(`
      "/2023/11/14-221320.00 in s3://east/b
      │  movr, 6 tables, 1 full and 2 incrementals, 1 compacted, 4.90 MB, CockroachDB 23.1
      ├─ ● full        ends 2023-11-14 22:13:20         1,000 rows  4.00 MB ████████████████
      │    ├─ default            2 files  3.00 MB  s3://east/b
      │    └─ region=us-west      1 file  1.00 MB  s3://west/b
      ├─ ○ incremental ends 2023-11-14 23:13:20         1,000 rows   300 kB █···············  1 h 0 min of changes
      │    ├─ default            2 files   200 kB  s3://east/b
      │    └─ region=us-west      1 file   100 kB  s3://west/b
      ├─ ◆ compacted   ends 2023-11-15 00:13:20         1,000 rows   400 kB ██··············  2 h 0 min of changes
      │    └─ default            2 files   400 kB  s3://east/b
      └─ ○ incremental ends 2023-11-15 00:13:20         1,000 rows   200 kB █···············  not read, 1 h 0 min o…
           └─ default            2 files   200 kB  s3://east/b

      buckets
      ├─ default            8 files  3.80 MB  s3://east/b  ████████████····  78 %
      └─ region=us-west     2 files  1.10 MB  s3://west/b  ████············  22 %

      all 10 files are there, 2.45 MB on disk
      "
    `);
  });

  test('in ASCII where the terminal does not speak UTF-8, narrow, and with files missing', () => {
    const lost = ['s3://west/b/1.sst', 's3://west/b/2.sst'];
    const tree = {
      ...TREE,
      layers: TREE.layers.slice(0, 2),
      buckets: [TREE.buckets[0]!, bucket('region=us-west', 2, 1.1e6, lost)],
    };
    expect(draw(tree, { unicode: false, width: 60 })).toMatchInlineSnapshot(`
      "/2023/11/14-221320.00 in s3://east/b
      |  movr, 6 tables, 1 full and 1 incremental, 4.30 MB, Coc...
      |- * full        ends 11-14 22:13:20  4.00 MB
      |    |- default            2 files  3.00 MB  s3://east/b
      |    \`- region=us-west      1 file  1.00 MB  s3://west/b
      \`- o incremental ends 11-14 23:13:20   300 kB  1 h 0 min ...
           |- default            2 files   200 kB  s3://east/b
           \`- region=us-west      1 file   100 kB  s3://west/b

      buckets
      |- default            8 files  3.80 MB  s3://east/b  78 %
      \`- region=us-west     2 files  1.10 MB  x 2 files missing  22 %

      x 2 files missing
         s3://west/b/1.sst
         s3://west/b/2.sst
      "
    `);
  });

  test('no line is wider than the terminal, whatever its names', () => {
    const odd = {
      ...TREE,
      location: `s3://${'bucket-with-a-long-name-'.repeat(6)}/日本語/路径`,
      databases: ['数据库'.repeat(20), 'b'],
      buckets: TREE.buckets.map((one) => ({ ...one, location: `s3://${'x'.repeat(150)}/日本語` })),
      layers: TREE.layers.map((one) => ({
        ...one,
        buckets: one.buckets.map((inner) => ({ ...inner, location: `s3://${'x'.repeat(150)}/日本語` })),
      })),
    };
    for (let width = 60; width <= 200; width += 7) {
      for (const line of draw(odd, { width }).split('\n')) {
        const columns = [...line].reduce((sum, char) => sum + (/[\u3000-\u9fff]/.test(char) ? 2 : 1), 0);
        expect(columns, `${width}: ${line}`).toBeLessThanOrEqual(width);
      }
    }
  });

  test('nothing in a name reaches the terminal as a command', () => {
    const text = draw({ ...TREE, location: 's3://\u001b[2Jx', databases: ['a\u0007b'] });
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('a long chain loses its middle, not its sums; --all draws it', () => {
    const layers = [
      TREE.layers[0]!,
      ...Array.from({ length: 400 }, (_, index) => layer('incremental', index, index + 1, 10, 0)),
    ];
    const tree = { ...TREE, layers };
    expect(draw(tree).split('\n').length).toBeLessThan(40);
    expect(draw(tree)).toContain(
      '… 390 layers, 3.90 kB, ends 2023-11-14 22:13:23 → 2023-11-14 22:19:52 (--all draws them)',
    );
    expect(draw(tree, { all: true }).match(/○/g)?.length).toBe(400);
  });

  test('says what breaks the chain', () => {
    expect(draw({ ...TREE, broken: 'backups are not continuous: …' })).toContain('✗ backups are not continuous: …');
  });

  test.each([
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LC_ALL: 'C', LANG: 'en_US.UTF-8' }, false],
    [{ LC_ALL: '', LC_CTYPE: 'C.utf8' }, true],
    [{}, false],
  ])('%j', (env, unicode) => {
    expect(speaksUnicode(env)).toBe(unicode);
  });
});

describe('the page', () => {
  test('needs nothing from anywhere, and escapes every name', () => {
    const html = treePage({
      ...TREE,
      location: 's3://<b>&"x"',
      databases: ['<script>alert(1)</script>'],
      notices: ['<i>left out</i>'],
      buckets: [bucket('', 1, 1, ['s3://<img>'])],
    });
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:|src=/i);
    expect(html).toContain('&#60;script&#62;');
    expect(html).toContain('1 file missing');
  });

  test('of a chain with 400 layers has one bar and one row for each', () => {
    const layers = [
      TREE.layers[0]!,
      ...Array.from({ length: 400 }, (_, index) => layer('incremental', index, index + 1, 10, 5)),
    ];
    const html = treePage({ ...TREE, layers });
    expect(html.match(/<tr/g)?.length).toBeGreaterThanOrEqual(401);
    expect(html.match(/<title>incremental/g)?.length).toBe(400);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  test.each(['empty full', 'only a full', 'broken'])('%s: no number is nonsense', (kind) => {
    const full = layer('full', null, 0, 0, 0);
    const tree =
      kind === 'broken'
        ? { ...TREE, broken: 'gap', layers: TREE.layers.slice(1, 2) }
        : { ...TREE, layers: [kind === 'empty full' ? full : TREE.layers[0]!] };
    expect(treePage(tree)).not.toMatch(/NaN|undefined|Infinity/);
    expect(draw(tree)).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('spanvault show --tree', () => {
  const chain = {
    bucket: `tree-${process.pid}`,
    layers: 4,
    filesPerLayer: 6,
    localities: ['region=us-west'],
    objects: true,
  };
  const uris = locationsOf(chain);
  afterAll(() => emptyBucket(chain.bucket));

  test('draws a chain without a cluster, and writes the page', async () => {
    await writeSyntheticChain(chain);
    const page = join(scratch, 'chain.html');
    const ran = await runWith({}, ['show', '--tree', '--check-files', '--html', page, ...uris], {
      env: { LANG: 'C.UTF-8' },
    });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('/2023/11/14-221320.00 in memory://');
    expect(ran.stdout).toContain('all 24 files are there, 24 B on disk');
    expect(ran.stdout.match(/incremental ends/g)?.length).toBe(3);
    expect(readFileSync(page, 'utf8')).toContain('every layer and every file is there');
    expect(await runWith({}, ['show', '--html', scratch, ...uris])).toMatchObject({ code: 2 });
    expect(await runWith({}, ['show', ...uris])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('show needs --tree or --html FILE'),
    });
  });
});
