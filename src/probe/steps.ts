import { hasCode, SpanvaultError } from '../fault/index.js';
import { equalBytes } from '../keys/index.js';
import type { ExternalStorage } from '../storage/index.js';
import { noise } from './noise.js';

/*
 * What is asked of a location, one step each, in this order. The steps are the part of the conformance suite that is safe in a
 * user's own bucket: few requests, small objects, names below a directory of the check's own.
 */

/** Who needs a step to hold: crdb-features.md 3.4. */
export type NeededFor = 'backup' | 'restore' | 'backup, restore' | 'optional';

/** What a step works on. */
export interface StepSubject {
  /** The check's own, empty directory. */
  readonly storage: ExternalStorage;
  /** Another handle on it, as another thread opens it. */
  reopen(): ExternalStorage;
  readonly signal: AbortSignal | undefined;
}

export interface Step {
  readonly name: string;
  readonly neededFor: NeededFor;
  /** Returns what is worth knowing; throws what is wrong. */
  run(subject: StepSubject): Promise<string>;
}

/** A part of an upload: what stores demand at least of every part but the last. */
const PART_BYTES = 5 * 1024 * 1024;
const SMALL_BYTES = 4096;
const LATENCY_ROUNDS = 8;

const FIRST = 'first';

function options(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function wrong(sentence: string): SpanvaultError {
  return new SpanvaultError('SV_STORAGE_IO', sentence);
}

async function listed(storage: ExternalStorage, prefix: string, delimiter?: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(prefix, delimiter === undefined ? {} : { delimiter })) names.push(name);
  return names;
}

async function expectContent(storage: ExternalStorage, name: string, expected: Uint8Array): Promise<void> {
  const { bytes, totalBytes } = await storage.read(name);
  if (totalBytes !== expected.length || !equalBytes(bytes, expected))
    throw wrong(`${name} was read back as ${bytes.length} bytes that differ from the ${expected.length} written`);
}

/** Every step but the first two writes; when WRITE fails, only the location itself is looked at. */
export const WRITE: Step = {
  name: 'write',
  neededFor: 'backup',
  async run({ storage, signal }) {
    await storage.write(FIRST, noise(SMALL_BYTES), options(signal));
    return `${SMALL_BYTES} bytes`;
  },
};

