import { isSpanvaultError } from '#src/fault/index.js';
import { backup, restore, type StorageSettings, showBackup } from '#src/index.js';
import { setStorageClock } from '#src/storage/index.js';
import { OwnStore } from '../e2e/own_store.js';
import { scaledClock } from '../support/clocks.js';
import { startFaultProxy } from './fault_proxy.js';
import type { S3Server } from './servers/versitygw.js';

/** Simulated milliseconds that pass in a real one. */
const SPEED = 400;

const RATES = { errors: 0.25, throttles: 0.3, corrupted: 0.01, delayMs: 10_000 };

const TARGETS = { kind: 'spans', spans: [{ key: Buffer.from('a'), endKey: Buffer.from('{') }] } as const;

/** mulberry32: small, seeded, good enough to draw fates. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How one run ended; an error of ours is a clean end, anything else is thrown. */
export interface StormRun {
  readonly backup: 'done' | string;
  readonly restore: 'equal' | 'not tried' | string;
  readonly fates: Readonly<Record<string, number>>;
}

/**
 * One backup and one restore through a proxy in a bad mood; in between, the collection is looked at past the proxy: what LATEST names
 * must be whole, whatever was reported.
 * @throws Error when a run ends neither equal nor in a clean error
 */
export async function stormRun(server: S3Server, seed: number): Promise<StormRun> {
  const random = seeded(seed);
  const clock = scaledClock(SPEED, random);
  const bucket = `storm-${seed}`;
  await server.makeBucket(bucket);
  const proxy = await startFaultProxy(server.url, RATES, clock, random);
  const settings: StorageSettings = { retry: { callTimeoutMs: 120_000, operationTimeoutMs: 3_600_000, attempts: 12 } };
  const uris = (at: string) => ['a', 'b'].map((part) => server.uri(`${bucket}/${part}`, at));
  const store = new OwnStore();
  for (let row = 0; row < 200; row++)
    store.rows.set(`${String.fromCharCode(97 + Math.floor(random() * 26))}${row}`, `value ${random()}`);
  setStorageClock(clock);
  try {
    const [first, second] = uris(proxy.url);
    const taken = await outcome(async () => {
      await backup({
        source: store.source(),
        into: [`${first}&COCKROACH_LOCALITY=default`, `${second}&COCKROACH_LOCALITY=region%3Dwest`],
        targets: TARGETS,
        storage: settings,
      });
      return 'done';
    });
    // A backup that was reported as failed may still be there, whole: it is never there broken.
    setStorageClock(undefined);
    const looked = await outcome(async () => {
      await showBackup({ from: 'LATEST', in: uris(server.url), checkFiles: true });
      return 'whole';
    });
    const plain = looked === 'whole' ? await restored(uris(server.url), {}, store) : 'not tried';
    if (taken === 'done' && plain !== 'equal')
      throw new Error(`the backup was reported as done, and ${looked}, ${plain}`);
    if (looked === 'whole' && plain !== 'equal') throw new Error(`LATEST names a backup that is ${plain}`);
    if (looked !== 'whole' && !/^SV_(STORAGE_NOT_FOUND|COVERAGE|UNDEFINED)/.test(looked))
      throw new Error(`the collection is not readable: ${looked}`);
    setStorageClock(clock);
    const result = plain === 'equal' ? await outcome(() => restored(uris(proxy.url), settings, store)) : 'not tried';
    if (result === 'DIFFERENT') throw new Error('a restore ended well and differs');
    return { backup: taken, restore: result, fates: proxy.fates };
  } finally {
    setStorageClock(undefined);
    await proxy.stop();
  }
}

async function restored(uris: readonly string[], storage: StorageSettings, store: OwnStore): Promise<string> {
  const copy = new OwnStore();
  await restore({ sink: copy.sink(), from: 'LATEST', in: [...uris].reverse(), targets: TARGETS, storage });
  const lines = (of: OwnStore): string => JSON.stringify([...of.rows].sort());
  return lines(copy) === lines(store) ? 'equal' : 'DIFFERENT';
}

/** What the work returns, or the code and message of an error of ours. */
async function outcome(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (!isSpanvaultError(error) || error.code === 'SV_INTERNAL') throw error;
    return `${error.code}: ${error.message}`;
  }
}
