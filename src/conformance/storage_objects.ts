import { isSpanvaultError } from '../fault/index.js';
import { same } from './assertions.js';
import { fails, names, pattern, type StorageCheck, sameBytes, text } from './storage_check.js';

/** Whole objects: content, ranges, names, absence. */
export const OBJECTS: readonly StorageCheck[] = [
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
    name: 'reads several pieces in one go as it reads them one by one, where it can',
    async run({ storage }) {
      if (storage.readAll === undefined) return;
      await storage.write('dir/object', pattern(1000, 7));
      await storage.write('empty', new Uint8Array(0));
      const pieces = [
        { name: 'dir/object' },
        { name: 'dir/none' },
        { name: 'dir/object', offset: -10, length: 4 },
        { name: 'dir/object/none', offset: 5 },
        { name: 'none/none' },
        { name: 'dir' },
        { name: 'empty', offset: -10 },
        { name: 'dir/object', offset: 990, length: 100 },
      ];
      const found = await storage.readAll(pieces);
      same(found.length, pieces.length, 'results');
      for (const [index, { name, ...window }] of pieces.entries()) {
        const [one, all] = [await storage.read(name, window).catch((error: unknown) => error), found[index]];
        if (isSpanvaultError(one)) {
          const told = isSpanvaultError(all) ? [all.code, all.message] : all;
          same(told, [one.code, one.message], `the failure of ${name}`);
        } else same(all, one, `piece ${index}`);
      }
      same((await storage.readAll([])).length, 0, 'results of nothing');
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
