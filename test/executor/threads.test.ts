import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { closePools, type PoolOptions, TaskPool } from '#src/executor/index.js';

const module = pathToFileURL(join(import.meta.dirname, 'crash_tasks.mjs')).href;

interface Place {
  readonly threadId: number;
  readonly found: readonly string[];
  readonly variable?: string;
}

afterEach(closePools);

async function places(pool: TaskPool, tasks: number, inherit: object = {}): Promise<Place[]> {
  const found: Place[] = [];
  const specs = Array.from({ length: tasks }, (_, index) => ({
    module,
    export: 'whereami',
    args: { note: `note ${index}`, ...inherit },
  }));
  await pool.run<{ note: string }, Place>(specs, (place) => {
    found.push(place);
  });
  return found;
}

async function run(options: PoolOptions, tasks = 1, inherit: object = {}): Promise<Place[]> {
  const pool = new TaskPool(options);
  try {
    return await places(pool, tasks, inherit);
  } finally {
    await pool.close();
  }
}

const threadsOf = (found: readonly Place[]): Set<number> => new Set(found.map(({ threadId }) => threadId));

test('a run takes the threads of the run before, and nothing that it left there', async () => {
  const [first, second, third] = (await run({ workers: 1 }, 3)) as [Place, Place, Place];
  expect([first.found, second.found, third.found]).toEqual([[], ['note 0'], ['note 0', 'note 1']]);
  expect(threadsOf([first, second, third]).size).toBe(1);
  expect(await run({ workers: 1 })).toEqual([{ ...first, found: [] }]);
  const other = await run({ workers: 2 }, 8);
  expect(threadsOf(other)).not.toContain(first.threadId);
});

test('a run goes on with what fits of the memory that the run before left, and the one after it finds no more', async () => {
  await run({ workers: 1 }, 4);
  const [first, second] = await run({ workers: 1 }, 2, { most: 2, unfit: 'note 1' });
  expect([first!.found, second!.found]).toEqual([
    ['note 0', 'note 2'],
    ['note 0', 'note 2', 'note 0'],
  ]);
  expect((await run({ workers: 1 })).map(({ found }) => found)).toEqual([[]]);
  expect((await run({ workers: 1 }, 1, { most: 9 })).map(({ found }) => found)).toEqual([['note 0']]);
});

test('a run on the calling thread leaves nothing there for the next', async () => {
  expect((await run({ workers: 0 }, 2)).map(({ found }) => found)).toEqual([[], ['note 0']]);
  expect((await run({ workers: 0 })).map(({ found }) => found)).toEqual([[]]);
});

test('two runs at one time have threads of their own', async () => {
  const pools = [new TaskPool({ workers: 1 }), new TaskPool({ workers: 1 })];
  const [a, b] = await Promise.all(pools.map((pool) => places(pool, 3)));
  await Promise.all(pools.map((pool) => pool.close()));
  expect(threadsOf([...a!, ...b!]).size).toBe(2);
  expect(threadsOf([...(await run({ workers: 1 })), ...a!, ...b!]).size).toBe(2);
});

test('threads of a run that failed, was aborted or lost one are not used again', async () => {
  const marker = join(mkdtempSync(join(tmpdir(), 'spanvault-threads-')), 'marker');
  const ends: readonly { readonly export: string; readonly args: { readonly marker?: string } }[] = [
    { export: 'fail', args: {} },
    { export: 'sleep', args: {} },
    { export: 'dieOnce', args: { marker } },
  ];
  for (const end of ends) {
    const controller = new AbortController();
    const pool = new TaskPool({ workers: 1, signal: controller.signal });
    const before = threadsOf(await places(pool, 1));
    const running = pool.run([{ module, ...end }], () => undefined);
    if (end.export === 'sleep') setTimeout(() => controller.abort(), 20);
    await Promise.allSettled([running]);
    await pool.close();
    const after = await run({ workers: 1 });
    expect(threadsOf(after), end.export).not.toEqual(before);
  }
  rmSync(join(marker, '..'), { recursive: true });
});

test('idle threads see the environment of now', async () => {
  process.env.SPANVAULT_POOL_TEST = 'one';
  const [first] = await run({ workers: 1 });
  process.env.SPANVAULT_POOL_TEST = 'two';
  const [second] = await run({ workers: 1 });
  delete process.env.SPANVAULT_POOL_TEST;
  expect([first!.variable, second!.variable]).toEqual(['one', 'two']);
  expect(second!.threadId).toBe(first!.threadId);
});

test('closePools ends what is idle, and a process ends by itself with idle threads', async () => {
  const [first] = await run({ workers: 1 });
  await closePools();
  expect((await run({ workers: 1 }))[0]!.threadId).not.toBe(first!.threadId);
  const script = join(import.meta.dirname, 'idle_process.mjs');
  // Far below the ten seconds after which idle threads end: a process that waits for that would be killed and fail.
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 8000 });
  expect(stdout).toBe('2\n');
});
