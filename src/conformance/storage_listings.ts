import { Buffer } from 'node:buffer';
import { same } from './assertions.js';
import { names, type StorageCheck, sameBytes, text } from './storage_check.js';

/** Listings: order, prefixes, delimiters, paging. */
export const LISTINGS: readonly StorageCheck[] = [
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
