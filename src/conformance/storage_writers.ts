import type { ObjectWriter } from '../storage/index.js';
import { same } from './assertions.js';
import { fails, names, pattern, type StorageCheck, sameBytes, text } from './storage_check.js';

const MIB = 1024 * 1024;

/** Part-wise writes, races and aborts: nothing torn is ever visible. */
export const WRITERS: readonly StorageCheck[] = [
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
    name: 'takes parts side by side where it says that it does',
    async run({ storage, reopen }) {
      const writer = await storage.create('side/by/side.sst');
      const sizes = [6 * MIB, 5 * MIB, 1000, 5 * MIB, 7 * MIB, 17];
      const parts = sizes.map((bytes, index) => pattern(bytes, 20 + index));
      const writes = parts.map((part, index) => () => writer.write(part, { index }));
      if (writer.parallelParts === true) await Promise.all(writes.map((write) => write()));
      else for (const write of writes) await write();
      for (const part of parts) part.fill(0);
      const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
      await writer.finish(total);
      const other = await reopen();
      const { bytes } = await other.read('side/by/side.sst');
      same(bytes.length, total, 'size');
      let at = 0;
      for (const [index, size] of sizes.entries()) {
        sameBytes(bytes.subarray(at, at + size), pattern(size, 20 + index), `part ${index}`);
        at += size;
      }
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
