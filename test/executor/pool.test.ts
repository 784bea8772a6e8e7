import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { TaskPool } from '#src/executor/index.js';

const module = pathToFileURL(join(import.meta.dirname, 'crash_tasks.mjs')).href;
const scratch = mkdtempSync(join(tmpdir(), 'spanvault-pool-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each([0, 2])('a pool of %i workers', (workers) => {
  test('runs every task once and sums progress', async () => {
    const pool = new TaskPool({ workers });
    const results: number[] = [];
    const tasks = Array.from({ length: 20 }, (_, value) => ({ module, export: 'double', args: { value } }));
    await pool.run<{ value: number }, number>(tasks, (result, index) => {
      results[index] = result;
    });
    await pool.close();
    expect(results).toEqual(tasks.map((task) => task.args.value * 2));
    expect(pool.sums()).toEqual({ bytes: 190, entries: 20 });
  });

  test('a failing task cancels the rest and its error arrives', async () => {
    const pool = new TaskPool({ workers });
    const tasks = [
      { module, export: 'fail', args: {} },
      ...Array.from({ length: 5 }, () => ({ module, export: 'double', args: { value: 1 } })),
    ];
    await expect(pool.run(tasks, () => undefined)).rejects.toMatchObject({
      code: 'SV_INTERNAL',
      message: 'task says no',
    });
    await pool.close();
  });
});

test('what tasks compute side by side is put down in their order', async () => {
  const pool = new TaskPool({ workers: 2 });
  const file = join(scratch, 'order');
  const tasks = Array.from({ length: 8 }, (_, index) => ({
    module,
    export: 'append',
    args: { file, name: String(index), delayMs: index % 2 === 0 ? 30 : 0 },
  }));
  await pool.run(tasks, () => undefined);
  await pool.run(tasks.slice(0, 2), () => undefined);
  await pool.close();
  expect(readFileSync(file, 'utf8')).toBe('0 1 2 3 4 5 6 7 0 1 ');
});

test('a task whose worker died is run again', async () => {
  const pool = new TaskPool({ workers: 2 });
  const results: unknown[] = [];
  await pool.run([{ module, export: 'dieOnce', args: { marker: join(scratch, 'marker') } }], (result) => {
    results.push(result);
  });
  await pool.close();
  expect(results).toEqual(['second life']);
});

test('a task that always kills its worker ends the run with a named error', async () => {
  const pool = new TaskPool({ workers: 2 });
  await expect(pool.run([{ module, export: 'dieAlways', args: {} }], () => undefined)).rejects.toMatchObject({
    code: 'SV_WORKER_DIED',
    details: { attempts: 3 },
  });
  await pool.close();
});

test.each(['spin', 'sleep'])('abort ends a task that would never end (%s)', async (task) => {
  const controller = new AbortController();
  const pool = new TaskPool({ workers: 2, signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await expect(pool.run([{ module, export: task, args: {} }], () => undefined)).rejects.toMatchObject({
    code: 'SV_ABORTED',
  });
  await pool.close();
});

test('a progress callback that throws ends the run with its error, and the process lives', async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): number => uncaught.push(error);
  process.on('uncaughtException', note);
  const pool = new TaskPool({
    workers: 2,
    onTick: () => {
      throw new RangeError('callback says no');
    },
  });
  await expect(pool.run([{ module, export: 'spin', args: {} }], () => undefined)).rejects.toThrow('callback says no');
  await pool.close();
  process.off('uncaughtException', note);
  expect(uncaught).toEqual([]);
});
