import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStorage } from '#src/storage/index.js';

/*
 * In a worker thread parts are written by the thread itself, on the main thread by Node's pool: the contract is the same.
 */

const MODULES = new URL('../../dist/', import.meta.url).href;

interface Outcome {
  readonly name: string;
  readonly failure: string | undefined;
}

/** Runs the conformance suite of storages in a worker thread, over directories below `root`. */
async function conformanceInWorker(root: string): Promise<readonly Outcome[]> {
  const source = `
    const { parentPort, workerData: { modules, root } } = require('node:worker_threads');
    (async () => {
      const { storageConformance } = await import(modules + 'conformance/index.js');
      const { openStorage } = await import(modules + 'storage/index.js');
      const tests = [];
      let directories = 0;
      storageConformance('nodelocal', async () => {
        const settings = { externalIODir: root + '/' + directories++ };
        const open = () => openStorage({ uri: 'nodelocal://1/c', settings });
        return { storage: open(), reopen: open, dispose: async () => {} };
      }, { describe: (_, body) => body(), it: (name, run) => tests.push({ name, run }) });
      const outcomes = [];
      for (const { name, run } of tests) {
        try { await run(); outcomes.push({ name, failure: undefined }); }
        catch (error) { outcomes.push({ name, failure: String(error) }); }
      }
      parentPort.postMessage(outcomes);
    })();`;
  const worker = new Worker(source, { eval: true, workerData: { modules: MODULES, root } });
  const [outcomes] = (await once(worker, 'message')) as [readonly Outcome[]];
  await worker.terminate();
  return outcomes;
}

describe('nodelocal in a worker thread', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'spanvault-nodelocal-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('keeps the contract of storages', async () => {
    const outcomes = await conformanceInWorker(root);
    expect(outcomes.length).toBeGreaterThan(10);
    expect(outcomes.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });

  it('asks for parts that stay in the cache, through the layers of openStorage too', () => {
    const settings = { externalIODir: root };
    expect(openStorage({ uri: 'nodelocal://1/c', settings }).partBytesMost).toBe(1024 * 1024);
    expect(openStorage({ uri: 'memory://c', settings }).partBytesMost).toBeUndefined();
  });
});
