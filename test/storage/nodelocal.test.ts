import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storageConformance } from '#src/conformance/index.js';
import { NodelocalStorage, parseUri, sweepStorage } from '#src/storage/index.js';

const open = (uri: string, externalIODir: string, selfNode?: number) =>
  new NodelocalStorage(parseUri(uri), { externalIODir, ...(selfNode === undefined ? {} : { selfNode }) });

storageConformance(
  'nodelocal',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'spanvault-nodelocal-'));
    const uri = 'nodelocal://1/collection/with%20space';
    return {
      storage: open(uri, root),
      reopen: () => open(uri, root),
      dispose: () => rm(root, { recursive: true }),
    };
  },
  { describe, it },
);

describe('nodelocal', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'spanvault-nodelocal-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  const names = async (storage: NodelocalStorage, prefix = '') => {
    const found: string[] = [];
    for await (const object of storage.list(prefix)) found.push(object.name);
    return found;
  };

  it('maps node and path to a directory', async () => {
    await open('nodelocal://3/a b/c/', root).write('f', Buffer.from('x'));
    expect(await readdir(join(root, '3', 'a b', 'c'))).toEqual(['f']);
    await open('nodelocal://self/a', root, 7).write('f', Buffer.from('x'));
    expect(await readdir(join(root, '7', 'a'))).toEqual(['f']);
    expect(open('nodelocal://self', root).display).toBe('nodelocal://self');
  });

  it('refuses hosts that are no node, and everything when there is no external directory', () => {
    expect(() => open('nodelocal:///a', root)).toThrow(
      "host component of nodelocal URI must be a node ID (use 'self' to specify",
    );
    for (const host of ['0', '-1', 'one', '1e3', '..']) {
      expect(() => open(`nodelocal://${host}/a`, root)).toThrow('host component of nodelocal URI must be a node ID: ');
    }
    expect(() => new NodelocalStorage(parseUri('nodelocal://1/a'), {})).toThrow('local file access is disabled');
  });

  it('refuses symbolic links that lead outside the node, for every call', async () => {
    const outside = join(root, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await mkdir(join(root, '1', 'c'), { recursive: true });
    await symlink(outside, join(root, '1', 'c', 'dir'));
    await symlink(join(outside, 'secret'), join(root, '1', 'c', 'file'));
    const storage = open('nodelocal://1/c', root);
    const text = 'local file access to paths outside of external-io-dir is not allowed';
    await expect(storage.read('dir/secret')).rejects.toThrow(text);
    await expect(storage.read('file')).rejects.toThrow(text);
    await expect(storage.size('file')).rejects.toThrow(text);
    await expect(storage.write('dir/new', Buffer.from('x'))).rejects.toThrow(text);
    await expect(storage.write('dir/sub/new', Buffer.from('x'))).rejects.toThrow(text);
    await expect(storage.delete('dir/secret')).rejects.toThrow(text);
    await expect(names(storage, 'dir/')).rejects.toThrow(text);
    expect(await readdir(outside)).toEqual(['secret']);
    // Replacing the link itself is allowed, and what it led to stays.
    await storage.write('file', Buffer.from('mine'));
    expect(Buffer.from((await storage.read('file')).bytes).toString()).toBe('mine');
    expect(await readdir(outside)).toEqual(['secret']);
  });

  it('follows links inside the node, a linked node directory, and survives a cycle of links', async () => {
    const mount = join(root, 'mount');
    await mkdir(join(mount, 'c', 'real'), { recursive: true });
    await symlink(mount, join(root, '1'));
    await symlink(join(mount, 'c', 'real'), join(mount, 'c', 'linked'));
    await symlink(join(mount, 'c'), join(mount, 'c', 'real', 'up'));
    await symlink(join(mount, 'nowhere'), join(mount, 'c', 'dangling'));
    const storage = open('nodelocal://1/c', root);
    await storage.write('linked/f', Buffer.from('x'));
    expect(Buffer.from((await storage.read('real/f')).bytes).toString()).toBe('x');
    expect(await names(storage)).toEqual(['linked/f', 'real/f']);
  });

  it('hides unfinished files of killed runs and sweeps them when they are idle', async () => {
    const storage = open('nodelocal://1/c', root);
    await storage.write('d/f', Buffer.from('x'));
    const writer = await storage.create('d/g');
    await writer.write(Buffer.from('partial'));
    const [unfinished] = (await readdir(join(root, '1', 'c', 'd'))).filter((name) => name !== 'f');
    expect(await names(storage)).toEqual(['d/f']);
    await expect(storage.read(`d/${unfinished}`)).rejects.toMatchObject({ code: 'SV_URI' });
    const config = { uri: 'nodelocal://1/c', settings: { externalIODir: root } };
    expect(await sweepStorage(config, { remove: true, olderThanSeconds: 3600 })).toEqual([]);
    await utimes(join(root, '1', 'c', 'd', unfinished!), new Date(0), new Date(0));
    const found = { kind: 'file', location: `nodelocal://1/c/d/${unfinished}`, since: new Date(0) };
    expect(await sweepStorage(config, { remove: false, olderThanSeconds: 3600 })).toEqual([
      { ...found, removed: false },
    ]);
    expect(await sweepStorage(config, { remove: true, olderThanSeconds: 3600 })).toEqual([{ ...found, removed: true }]);
    expect(await readdir(join(root, '1', 'c', 'd'))).toEqual(['f']);
    await writer.abort();
  });

  it('keeps writing while another handle empties the same directory', async () => {
    const storage = open('nodelocal://1/c', root);
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        await storage.write(`race/${index}`, Buffer.from('x'));
        await storage.delete(`race/${index}`);
      }),
    );
    expect(await names(storage)).toEqual([]);
    expect(await readdir(join(root, '1'))).toEqual([]);
  });
});
