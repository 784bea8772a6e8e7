import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { native } from '#src/native/index.js';
import { drain, ingest, rowsBatch, scanAll, withStore } from './kv.js';

const NATIVE = fileURLToPath(new URL('../../dist/native/index.js', import.meta.url));

function startWorker(data: Record<string, unknown>, body: string): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(NATIVE)}).then(({ native, packBatch, allocateBatch }) => { ${body} });`;
  return new Worker(source, { eval: true, workerData: data });
}

const SCAN = `native.storeScan(workerData.store, { startKey: new Uint8Array(), endKey: Uint8Array.of(255),
  asOf: { wall: 9n, logical: 0 }, after: null, mode: 'latest', dropTombstones: true })`;

describe('threads of one process', () => {
  it('share a handle, and their ingests and scans do not disturb each other', () =>
    withStore(async (store) => {
      ingest(store, rowsBatch('m', 100));
      const workers = ['a', 'b', 'c'].map((prefix) =>
        startWorker(
          { store, batch: rowsBatch(prefix, 2000) },
          `const { batch, store } = workerData;
           for (let n = 0; n < 5; n++) native.storeIngest(store, batch.bytes, batch.offsets, batch.count);
           const scan = ${SCAN}; const { bytes, offsets } = allocateBatch(1 << 20, 10000);
           let count = 0;
           for (let step = scan.next(bytes, offsets); step.kind !== 'done'; step = scan.next(bytes, offsets)) count += step.count;
           scan.close(); parentPort.postMessage(count);`,
        ),
      );
      const counts = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
      for (const count of counts) expect([2100, 4100, 6100]).toContain(count);
      await Promise.all(workers.map((worker) => worker.terminate()));
      expect(drain(scanAll(store))).toBe(6100);
    }));

  it('may end with a scan open; its snapshot is given back', () =>
    withStore(async (store, directory) => {
      const batch = rowsBatch('m', 1000);
      // While a snapshot is held, LMDB cannot reuse pages and the file grows with every commit.
      const growth = () => {
        const before = statSync(`${directory}/data.mdb`).size;
        for (let round = 0; round < 20; round++) native.storeCommit(store, batch, [], []);
        return statSync(`${directory}/data.mdb`).size - before;
      };
      growth();
      for (const ending of ['process.exit(0)', 'setInterval(() => {}, 1000)']) {
        const worker = startWorker({ store }, `globalThis.scan = ${SCAN}; parentPort.postMessage('open'); ${ending}`);
        await once(worker, 'message');
        await worker.terminate();
        expect(growth()).toBe(0);
      }
      const held = scanAll(store);
      expect(growth()).toBeGreaterThan(500_000);
      held.close();
    }));

  it('give errors their code in workers too', () =>
    withStore(async (store) => {
      const worker = startWorker(
        { store },
        `try { native.storeSync(99999) } catch (error) { parentPort.postMessage(error.code) }`,
      );
      expect((await once(worker, 'message'))[0]).toBe('SV_USAGE');
      await worker.terminate();
    }));
});

describe('a process that is killed', () => {
  const start = (directory: string): ChildProcess =>
    fork(fileURLToPath(new URL('./writer_process.mjs', import.meta.url)), [NATIVE, directory], { stdio: 'inherit' });

  it('loses no commit and no ingest that returned, and leaves a store that opens', () =>
    withStore(async (_store, parent) => {
      const directory = `${parent}/killed`;
      for (let round = 1; round <= 3; round++) {
        const child = start(directory);
        let acknowledged = 0;
        const enough = new Promise<void>((resolve) => {
          child.on('message', (count: number) => {
            acknowledged = count;
            if (count >= round * 20) resolve();
          });
        });
        await enough;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        expect((await gone)[1]).toBe('SIGKILL');
        const store = native.openStore(directory, 2 ** 30);
        try {
          const committed = Number(Buffer.from(native.storeMetaGet(store, 'count') ?? []).toString());
          expect(committed).toBeGreaterThanOrEqual(acknowledged);
          // Each step ingests 50 rows, then commits 1 row and the count in one transaction.
          const rows = drain(scanAll(store));
          expect(rows).toBeGreaterThanOrEqual(51 * committed);
          expect(rows).toBeLessThanOrEqual(51 * committed + 50);
        } finally {
          native.closeStore(store);
        }
      }
    }));
});
