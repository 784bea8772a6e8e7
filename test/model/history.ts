import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initCluster } from '#src/cluster/index.js';
import { parseLocality, type Timestamp } from '#src/keys/index.js';
import { execute, openEngine, openSession, type Session } from '#src/statements/index.js';
import { type Operation, randomOperation } from './operations.js';
import { Random } from './random.js';
import { EMPTY_STATE, type ModelState, rowLines, tableNames } from './state.js';

/*
 * One random history: changes, backups, and restores to instants that are compared with the model row by row.
 */

const REGIONS = ['us-east', 'us-west', 'europe'];

/** What was true of the source from `at` until the next moment. */
interface Moment {
  readonly at: Timestamp;
  readonly state: ModelState;
  /** Fingerprints of every index by table: what the model cannot compute. */
  readonly prints: ReadonlyMap<string, readonly string[]>;
  /** Zone configurations as the source showed them. */
  readonly zones: readonly string[];
}

interface Layer {
  readonly start: Timestamp | undefined;
  readonly end: Timestamp;
  readonly history: boolean;
}

interface Chain {
  readonly name: string;
  readonly localities: readonly string[];
  readonly kind: 'cluster' | 'database';
  readonly layers: Layer[];
  /** Present name of a database chain's database; undefined once it was dropped. */
  database: string | undefined;
  /** Its names, each since a time. */
  readonly names: { readonly since: Timestamp; readonly name: string }[];
}

/** Counts of what a history did. */
export interface HistoryCounts {
  operations: number;
  backups: number;
  restores: number;
  refusals: number;
  rows: number;
}

const decimal = ({ wall, logical }: Timestamp): string => `${wall}.${String(logical).padStart(10, '0')}`;
const before = (a: Timestamp, b: Timestamp): boolean => a.wall < b.wall || (a.wall === b.wall && a.logical < b.logical);

/** Runs the history of a seed. @throws Error that tells the seed, the statements so far, and what differs */
export async function runHistory(seed: number): Promise<HistoryCounts> {
  const root = mkdtempSync(join(tmpdir(), `spanvault-model-${seed}-`));
  const run = new HistoryRun(seed, root);
  try {
    await run.go();
    return run.counts;
  } catch (error) {
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`history of seed ${seed} failed after:\n${run.log.join(';\n')}\n\n${problem}`);
  } finally {
    await run.close();
    rmSync(root, { recursive: true, force: true });
  }
}

class HistoryRun {
  readonly counts: HistoryCounts = { operations: 0, backups: 0, restores: 0, refusals: 0, rows: 0 };
  readonly log: string[] = [];
  readonly #random: Random;
  readonly #root: string;
  readonly #bucket: string;
  readonly #open: Session[] = [];
  readonly #moments: Moment[] = [];
  readonly #chains: Chain[] = [];
  /** Names of each database that exists, since its creation, by its present name. */
  readonly #namesOf = new Map<string, Chain['names']>();
  #state: ModelState = EMPTY_STATE;
  #prints: ReadonlyMap<string, readonly string[]> = new Map();
  #zones: readonly string[] = [];

  constructor(seed: number, root: string) {
    this.#random = new Random(seed);
    this.#root = root;
    this.#bucket = `model-${seed}`;
  }

