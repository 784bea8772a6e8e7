import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SpanvaultError } from '../fault/index.js';
import { type BackupOutcome, execute, openSession, type RestoreOutcome, type Session } from '../statements/index.js';
import type { Context } from './context.js';
import { paint, write } from './io.js';
import { placementLines } from './placement.js';
import { printBytes, printCount, printDuration } from './quantities.js';

/** Nodes of the demo: three regions with three zones each. */
const REGIONS = ['us-east1', 'us-west1', 'europe-west1'] as const;
const ZONES = ['a', 'b', 'c'] as const;
const ROWS = 60_000;
/** Buckets: one for each region, below the directory of its first node, and one for everything else. */
const BUCKETS = [
  'nodelocal://1/default',
  'nodelocal://1/backup',
  'nodelocal://4/backup',
  'nodelocal://7/backup',
] as const;
const INTO = `(\n    '${BUCKETS[0]}?COCKROACH_LOCALITY=default',\n${REGIONS.map((region, index) => `    '${BUCKETS[index + 1]}?COCKROACH_LOCALITY=region%3D${region}'`).join(',\n')})`;
const BARE = `('${[...BUCKETS].reverse().join("', '")}')`;

/** Backups that a real CockroachDB took, where the project's fixtures are beside it. */
const REAL_BACKUP = new URL('../../../shared/fixtures/cockroach-backups/v21.1-cluster', import.meta.url);

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
    const localities = REGIONS.flatMap((region) => ZONES.map((zone) => `region=${region},az=${zone}`));
    await this.#context.host.initCluster(directory, localities);
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
    const result = await execute(session, statement, { signal: this.#context.io.signal });
    for await (const _row of result.rows) void _row;
    return (performance.now() - begin) / 1000;
  }

  async ownCluster(): Promise<void> {
    await this.#title('1. A cluster of nine nodes in three regions, with movr');
    const directory = join(this.#root, 'source');
    const localities = REGIONS.flatMap((region) => ZONES.map((zone) => `region=${region},az=${zone}`));
    await this.#context.host.initCluster(directory, localities);
    const loaded = await this.#context.host.loadWorkload(directory, 'movr', this.#rows);
    const rows = loaded.tables.reduce((sum, table) => sum + table.rows, 0);
    await this.say(
      `${printCount(rows)} rows in ${loaded.tables.length} tables; each city's rows belong to a region by zone configurations.`,
    );
    const source = await this.#session(directory);

    await this.#title("2. A locality-aware backup: each region's data into its own bucket");
    await this.#report('read', await this.#run(source, `BACKUP INTO ${INTO}`));
    for (const line of placementLines(this.#backup!.placement)) await write(this.#context.io.stdout, line);

    await this.#title('3. Restored into an empty cluster, from the bare bucket URIs in another order');
    const target = await this.#cluster('target');
    await this.#report('written', await this.#run(target, `RESTORE FROM LATEST IN ${BARE}`));
    await this.say(`${printBytes(this.#restore!.sink.bytesMoved)} had to move to another node afterwards.`);

    await this.#title('4. Proof: the fingerprints of every index of every table');
    await this.#compare(source, target, await this.#tables(source, ['movr', 'system']));
  }

  async #report(verb: string, seconds: number): Promise<void> {
    const { bytes } = verb === 'read' ? this.#backup! : this.#restore!;
    await this.say(`${printBytes(bytes)} of keys and values ${verb} in ${printDuration(seconds)}.`);
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

  async #compare(left: Session, right: Session, tables: readonly string[]): Promise<void> {
    let indexes = 0;
    for (const table of tables) {
      const statement = `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ${table}`;
      const [a, b] = [await this.#rowsOf(left, statement), await this.#rowsOf(right, statement)];
      if (JSON.stringify(a) !== JSON.stringify(b)) {
        throw new SpanvaultError(
          'SV_INTERNAL',
          `fingerprints of ${table} differ: ${JSON.stringify(a)} and ${JSON.stringify(b)}`,
        );
      }
      indexes += a.length;
    }
    const { io } = this.#context;
    await this.say(`${paint(io.stdout, io.env).green('proven equal')}: ${indexes} indexes of ${tables.length} tables.`);
  }

  async #rowsOf(session: Session, statement: string): Promise<readonly (readonly (string | null)[])[]> {
    const rows: (readonly (string | null)[])[] = [];
    for await (const row of (await execute(session, statement)).rows) rows.push(row);
    return rows;
  }

  async realBackup(): Promise<void> {
    await this.#title('5. The same with a backup that a real CockroachDB v21.1 took');
    if (!existsSync(REAL_BACKUP)) {
      await this.say('Skipped: the sample backups are not beside this checkout.');
      return;
    }
    cpSync(fileURLToPath(REAL_BACKUP), join(this.#root, 'buckets', '1', 'crdb'), { recursive: true });
    const first = await this.#cluster('crdb-first');
    await this.#report('written', await this.#run(first, "RESTORE FROM LATEST IN 'nodelocal://1/crdb'"));
    await this.#report('read', await this.#run(first, `BACKUP INTO ${renamed(INTO)}`));
    const second = await this.#cluster('crdb-second');
    await this.#report('written', await this.#run(second, `RESTORE FROM LATEST IN ${renamed(BARE)}`));
    await this.#compare(first, second, await this.#tables(first, ['movr', 'system']));
  }
}

/** The same buckets under other names. */
function renamed(list: string): string {
  return list.replaceAll(/\/(backup|default)\b/g, '/again-$1');
}
