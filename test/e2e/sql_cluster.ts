import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initCluster, openCluster, workloadInit } from '#src/cluster/index.js';
import { parseLocality } from '#src/keys/index.js';
import { execute, openEngine, openSession, type Result, type Session } from '#src/statements/index.js';

/*
 * Clusters that tests speak SQL to. `closeSql` closes and removes what was opened.
 */

const sessions: Session[] = [];
const directories: string[] = [];

/** A directory whose clusters share one external I/O directory, so that one restores what another backed up. */
export function sqlRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'spanvault-sql-'));
  directories.push(root);
  return root;
}

/** A new cluster below `root`, one node per locality text. */
export async function sqlCluster(
  root: string,
  name: string,
  localities: readonly string[] = ['region=us-east', 'region=us-west'],
): Promise<Session> {
  const directory = join(root, name);
  await initCluster(directory, { nodes: localities.map((text) => (text === '' ? [] : parseLocality(text))) });
  return session(root, name, {});
}

/** A new cluster of two regions with the table kv.kv of `rows` rows. */
export async function kvSession(
  root: string,
  name: string,
  rows: number,
  settings: EngineSettings = {},
): Promise<Session> {
  const directory = join(root, name);
  await initCluster(directory, { nodes: [parseLocality('region=us-east'), parseLocality('region=us-west')] });
  const cluster = await openCluster(directory);
  await workloadInit(cluster, 'kv', { rows, valueBytes: 8 });
  await cluster.close();
  return session(root, name, settings);
}

async function session(root: string, name: string, settings: EngineSettings): Promise<Session> {
  const opened = openSession(await openEngine(join(root, name), { externalIODir: join(root, 'extern'), ...settings }));
  sessions.push(opened);
  return opened;
}

type EngineSettings = Parameters<typeof openEngine>[1];

export async function closeSql(): Promise<void> {
  for (const { engine } of sessions.splice(0)) await engine.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}

/** Runs one statement and gives its result with all rows. */
export async function sql(
  session: Session,
  text: string,
): Promise<Omit<Result, 'rows'> & { readonly rows: readonly (readonly (string | null)[])[] }> {
  const result = await execute(session, text);
  const rows: (readonly (string | null)[])[] = [];
  for await (const row of result.rows) rows.push(row);
  return { ...result, rows };
}

/** Rows of a statement, cells joined by commas; NULL for null. */
export async function lines(session: Session, text: string): Promise<string[]> {
  return (await sql(session, text)).rows.map((row) => row.map((cell) => cell ?? 'NULL').join(','));
}

/** The cluster's time as AS OF SYSTEM TIME takes it; later writes are after it. */
export function timeOf(session: Session): string {
  const { wall, logical } = session.engine.now();
  return `'${wall}.${String(logical).padStart(10, '0')}'`;
}
