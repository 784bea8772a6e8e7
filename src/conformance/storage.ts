import { Buffer } from 'node:buffer';
import { type FaultCode, isSpanvaultError } from '../fault/index.js';
import type { ExternalStorage, ObjectWriter } from '../storage/index.js';

/** One empty location to try, and how to look at it from outside. */
export interface StorageUnderTest {
  readonly storage: ExternalStorage;
  /** A second handle on the same location, as another thread opens it. */
  reopen(): ExternalStorage | Promise<ExternalStorage>;
  /** Puts an object the way foreign tools do, also with a name that ends in `/`; absent where the store cannot hold such a name. */
  putForeign?(name: string, bytes: Uint8Array): Promise<void>;
  dispose(): Promise<void>;
}

/** The two functions of a test runner that the suite needs; vitest, jest, mocha and node:test have them. */
export interface ConformanceRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>, timeoutMs?: number): void;
}

/** One named check; it throws an Error whose message says what differs. */
export interface StorageCheck {
  readonly name: string;
  run(subject: StorageUnderTest): Promise<void>;
}

const MIB = 1024 * 1024;

/** Registers the whole suite with a test runner: each check gets a fresh, empty location from `factory`. */
export function storageConformance(
  name: string,
  factory: () => Promise<StorageUnderTest>,
  runner: ConformanceRunner,
): void {
  runner.describe(`ExternalStorage: ${name}`, () => {
    for (const check of STORAGE_CHECKS) {
      runner.it(
        check.name,
        async () => {
          const subject = await factory();
          try {
            await check.run(subject);
          } finally {
            await subject.dispose();
          }
        },
        30_000,
      );
    }
  });
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: got ${a}, expected ${b}`);
}

function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) !== 0)
    throw new Error(`${what}: ${actual.length} bytes differ from the ${expected.length} expected`);
}

async function fails(call: () => Promise<unknown>, codes: readonly FaultCode[], what: string): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  if (!isSpanvaultError(error))
    throw new Error(`${what}: expected ${codes.join(' or ')}, got ${error === undefined ? 'success' : String(error)}`);
  if (!codes.includes(error.code))
    throw new Error(`${what}: expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`);
}

async function names(storage: ExternalStorage, prefix = '', delimiter?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const object of storage.list(prefix, delimiter === undefined ? {} : { delimiter }))
    found.push(object.name);
  return found;
}

function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

/** Bytes that differ at every position of a part, so that swapped or repeated parts show. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

const OBJECTS: readonly StorageCheck[] = [
  {
    name: 'reads back what was written, whole and in ranges',
    async run({ storage, reopen }) {
      const bytes = pattern(100_000, 7);
      await storage.write('dir/object', bytes);
      const other = await reopen();
      for (const handle of [storage, other]) {
        const whole = await handle.read('dir/object');
        sameBytes(whole.bytes, bytes, 'whole read');
        same(whole.totalBytes, bytes.length, 'totalBytes');
        same(await handle.size('dir/object'), bytes.length, 'size');
      }
      const ranges: [number, number | undefined, number, number][] = [
        [0, 1, 0, 1],
        [10, 50, 10, 60],
        [99_990, 50, 99_990, 100_000],
        [100_000, 10, 100_000, 100_000],
        [200_000, undefined, 100_000, 100_000],
        [500, undefined, 500, 100_000],
        [-100, undefined, 99_900, 100_000],
        [-100, 10, 99_900, 99_910],
        [-1_000_000, undefined, 0, 100_000],
        [5, 0, 5, 5],
      ];
      for (const [offset, length, start, end] of ranges) {
        const part = await storage.read('dir/object', length === undefined ? { offset } : { offset, length });
        sameBytes(part.bytes, bytes.subarray(start, end), `read of ${length} at ${offset}`);
        same(part.totalBytes, bytes.length, `totalBytes of the read at ${offset}`);
      }
      await other.close();
    },
  },
  {
    name: 'keeps objects of zero bytes',
    async run({ storage }) {
      await storage.write('empty', new Uint8Array(0));
      same((await storage.read('empty')).bytes.length, 0, 'bytes');
      same((await storage.read('empty', { offset: -10 })).bytes.length, 0, 'tail bytes');
      same(await storage.size('empty'), 0, 'size');
      same(await names(storage), ['empty'], 'listing');
    },
  },
  {
    name: 'replaces an object whole',
    async run({ storage }) {
      await storage.write('object', pattern(5000, 1));
      await storage.write('object', pattern(10, 2));
      sameBytes((await storage.read('object')).bytes, pattern(10, 2), 'second content');
    },
  },
  {
    name: 'does not keep the memory of a write',
    async run({ storage }) {
      const bytes = pattern(1000, 3);
      await storage.write('object', bytes);
      bytes.fill(0);
      sameBytes((await storage.read('object')).bytes, pattern(1000, 3), 'content');
    },
  },
  {
    name: 'names missing objects',
    async run({ storage }) {
      await fails(() => storage.read('nothing'), ['SV_STORAGE_NOT_FOUND'], 'read');
      await fails(() => storage.size('no/thing'), ['SV_STORAGE_NOT_FOUND'], 'size');
      await storage.write('a/b', text('x'));
      await fails(() => storage.read('a'), ['SV_STORAGE_NOT_FOUND'], 'read of a directory');
      await fails(() => storage.size('a'), ['SV_STORAGE_NOT_FOUND'], 'size of a directory');
      await fails(() => storage.read('a/b/c'), ['SV_STORAGE_NOT_FOUND'], 'read below an object');
    },
  },
  {
    name: 'deletes, and is content when there is nothing to delete',
    async run({ storage }) {
      await storage.write('a/b', text('x'));
      await storage.write('a/c', text('y'));
      await storage.delete('a/b');
      await storage.delete('a/b');
      await storage.delete('never/was');
      await fails(() => storage.read('a/b'), ['SV_STORAGE_NOT_FOUND'], 'read after delete');
      same(await names(storage), ['a/c'], 'listing');
      await storage.delete('a/c');
      await storage.write('a/d/e', text('z'));
      same(await names(storage), ['a/d/e'], 'listing after the directory was emptied and used again');
    },
  },
  {
    name: 'keeps names with spaces, percent signs and unicode',
    async run({ storage }) {
      const odd = [
        'a b/c d',
        'p%20q',
        'p%2Fq',
        'ünï/çödé',
        '日本/語',
        'plus+and=equals',
        'quote\'"s',
        '-dash',
        'q?m#h',
      ];
      for (const name of odd) await storage.write(name, text(name));
      for (const name of odd) sameBytes((await storage.read(name)).bytes, text(name), name);
      same((await names(storage)).length, odd.length, 'number of names');
      for (const name of odd) same((await names(storage, name)).includes(name), true, `listing of ${name}`);
    },
  },
  {
    name: 'refuses names that are not relative paths',
    async run({ storage }) {
      for (const name of ['', '/abs', '../up', 'a/../b', 'a/./b', 'a//b', 'a/', '.', '..', 'nul\0']) {
        await fails(() => storage.read(name), ['SV_URI'], `read ${JSON.stringify(name)}`);
        await fails(() => storage.write(name, text('x')), ['SV_URI'], `write ${JSON.stringify(name)}`);
        await fails(() => storage.create(name), ['SV_URI'], `create ${JSON.stringify(name)}`);
        await fails(() => storage.delete(name), ['SV_URI'], `delete ${JSON.stringify(name)}`);
      }
      same(await names(storage), [], 'listing');
    },
  },
];

const WRITERS: readonly StorageCheck[] = [
  {
    name: 'writes parts of 8 MiB and lets their memory be used again',
    async run({ storage, reopen }) {
      const part = new Uint8Array(8 * MIB);
      const writer = await storage.create('big/parts.sst');
      part.set(pattern(part.length, 11));
      await writer.write(part);
      part.set(pattern(part.length, 12));
      await writer.write(part);
      part.set(pattern(1000, 13));
      await writer.write(part.subarray(0, 1000));
      part.fill(0);
      same(await names(storage), [], 'listing before finish');
      await fails(() => storage.size('big/parts.sst'), ['SV_STORAGE_NOT_FOUND'], 'size before finish');
      await writer.finish(16 * MIB + 1000);
      const other = await reopen();
      const { bytes, totalBytes } = await other.read('big/parts.sst');
      same(totalBytes, 16 * MIB + 1000, 'totalBytes');
      sameBytes(bytes.subarray(0, 8 * MIB), pattern(8 * MIB, 11), 'first part');
      sameBytes(bytes.subarray(8 * MIB, 16 * MIB), pattern(8 * MIB, 12), 'second part');
      sameBytes(bytes.subarray(16 * MIB), pattern(1000, 13), 'third part');
      await other.close();
    },
  },
  {
    name: 'finishes an object without parts',
    async run({ storage }) {
      const writer = await storage.create('none');
      await writer.finish(0);
      same(await storage.size('none'), 0, 'size');
    },
  },
  {
    name: 'leaves nothing after abort, and abort never throws',
    async run({ storage }) {
      const writer = await storage.create('dir/aborted');
      await writer.write(pattern(1000, 1));
      await writer.abort();
      await writer.abort();
      same(await names(storage), [], 'listing');
      await storage.write('kept', text('old'));
      const second = await storage.create('kept');
      await second.write(text('new'));
      await second.abort();
      sameBytes((await storage.read('kept')).bytes, text('old'), 'the object that was there before');
    },
  },
  {
    name: 'refuses to finish with a wrong number of bytes',
    async run({ storage }) {
      for (const wrong of [0, 999, 1001]) {
        const writer = await storage.create('dir/short');
        await writer.write(pattern(1000, 1));
        await fails(() => writer.finish(wrong), ['SV_STORAGE_IO'], `finish(${wrong}) of 1000 bytes`);
        await writer.abort();
      }
      same(await names(storage), [], 'listing');
    },
  },
  {
    name: 'lets exactly one of racing ifAbsent writers win',
    async run({ storage, reopen }) {
      const other = await reopen();
      for (let round = 0; round < 10; round++) {
        const name = `lock-${round}`;
        const contents = Array.from({ length: 8 }, (_, index) => text(`writer ${index}`));
        const results = await Promise.allSettled(
          contents.map((bytes, index) => (index % 2 === 0 ? storage : other).write(name, bytes, { ifAbsent: true })),
        );
        const won = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
        same(won.length, 1, 'number of winners');
        for (const result of results) {
          if (result.status === 'rejected')
            await fails(() => Promise.reject(result.reason), ['SV_STORAGE_EXISTS'], 'loser');
        }
        sameBytes((await storage.read(name)).bytes, contents[won[0]!]!, "the winner's content");
      }
      await other.close();
    },
  },
  {
    name: 'keeps what exists when a part-wise ifAbsent write comes late',
    async run({ storage }) {
      const writer: ObjectWriter = await storage.create('object', { ifAbsent: true });
      await writer.write(text('late'));
      await storage.write('object', text('early'));
      await fails(() => writer.finish(4), ['SV_STORAGE_EXISTS'], 'finish');
      await writer.abort();
      sameBytes((await storage.read('object')).bytes, text('early'), 'content');
      same(await names(storage), ['object'], 'listing');
    },
  },
  {
    name: 'stops when aborted by signal',
    async run({ storage }) {
      const signal = AbortSignal.abort();
      await storage.write('object', text('x'));
      await fails(() => storage.read('object', { signal }), ['SV_ABORTED'], 'read');
      await fails(() => storage.write('other', text('x'), { signal }), ['SV_ABORTED'], 'write');
      const controller = new AbortController();
      const writer = await storage.create('third', { signal: controller.signal });
      await writer.write(text('x'));
      controller.abort();
      await fails(() => writer.finish(1), ['SV_ABORTED'], 'finish');
      await writer.abort();
      same(await names(storage), ['object'], 'listing');
    },
  },
];

const LISTINGS: readonly StorageCheck[] = [
  {
    name: 'lists in byte order of names, with sizes where it tells them',
    async run({ storage }) {
      // No `a` beside `a/b-c`: a file system cannot hold both.
      const put = ['a-b', 'a.b', 'a/b-c', 'a0', 'b/\u{1f600}', 'b/\uffee', 'Z', 'é'];
      for (const name of [...put].reverse()) await storage.write(name, text(name));
      const expected = [...put].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      same(await names(storage), expected, 'listing');
      for await (const object of storage.list('')) {
        if (object.bytes !== undefined) same(object.bytes, Buffer.byteLength(object.name), `bytes of ${object.name}`);
      }
    },
  },
  {
    name: 'lists by prefix, which need not end at a slash',
    async run({ storage }) {
      for (const name of ['data/1.sst', 'data/10.sst', 'data/2.sst', 'database', 'x/data/1.sst'])
        await storage.write(name, text('x'));
      same(await names(storage, 'data'), ['data/1.sst', 'data/10.sst', 'data/2.sst', 'database'], 'prefix data');
      same(await names(storage, 'data/'), ['data/1.sst', 'data/10.sst', 'data/2.sst'], 'prefix data/');
      same(await names(storage, 'data/1'), ['data/1.sst', 'data/10.sst'], 'prefix data/1');
      same(await names(storage, 'data/1.sst'), ['data/1.sst'], 'prefix that is a whole name');
      same(await names(storage, 'nothing/at/all'), [], 'prefix of nothing');
    },
  },
  {
    name: 'cuts names at a delimiter and lists each once',
    async run({ storage }) {
      const full = '2023/02/23-150925.62';
      for (const name of [
        'LATEST',
        `${full}/BACKUP_MANIFEST`,
        `${full}/data/1.sst`,
        `${full}/data/2.sst`,
        '2024/x',
        'metadata/latest/LATEST-1',
      ]) {
        await storage.write(name, text('x'));
      }
      same(await names(storage, '', '/'), ['2023/', '2024/', 'LATEST', 'metadata/'], 'delimiter / at the root');
      same(
        await names(storage, `${full}/`, '/'),
        [`${full}/BACKUP_MANIFEST`, `${full}/data/`],
        'delimiter / below a prefix',
      );
      same(
        await names(storage, '', 'data/'),
        [`${full}/BACKUP_MANIFEST`, `${full}/data/`, '2024/x', 'LATEST', 'metadata/'],
        'delimiter data/, which occurs in metadata/ too',
      );
      same(await names(storage, '202', '/'), ['2023/', '2024/'], 'delimiter past a part of a component');
    },
  },
  {
    name: 'lists more objects than one page holds',
    async run({ storage }) {
      const expected: string[] = [];
      for (let index = 0; index < 1_101; index++) expected.push(`page/${String(index).padStart(5, '0')}`);
      for (let index = 0; index < expected.length; index += 50) {
        await Promise.all(expected.slice(index, index + 50).map((name) => storage.write(name, new Uint8Array(1))));
      }
      same(await names(storage, 'page/'), expected, 'listing');
      let seen = 0;
      for await (const _ of storage.list('page/')) if (++seen === 3) break;
      same(seen, 3, 'a listing that its caller leaves early');
    },
  },
  {
    name: 'is not disturbed by foreign objects whose names end in a slash',
    async run({ storage, putForeign }) {
      if (putForeign === undefined) return;
      await putForeign('metadata/latest/', new Uint8Array(0));
      await storage.write('metadata/latest/LATEST-1', text('x'));
      const listed = (await names(storage, 'metadata/latest/')).filter((name) => !name.endsWith('/'));
      same(listed, ['metadata/latest/LATEST-1'], 'listing');
      sameBytes((await storage.read('metadata/latest/LATEST-1')).bytes, text('x'), 'content');
    },
  },
];

/** Every check, in order. */
export const STORAGE_CHECKS: readonly StorageCheck[] = [...OBJECTS, ...WRITERS, ...LISTINGS];
