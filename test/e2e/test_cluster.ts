import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type Table, tableSchema } from '#src/catalog/index.js';
import { type EmbeddedCluster, initCluster, openCluster, workloadInit } from '#src/cluster/index.js';
import { parseLocality } from '#src/keys/index.js';
import { native } from '#src/native/index.js';
import { datumText } from '#src/rows/index.js';
import type { StorageSettings } from '#src/storage/index.js';

/** One node in each of the regions of movr. */
export const REGIONS = ['region=us-east1,az=a', 'region=us-west1,az=a', 'region=europe-west1,az=a'] as const;

/** Locality-aware locations in the buckets of nodes 1, 2 and 3 of REGIONS. */
export const BUCKETS = [
  'nodelocal://1/b?COCKROACH_LOCALITY=default',
  'nodelocal://2/b?COCKROACH_LOCALITY=region%3Dus-west1',
  'nodelocal://3/b?COCKROACH_LOCALITY=region%3Deurope-west1',
] as const;
export const BARE = ['nodelocal://1/b', 'nodelocal://2/b', 'nodelocal://3/b'] as const;

/** What tests open and make; `closeAll` closes and removes it. */
const opened: { readonly cluster: EmbeddedCluster; readonly directory: string }[] = [];
const directories: string[] = [];

/** An empty directory that `closeAll` removes. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'spanvault-e2e-'));
  directories.push(directory);
  return directory;
}

/** A new cluster, one node per locality text. */
export async function newCluster(localities: readonly string[] = REGIONS): Promise<EmbeddedCluster> {
  const directory = temporaryDirectory();
  await initCluster(directory, { nodes: localities.map((text) => (text === '' ? [] : parseLocality(text))) });
  const cluster = await openCluster(directory);
  opened.push({ cluster, directory });
  return cluster;
}

/** A kv table cut into ranges, whose leases lie on every node. */
export async function spreadCluster(
  localities: readonly string[] = REGIONS,
  ranges = 60,
  rows = 600,
): Promise<EmbeddedCluster> {
  const cluster = await newCluster(localities);
  await workloadInit(cluster, 'kv', { rows, valueBytes: 32 });
  const [span] = cluster.ranges().filter(({ approximateBytes }) => approximateBytes > rows * 32);
  const prefix = Buffer.from(span!.span.key);
  // Keys of rows: the table's prefix, its primary index, and an integer.
  const index = prefix.length === 1 ? Buffer.concat([prefix, Buffer.of(0x89)]) : prefix;
  for (let cut = 1; cut < ranges; cut++) {
    const value = cut * Math.floor(rows / ranges);
    const bytes = value < 110 ? [0x88 + value] : value < 256 ? [0xf6, value] : [0xf7, value >> 8, value & 0xff];
    await cluster.splitAt(Buffer.concat([index, Buffer.from(bytes)]));
  }
  await cluster.rebalance();
  return cluster;
}

/** Closes every cluster and removes every directory. */
export async function closeAll(): Promise<void> {
  for (const { cluster } of opened.splice(0)) await cluster.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}

/** What storage drivers need to see the buckets of a cluster. */
export function storageOf(cluster: EmbeddedCluster): StorageSettings {
  return { externalIODir: cluster.externalIODir, selfNode: 1 };
}

/** Tables by the names that people use: `db.public.t`, `system.t`. */
export function tablesOf(cluster: EmbeddedCluster): Map<string, Table> {
  const catalog = cluster.catalog();
  return new Map(
    catalog.tables().map((table) => [catalog.qualifiedName(table).replace(/^system\.public\./, 'system.'), table]),
  );
}

/** Lines `index<TAB>fingerprint`, as `SHOW EXPERIMENTAL_FINGERPRINTS` prints them. */
export async function fingerprintLines(cluster: EmbeddedCluster, table: Table): Promise<string[]> {
  const prints = await cluster.rows.fingerprints(table);
  return prints.map(({ index, fingerprint }) => `${index}\t${fingerprint ?? 'NULL'}`);
}

/** Fingerprints of all tables but those of the system, by name. */
export async function fingerprintsOf(cluster: EmbeddedCluster): Promise<Record<string, string[]>> {
  const result: Record<string, string[]> = {};
  for (const [name, table] of tablesOf(cluster)) {
    if (!name.startsWith('system.')) result[name] = await fingerprintLines(cluster, table);
  }
  return result;
}

/** Names of the columns, then every row as SQL prints it, in the order of the primary key. */
export async function printedRows(cluster: EmbeddedCluster, table: Table): Promise<string[][]> {
  const { columns } = tableSchema(cluster.catalog(), table);
  const lines = [columns.map(({ name }) => name)];
  for await (const row of cluster.rows.select(table)) {
    lines.push(row.map((datum, ordinal) => datumText(datum, columns[ordinal]!.type)));
  }
  return lines;
}

/** Every version of every key of the store: their number and a hash over keys, times and values. */
export function keyspaceOf(cluster: EmbeddedCluster): { readonly entries: number; readonly hash: string } {
  const hash = createHash('sha256');
  let entries = 0;
  const scan = cluster.core.store.scan({
    startKey: new Uint8Array(0),
    endKey: Uint8Array.of(0xff, 0xff, 0xff),
    asOf: { wall: 2n ** 62n, logical: 0 },
    after: null,
    mode: 'all',
    dropTombstones: false,
  });
  try {
    let bytes = new Uint8Array(1 << 20);
    const offsets = new Uint32Array(2 * (1 << 14) + 1);
    for (;;) {
      const step = scan.next(bytes, offsets);
      if (step.kind === 'done') break;
      if (step.kind === 'grow') bytes = new Uint8Array(step.bytes);
      else {
        entries += step.count;
        hash.update(bytes.subarray(0, step.bytesUsed));
      }
    }
  } finally {
    scan.close();
  }
  return { entries, hash: hash.digest('hex') };
}

/** Paths of all files below a directory, relative to it, sorted. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

/** Directory of a node's bucket. */
export function bucketDirectory(cluster: EmbeddedCluster, node: number, name = ''): string {
  return join(cluster.externalIODir, String(node), name);
}

/** Copies a directory into a node's bucket. */
export function fillBucket(cluster: EmbeddedCluster, node: number, name: string, from: string): void {
  cpSync(from, bucketDirectory(cluster, node, name), { recursive: true });
}

/** Bytes of a file. */
export function fileSize(path: string): number {
  return statSync(path).size;
}

/** Entries of an SST file as our own reader counts them. */
export function entriesOfSst(name: string, bytes: Uint8Array): number {
  return native.describeSst(name, bytes).entries;
}
