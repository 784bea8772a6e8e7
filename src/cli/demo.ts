import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SpanvaultError } from '../fault/index.js';
import {
  type BackupOutcome,
  type Column,
  execute,
  openSession,
  type RestoreOutcome,
  type Row,
  type Session,
} from '../statements/index.js';
import type { Context } from './context.js';
import { paint, write } from './io.js';
import { placementLines } from './placement.js';
import { printBytes, printCount, printDuration } from './quantities.js';
import { tableLines } from './render.js';

/** Nodes of the demo: three regions with three zones each. */
const REGIONS = ['us-east1', 'us-west1', 'europe-west1'] as const;
const ZONES = ['a', 'b', 'c'] as const;
const LOCALITIES = REGIONS.flatMap((region) => ZONES.map((zone) => `region=${region},az=${zone}`));
const ROWS = 60_000;

/** Buckets: directories of nodes, one for each region on its first node, and one for everything else. */
function buckets(name: string): readonly { readonly uri: string; readonly locality: string }[] {
  const regions = REGIONS.map((region, index) => ({
    uri: `nodelocal://${index * ZONES.length + 1}/${name}-${region}`,
    locality: `region%3D${region}`,
  }));
  return [{ uri: `nodelocal://1/${name}-default`, locality: 'default' }, ...regions];
}

function backupInto(name: string): string {
  const uris = buckets(name).map(({ uri, locality }) => `    '${uri}?COCKROACH_LOCALITY=${locality}'`);
  return `BACKUP INTO (\n${uris.join(',\n')})`;
}

/** The same locations, bare and in another order. */
function bare(name: string): string {
  const uris = buckets(name).map(({ uri }) => `    '${uri}'`);
  return `(\n${uris.reverse().join(',\n')})`;
}

/** A backup that a real CockroachDB took, and what it said of it, where the project's fixtures are beside it. */
const REAL_BACKUP = new URL('../../../shared/fixtures/cockroach-backups/v21.1-cluster', import.meta.url);
const REAL_TRUTH = new URL('../../../shared/fixtures/truth/v21.1-cluster/', import.meta.url);

export interface DemoOptions {
  /** Keep everything in this new directory; default: a temporary one that is removed. */
  readonly dir?: string;
  readonly rows?: number;
}

/** What the demo shows, step by step; throws when anything is not equal. */
export async function runDemo(context: Context, options: DemoOptions): Promise<void> {
  const root = options.dir ?? mkdtempSync(join(tmpdir(), 'spanvault-demo-'));
  if (options.dir !== undefined && existsSync(root)) {
    throw new SpanvaultError('SV_EXISTS', `${root} exists already; the demo wants a directory of its own`);
  }
  const begin = performance.now();
  const demo = new Demo(context, root, options.rows ?? ROWS);
  try {
    await demo.ownCluster();
    await demo.realBackup();
    await demo.say(`\nDone in ${printDuration((performance.now() - begin) / 1000)}.`);
    if (options.dir !== undefined) await demo.say(`Look around: spanvault sql --cluster ${join(root, 'source')}`);
  } finally {
    await demo.close();
    if (options.dir === undefined) rmSync(root, { recursive: true, force: true });
  }
}

class Demo {
  readonly #context: Context;
  readonly #root: string;
  readonly #rows: number;
  readonly #open: Session[] = [];
  #backup: BackupOutcome | undefined;
  #restore: RestoreOutcome | undefined;

  constructor(context: Context, root: string, rows: number) {
    this.#context = context;
    this.#root = root;
    this.#rows = rows;
  }

  async say(text: string): Promise<void> {
    await write(this.#context.io.stdout, `${text}\n`);
  }

  async #title(text: string): Promise<void> {
    const { io } = this.#context;
    await this.say(`\n${paint(io.stdout, io.env).bold(text)}`);
  }