  async close(): Promise<void> {
    for (const { engine } of this.#open.splice(0)) await engine.close();
  }

  async go(): Promise<void> {
    const source = await this.#cluster('source');
    for (let step = this.#random.between(14, 34); step > 0; step--) {
      if (this.#random.chance(0.22)) await this.#backup(source);
      else await this.#change(source);
    }
    await this.#backup(source);
    for (const chain of this.#chains) await this.#restores(chain);
  }

  async #cluster(name: string): Promise<Session> {
    const directory = join(this.#root, name);
    await initCluster(directory, { nodes: REGIONS.map((region) => parseLocality(`region=${region}`)) });
    const session = openSession(await openEngine(directory, { externalIODir: join(this.#root, 'extern'), workers: 0 }));
    this.#open.push(session);
    return session;
  }

  async #change(source: Session): Promise<void> {
    const operation = randomOperation(this.#random, this.#state);
    this.log.push(operation.sql);
    await rowsOf(source, operation.sql);
    this.counts.operations++;
    this.#state = operation.after;
    this.#prints = await printsOf(source, operation.after);
    const at = source.engine.now();
    this.#follow(operation, at);
    this.#zones = await zonesOf(source);
    this.#remember(at);
  }

  /** Keeps the names of databases that chains are of. */
  #follow({ renamed, after }: Operation, since: Timestamp): void {
    for (const name of [...this.#namesOf.keys()]) {
      if (renamed?.from === name)
        this.#namesOf.set(renamed.to, [...this.#namesOf.get(name)!, { since, name: renamed.to }]);
      if (!after.has(name)) this.#namesOf.delete(name);
    }
    for (const name of after.keys()) if (!this.#namesOf.has(name)) this.#namesOf.set(name, [{ since, name }]);
    for (const chain of this.#chains) {
      if (chain.database === undefined) continue;
      if (renamed?.from === chain.database) {
        chain.database = renamed.to;
        chain.names.push({ since, name: renamed.to });
      } else if (!after.has(chain.database)) chain.database = undefined;
    }
  }

  async #backup(source: Session): Promise<void> {
    // Directories are named by hundredths of a second.
    await new Promise((resolve) => setTimeout(resolve, 11));
    const open = this.#chains.filter(({ kind, database }) => kind === 'cluster' || database !== undefined);
    const chain = open.at(-1);
    if (chain === undefined || this.#random.chance(0.25)) await this.#full(source);
    else await this.#layer(source, chain);
  }

  async #full(source: Session): Promise<void> {
    const databases = [...this.#state.keys()];
    const kind = databases.length > 0 && this.#random.chance(0.3) ? 'database' : 'cluster';
    const database = kind === 'database' ? this.#random.pick(databases) : undefined;
    const chain: Chain = {
      name: `c${this.#chains.length}`,
      localities: [
        'default',
        ...(this.#random.chance(0.3) ? [] : this.#random.some(['region=us-west', 'region=europe'])),
      ],
      kind,
      layers: [],
      database,
      names: database === undefined ? [] : [...this.#namesOf.get(database)!],
    };
    this.#chains.push(chain);
    await this.#layer(source, chain);
  }

  async #layer(source: Session, chain: Chain): Promise<void> {
    const history = this.#random.chance(0.5);
    const start = chain.layers.at(-1)?.end;
    const end = source.engine.now();
    const what = chain.database === undefined ? '' : `DATABASE ${chain.database} `;
    const into = start === undefined ? '' : 'LATEST IN ';
    const uris = chain.localities.map((locality) => `'${this.#uri(chain, locality, true)}'`).join(', ');
    const options = history ? ' WITH revision_history' : '';
    const sql = `BACKUP ${what}INTO ${into}(${uris}) AS OF SYSTEM TIME '${decimal(end)}'${options}`;
    this.log.push(sql);
    await rowsOf(source, sql);
    this.counts.backups++;
    chain.layers.push({ start, end, history });
    this.#remember(end);
  }

  #remember(at: Timestamp): void {
    this.#moments.push({ at, state: this.#state, prints: this.#prints, zones: this.#zones });
  }

  #uri(chain: Chain, locality: string, aware: boolean): string {
    const place = `memory://${this.#bucket}/${chain.name}/${locality === 'default' ? 'default' : locality.replace('=', '-')}`;
    return aware && chain.localities.length > 1 ? `${place}?COCKROACH_LOCALITY=${locality.replace('=', '%3D')}` : place;
  }

  /** Restores a chain to some instants: the newest, an end of a layer, inside of history, and outside of it. */
  async #restores(chain: Chain): Promise<void> {
    await this.#restore(chain, undefined);
    if (this.#random.chance(0.6)) await this.#restore(chain, this.#random.pick(chain.layers).end);
    // A database chain knows nothing of a time before its database was made.
    const born = chain.names[0]?.since;
    const inside = this.#moments.filter(
      ({ at }) => chain.layers.some((layer) => holds(layer, at)) && (born === undefined || !before(at, born)),
    );
    for (let count = 2; count > 0 && inside.length > 0; count--)
      await this.#restore(chain, this.#random.pick(inside).at);
  }

  async #restore(chain: Chain, at: Timestamp | undefined): Promise<void> {
    const layer = at === undefined ? chain.layers.at(-1)! : chain.layers.find((one) => holds(one, at))!;
    const time = at ?? layer.end;
    const moment = this.#momentAt(time);
    // A database chain's database may have had another name then.
    const database = chain.names.filter(({ since }) => !before(time, since)).at(-1)?.name;
    const target = await this.#cluster(`target-${this.counts.restores + this.counts.refusals}`);
    const what = database === undefined ? '' : `DATABASE ${database} `;
    const when = at === undefined ? '' : ` AS OF SYSTEM TIME '${decimal(at)}'`;
    const uris = [...chain.localities].reverse().map((locality) => `'${this.#uri(chain, locality, false)}'`);
    const sql = `RESTORE ${what}FROM LATEST IN (${uris.join(', ')})${when}`;
    this.log.push(sql);
    const exact = layer.end.wall === time.wall && layer.end.logical === time.logical;
    if (!exact && !layer.history) {
      const refused = await rowsOf(target, sql).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (refused?.includes("created with 'revision_history' option") !== true)
        throw new Error(`a restore between layers without history was not refused but: ${refused ?? 'done'}`);
      this.counts.refusals++;
      return;
    }
    await rowsOf(target, sql);
    this.counts.restores++;
    const wanted = database === undefined ? moment.state : new Map([[database, moment.state.get(database)!]]);
    await this.#compare(target, wanted, moment);
    if (chain.kind === 'cluster') same('zone configurations', await zonesOf(target), moment.zones);
    await target.engine.close();
    this.#open.splice(this.#open.indexOf(target), 1);
  }

  #momentAt(time: Timestamp): Moment {
    const found = this.#moments.filter(({ at }) => !before(time, at)).at(-1);
    return found ?? { at: time, state: EMPTY_STATE, prints: new Map(), zones: [] };
  }

  async #compare(target: Session, wanted: ModelState, moment: Moment): Promise<void> {
    const databases = (await rowsOf(target, 'SHOW DATABASES'))
      .map(([name]) => name!)
      .filter((name) => !['system', 'defaultdb', 'postgres'].includes(name));
    same('databases', databases.sort(), [...wanted.keys()].sort());
    const found = await Promise.all(
      databases.map(async (name) =>
        (await rowsOf(target, `SHOW TABLES FROM ${name}`)).map((row) => `${name}.${row[1]}`),
      ),
    );
    same('tables', found.flat().sort(), tableNames(wanted));
    for (const [database, tables] of wanted) {
      for (const [name, table] of tables) {
        const shown = (await rowsOf(target, `SELECT * FROM ${database}.${name}`)).map((row) =>
          row.map((cell) => cell ?? 'NULL').join('|'),
        );
        same(`rows of ${database}.${name}`, shown.sort(), rowLines(table));
        this.counts.rows += shown.length;
      }
    }
    const prints = await printsOf(target, wanted);
    for (const [table, lines] of prints) same(`fingerprints of ${table}`, lines, moment.prints.get(table) ?? []);
  }
}

function holds(layer: Layer, at: Timestamp): boolean {
  return (layer.start === undefined || before(layer.start, at)) && !before(layer.end, at);
}

function same(what: string, found: readonly string[], wanted: readonly string[]): void {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new Error(`${what}\n  restored: ${JSON.stringify(found)}\n  wanted:   ${JSON.stringify(wanted)}`);
}

async function rowsOf(session: Session, text: string): Promise<(readonly (string | null)[])[]> {
  const rows: (readonly (string | null)[])[] = [];
  for await (const row of (await execute(session, text)).rows) rows.push(row);
  return rows;
}

/** Zone configurations of tables and what is below them. */
async function zonesOf(session: Session): Promise<string[]> {
  const rows = await rowsOf(session, 'SHOW ZONE CONFIGURATIONS');
  return rows
    .filter(([target]) => target!.startsWith('TABLE '))
    .map((row) => row.join('='))
    .filter((line) => !line.includes(' system.'))
    .sort();
}

async function printsOf(session: Session, state: ModelState): Promise<Map<string, readonly string[]>> {
  const prints = new Map<string, readonly string[]>();
  for (const name of tableNames(state)) {
    const rows = await rowsOf(session, `SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE ${name}`);
    prints.set(
      name,
      rows.map((row) => row.join('=')),
    );
  }
  return prints;
}