export const STEPS: readonly Step[] = [
  {
    name: 'read after write',
    neededFor: 'backup, restore',
    async run({ reopen }) {
      const other = reopen();
      await expectContent(other, FIRST, noise(SMALL_BYTES));
      await other.close();
      return '';
    },
  },
  {
    name: 'range reads',
    neededFor: 'restore',
    async run({ storage, signal }) {
      const whole = noise(SMALL_BYTES);
      for (const [offset, length] of [
        [0, 1],
        [100, 1000],
        [-48, 48],
        [SMALL_BYTES - 10, 100],
      ] as const) {
        const start = offset < 0 ? SMALL_BYTES + offset : offset;
        const { bytes } = await storage.read(FIRST, { offset, length, ...options(signal) });
        if (!equalBytes(bytes, whole.subarray(start, start + length)))
          throw wrong(`a read of ${length} bytes at ${offset} gave other bytes than were written`);
      }
      return '';
    },
  },
  {
    name: 'list after write',
    neededFor: 'backup, restore',
    async run({ storage, reopen, signal }) {
      await storage.write('dir/inside', noise(10), options(signal));
      const other = reopen();
      const names = await listed(other, '', '/');
      if (names.join(' ') !== `dir/ ${FIRST}`)
        throw wrong(`a listing with a delimiter shows [${names.join(' ')}], not [dir/ ${FIRST}]`);
      const below = await listed(other, 'dir/');
      await other.close();
      if (below.join(' ') !== 'dir/inside')
        throw wrong(`a listing of dir/ shows [${below.join(' ')}], not [dir/inside]`);
      return '';
    },
  },
  {
    name: 'missing objects are told apart',
    neededFor: 'backup, restore',
    async run({ storage }) {
      try {
        await storage.read('nothing');
      } catch (error) {
        if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) return '';
        throw error;
      }
      throw wrong('an object that was never written can be read');
    },
  },
  {
    name: 'overwrite',
    neededFor: 'backup',
    async run({ storage, reopen, signal }) {
      await storage.write('twice', noise(100, 2), options(signal));
      await storage.write('twice', noise(50, 3), options(signal));
      const other = reopen();
      await expectContent(other, 'twice', noise(50, 3));
      await other.close();
      return '';
    },
  },
  {
    name: 'conditional create',
    neededFor: 'backup',
    async run({ storage, signal }) {
      await storage.write('once', noise(100, 4), { ifAbsent: true, ...options(signal) });
      try {
        await storage.write('once', noise(100, 5), { ifAbsent: true, ...options(signal) });
      } catch (error) {
        if (!hasCode(error, 'SV_STORAGE_EXISTS')) throw error;
        await expectContent(storage, 'once', noise(100, 4));
        return '';
      }
      throw wrong('an object that must be new replaced another one');
    },
  },
  {
    name: 'upload in parts',
    neededFor: 'backup',
    async run({ storage, reopen, signal }) {
      const part = noise(PART_BYTES, 6);
      const writer = await storage.create('parts', options(signal));
      try {
        await writer.write(part);
        await writer.write(part.subarray(0, 1000));
        if ((await listed(storage, 'parts')).length > 0) throw wrong('an upload is visible before it is finished');
        await writer.finish(part.length + 1000);
      } catch (error) {
        await writer.abort();
        throw error;
      }
      const other = reopen();
      const whole = new Uint8Array(part.length + 1000);
      whole.set(part);
      whole.set(part.subarray(0, 1000), part.length);
      await expectContent(other, 'parts', whole);
      await other.close();
      return `${PART_BYTES + 1000} bytes in 2 parts, equal when read back`;
    },
  },
  {
    name: 'abandoned uploads vanish',
    neededFor: 'backup',
    async run({ storage, signal }) {
      const writer = await storage.create('abandoned', options(signal));
      await writer.write(noise(1000, 7));
      await writer.abort();
      const short = await storage.create('abandoned', options(signal));
      try {
        await short.write(noise(1000, 7));
        await short.finish(999);
      } catch (error) {
        if (!hasCode(error, 'SV_STORAGE_IO')) throw error;
        if ((await listed(storage, 'abandoned')).length > 0) throw wrong('an abandoned upload became an object');
        // Azure keeps blocks that were never committed for a week, unless an object is written under their name.
        await storage.write('abandoned', noise(10), options(signal));
        return '';
      } finally {
        await short.abort();
      }
      throw wrong('an upload of 1000 bytes was accepted as one of 999');
    },
  },
  {
    name: 'names with spaces, %, + and unicode',
    neededFor: 'optional',
    async run({ storage, signal }) {
      const names = ['odd/a b', 'odd/p%20q+r', 'odd/ü 日本'];
      for (const name of names) await storage.write(name, noise(10, 8), options(signal));
      for (const name of names) await expectContent(storage, name, noise(10, 8));
      const found = await listed(storage, 'odd/');
      if (found.length !== names.length) throw wrong(`a listing shows ${found.length} of ${names.length} such names`);
      return '';
    },
  },
  {
    name: 'latency',
    neededFor: 'optional',
    async run({ storage, signal }) {
      const writes: number[] = [];
      const reads: number[] = [];
      for (let round = 0; round < LATENCY_ROUNDS; round++) {
        writes.push(await milliseconds(() => storage.write('latency', noise(SMALL_BYTES, round + 9), options(signal))));
        reads.push(await milliseconds(() => storage.read('latency', options(signal))));
      }
      return `write ${median(writes).toFixed(1)} ms, read ${median(reads).toFixed(1)} ms (median of ${LATENCY_ROUNDS})`;
    },
  },
];

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