  async close(): Promise<void> {
    for (const session of this.#open) await session.engine.close();
  }

  /** Makes a cluster of nine nodes and opens a session on it; every cluster sees the same buckets. */
  async #cluster(name: string): Promise<Session> {
    const directory = join(this.#root, name);
    await this.#context.host.initCluster(directory, LOCALITIES);
    return this.#session(directory);
  }

  async #session(directory: string): Promise<Session> {
    const engine = await this.#context.host.openEngine(directory, { externalIODir: join(this.#root, 'buckets') });
    const session = openSession(engine, {
      observer: {
        onBackup: (outcome) => {
          this.#backup = outcome;
        },
        onRestore: (outcome) => {
          this.#restore = outcome;
        },
      },
    });
    this.#open.push(session);
    return session;
  }

  /** Prints a statement, runs it, and returns its seconds. */
  async #run(session: Session, statement: string): Promise<number> {
    await this.say(`> ${statement};`);
    const begin = performance.now();
    await this.#rowsOf(session, statement);
    return (performance.now() - begin) / 1000;
  }

  async ownCluster(): Promise<void> {
    await this.#title('1. A cluster of nine nodes in three regions, with movr');
    const directory = join(this.#root, 'source');
    await this.#context.host.initCluster(directory, LOCALITIES);
    const loaded = await this.#context.host.loadWorkload(directory, 'movr', this.#rows);
    const rows = loaded.tables.reduce((sum, table) => sum + table.rows, 0);
    await this.say(
      `${printCount(rows)} rows in ${loaded.tables.length} tables; zone configurations keep each city's rows in its region.`,
    );
    const source = await this.#session(directory);

    await this.#title("2. A locality-aware backup: each region's data into its own bucket");
    await this.#backUp(source, 'movr');
    for (const line of placementLines(this.#backup!.placement)) await write(this.#context.io.stdout, line);
    await this.#showBackup(source, 'movr');

    await this.#title('3. Restored into an empty cluster, from the bare bucket URIs in another order');
    const target = await this.#cluster('target');
    await this.#restoreFrom(target, bare('movr'));
    await this.say(`${printBytes(this.#restore!.sink.bytesMoved)} had to move to another node afterwards.`);

    await this.#title('4. Proof: the fingerprints of every index, before and after');
    await this.#compare(source, target);
  }

  async realBackup(): Promise<void> {
    await this.#title('5. The same with a backup that a real CockroachDB v21.1 took');
    if (!existsSync(REAL_BACKUP)) {
      await this.say('Skipped: the sample backups are not beside this checkout.');
      return;
    }
    cpSync(fileURLToPath(REAL_BACKUP), join(this.#root, 'buckets', '1', 'crdb'), { recursive: true });
    const first = await this.#cluster('crdb-first');
    await this.#restoreFrom(first, "'nodelocal://1/crdb'");
    await this.#compareWithTruth(first);
    await this.#backUp(first, 'again');
    const second = await this.#cluster('crdb-second');
    await this.#restoreFrom(second, bare('again'));
    await this.#compare(first, second);
  }

  async #backUp(session: Session, name: string): Promise<void> {
    const seconds = await this.#run(session, backupInto(name));
    await this.say(`${printBytes(this.#backup!.bytes)} of keys and values read in ${printDuration(seconds)}.`);
  }

  async #restoreFrom(session: Session, locations: string): Promise<void> {
    const seconds = await this.#run(session, `RESTORE FROM LATEST IN ${locations}`);
    await this.say(`${printBytes(this.#restore!.bytes)} of keys and values written in ${printDuration(seconds)}.`);
  }

  /** SHOW BACKUP of the user tables, in the columns that matter here. */
  async #showBackup(session: Session, name: string): Promise<void> {
    const statement = `SHOW BACKUP FROM LATEST IN ${bare(name)} WITH check_files`;
    await this.say(`> ${statement};`);
    const { columns, rows } = await this.#rowsOf(session, statement);
    const wanted = ['database_name', 'object_name', 'object_type', 'rows', 'size_bytes', 'file_bytes'];
    const shown = wanted.map((column) => columns.findIndex((one) => one.name === column));
    const own = rows.filter((row) => row[0] === 'movr');
    for (const line of tableLines(
      shown.map((at) => columns[at]!),
      own.map((row) => shown.map((at) => row[at] ?? null)),
    )) {
      await write(this.#context.io.stdout, line);
    }
    await this.say(`(${own.length} of ${rows.length} rows, ${wanted.length} of ${columns.length} columns)`);
  }

  /** Compares both clusters index by index; shows the primary indexes of user tables. */
  async #compare(left: Session, right: Session): Promise<void> {
    const tables = await this.#tables(left, ['movr', 'system']);
    const lines: string[][] = [];
    let indexes = 0;
    for (const table of tables) {
      const [before, after] = [await this.#fingerprints(left, table), await this.#fingerprints(right, table)];
      if (JSON.stringify(before) !== JSON.stringify(after)) throw differ(table, before, after);
      indexes += before.length;
      if (table.startsWith('movr.')) lines.push([table, String(before.length), printPrint(before), printPrint(after)]);
    }
    const columns = [
      { name: 'table' },
      { name: 'indexes', numeric: true },
      { name: 'primary, before', numeric: true },
      { name: 'primary, after', numeric: true },
    ];
    for (const line of tableLines(columns, lines)) await write(this.#context.io.stdout, line);
    await this.#proven(`${indexes} indexes of ${tables.length} tables, the system's among them`);
  }

  /** Compares with the fingerprints that CockroachDB itself printed of these tables. */
  async #compareWithTruth(session: Session): Promise<void> {
    if (!existsSync(REAL_TRUTH)) return;
    const names = readdirSync(REAL_TRUTH).filter((name) => /^movr\..*\.fp$/.test(name));
    let indexes = 0;
    for (const name of names) {
      const truth = readFileSync(new URL(name, REAL_TRUTH), 'utf8').trim().split('\n').slice(1);
      const expected = truth.map((line) => line.split('\t').map((cell) => (cell === 'NULL' ? null : cell)));
      const table = name.replace(/\.fp$/, '');
      const found = await this.#fingerprints(session, table);
      if (JSON.stringify(found) !== JSON.stringify(expected)) throw differ(table, expected, found);
      indexes += found.length;
    }
    await this.#proven(
      `${indexes} indexes of ${names.length} tables, to the fingerprints that CockroachDB printed of them`,
    );
  }

  async #proven(what: string): Promise<void> {
    const { io } = this.#context;
    await this.say(`${paint(io.stdout, io.env).green('proven equal')}: ${what}.`);
  }

  /** Tables of a database that a backup holds; the catalog's own are made anew by a restore. */
  async #tables(session: Session, databases: readonly string[]): Promise<string[]> {
    const lists = databases.map(async (database) => {
      const tables = await session.engine.tables(database, 'public');
      return tables
        .filter(({ name }) => !/^(descriptor|namespace2?)$/.test(name))
        .map(({ name }) => `${database}.public.${name}`);
    });
    return (await Promise.all(lists)).flat();
  }

  async #fingerprints(session: Session, table: string): Promise<readonly Row[]> {
    return (await this.#rowsOf(session, `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ${table}`)).rows;
  }

  async #rowsOf(
    session: Session,
    statement: string,
  ): Promise<{ readonly columns: readonly Column[]; readonly rows: readonly Row[] }> {
    const result = await execute(session, statement, { signal: this.#context.io.signal });
    const rows: Row[] = [];
    for await (const row of result.rows) rows.push(row);
    return { columns: result.columns, rows };
  }
}

/** Fingerprint of the first index, the primary one. */
function printPrint(fingerprints: readonly Row[]): string {
  return fingerprints[0]?.[1] ?? 'no rows';
}

function differ(table: string, before: readonly Row[], after: readonly Row[]): SpanvaultError {
  return new SpanvaultError(
    'SV_INTERNAL',
    `fingerprints of ${table} differ: ${JSON.stringify(before)} and ${JSON.stringify(after)}`,
  );
}
