import { cpSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { Session } from '#src/statements/index.js';
import { lines, sql, sqlCluster, sqlRoot } from './sql_cluster.js';

/*
 * The chain of the fixture v21.1-chain: a full and two incrementals in two locations, arranged below the external I/O
 * directories of nodes 1 (default) and 2 (region=us-west), and what CockroachDB says of its tables at each layer's end.
 */

const SHARED = resolve(import.meta.dirname, '../../../shared/fixtures');
const TRUTH = join(SHARED, 'truth/v21.1-chain');

/** False where the fixtures are not beside this checkout; says so once. */
export const there = existsSync(TRUTH);
if (!there) console.warn(`skipped: ${TRUTH} is not beside this checkout`);

/** End times of the three layers, as AS OF SYSTEM TIME takes them. */
export const ENDS = there ? (JSON.parse(readFileSync(join(TRUTH, 'ends.json'), 'utf8')) as string[]) : [];
/** Directory of the full, and of the incrementals below a chain's directory. */
export const FULL = '2026/11/23-213535.02';
export const INCREMENTALS = ['20261123/213535.74', '20261123/213536.55'] as const;
const LOCATIONS = ['default', 'region=us-west'] as const;

/** A root whose nodes 1 and 2 hold the fixture's locations as `chain`. */
export function fixtureRoot(fixture = 'v21.1-chain'): string {
  const root = sqlRoot();
  for (const [index, location] of LOCATIONS.entries()) {
    cpSync(join(SHARED, 'cockroach-backups', fixture, location), inBucket(root, index + 1, 'chain'), {
      recursive: true,
    });
  }
  return root;
}

/** Path of something in a node's bucket. */
export function inBucket(root: string, node: number, path: string): string {
  return join(root, 'extern', String(node), path);
}

/** Moves a directory or file in the buckets of both nodes. */
export function moveInBuckets(root: string, from: string, to: string): void {
  for (const node of [1, 2]) {
    mkdirSync(dirname(inBucket(root, node, to)), { recursive: true });
    renameSync(inBucket(root, node, from), inBucket(root, node, to));
  }
}

/** A parenthesised list of the path in the buckets of some nodes, with COCKROACH_LOCALITY where asked for. */
export function uriList(path: string, nodes: readonly number[] = [1, 2], marked = false): string {
  const mark = (node: number): string =>
    marked ? `?COCKROACH_LOCALITY=${encodeURIComponent(LOCATIONS[node - 1] ?? 'az=none')}` : '';
  return `(${nodes.map((node) => `'nodelocal://${node}/${path}${mark(node)}'`).join(', ')})`;
}

let serial = 0;

/** A new empty cluster that sees the root's buckets. */
export function freshCluster(root: string): Promise<Session> {
  return sqlCluster(root, `target-${serial++}`);
}

/** Restores into a new cluster and expects every row that CockroachDB restored for the layer (1, 2 or 3). */
export async function expectRestores(root: string, statement: string, layer: 1 | 2 | 3): Promise<void> {
  const session = await freshCluster(root);
  await sql(session, statement);
  for (const table of ['acct', 'late']) {
    const file = join(TRUTH, `t${layer}.${table}.fp`);
    if (!existsSync(file)) {
      await expect(sql(session, `SELECT * FROM ch.${table}`)).rejects.toThrow('does not exist');
      continue;
    }
    const truth = readFileSync(file, 'utf8').trim().split('\n').slice(1);
    expect(await lines(session, `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ch.${table}`)).toEqual(
      truth.map((line) => line.replace('\t', ',')),
    );
  }
}

/** Expects that a RESTORE is refused with this error, and leaves the cluster without the database. */
export async function expectRefused(root: string, statement: string, error: unknown): Promise<void> {
  const session = await freshCluster(root);
  await expect(sql(session, statement)).rejects.toMatchObject(error as object);
  expect(await lines(session, 'SHOW DATABASES')).not.toContainEqual(expect.stringMatching(/^ch,/));
}
