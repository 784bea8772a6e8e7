import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SpanvaultError } from '#src/fault/index.js';
import { native } from '#src/native/index.js';
import { type CheckedLocation, checkStorage } from '#src/probe/index.js';
import { type ExternalStorage, MemoryStorage, registerDriver } from '#src/storage/index.js';
import { runWith } from '../cli/fakes.js';

const SMALL = { transferBytes: 100_000 };
const root = mkdtempSync(join(tmpdir(), 'spanvault-probe-'));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
const bucket = (): string => `probe-${process.pid}-${count++}`;
const objects = (name: string): string[] => native.memoryList(name, '', '', 1000);

/** A driver on memory objects some of whose methods are replaced. */
let change: (storage: ExternalStorage) => Partial<ExternalStorage> = () => ({});
registerDriver('probe', {
  parameters: [],
  open(uri) {
    const storage = new MemoryStorage(uri, native);
    const changed = change(storage);
    return new Proxy<ExternalStorage>(storage, {
      get(target, name) {
        const value = Reflect.get(changed, name) ?? Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  },
});

async function checkChanged(
  by: typeof change,
  signal?: AbortSignal,
): Promise<{ readonly checked: CheckedLocation; readonly left: string[] }> {
  const name = bucket();
  change = by;
  try {
    const [checked] = await checkStorage({ uris: [`probe://${name}/x`], ...SMALL, ...(signal && { signal }) });
    return { checked: checked!, left: objects(name) };
  } catch (error) {
    expect(objects(name)).toEqual([]);
    throw error;
  } finally {
    change = () => ({});
  }
}

const outcomes = ({ steps }: CheckedLocation): Record<string, string> =>
  Object.fromEntries(steps.filter(({ outcome }) => outcome !== 'ok').map(({ name, outcome }) => [name, outcome]));

describe('checkStorage', () => {
  it('finds nothing wrong with memory and nodelocal, and leaves nothing', async () => {
    const name = bucket();
    const uris = [
      `memory://${name}/a b?COCKROACH_LOCALITY=default`,
      'nodelocal://1/c d?COCKROACH_LOCALITY=region%3Dus',
    ];
    const checked = await checkStorage({ uris, storage: { externalIODir: root }, ...SMALL });
    expect(checked.map(outcomes)).toEqual([{}, {}]);
    expect(checked.map(({ locality }) => locality)).toEqual(['default', 'region=us']);
    for (const one of checked) {
      expect(one).toMatchObject({ usableForBackup: true, usableForRestore: true, leftBehind: 0 });
      expect(one.readSpeed).toBeGreaterThan(0);
      expect(one.steps.map((step) => step.name)).toContain('conditional create');
    }
    expect(objects(name)).toEqual([]);
    expect(readdirSync(root, { recursive: true }).filter((entry) => String(entry).includes('spanvault'))).toEqual([]);
  });

  it('does not touch what was there before', async () => {
    const name = bucket();
    native.memoryPut(name, 'x/kept', new Uint8Array(3), false);
    await checkStorage({ uris: [`memory://${name}/x`], ...SMALL });
    expect(objects(name)).toEqual(['x/kept']);
  });

  it('refuses a list that a backup would refuse', async () => {
    const uris = ['memory://a?COCKROACH_LOCALITY=default', 'memory://b'];
    await expect(checkStorage({ uris })).rejects.toMatchObject({ code: 'SV_LOCALITY' });
    await expect(checkStorage({ uris: [] })).rejects.toMatchObject({ code: 'SV_USAGE' });
  });

  it('tells who lets nobody write', async () => {
    const denied = (): never => {
      throw new SpanvaultError('SV_STORAGE_DENIED', 'no');
    };
    const { checked, left } = await checkChanged(() => ({ write: denied, create: denied }));
    expect(checked).toMatchObject({ usableForBackup: false, usableForRestore: true, leftBehind: 0 });
    expect(checked.steps.find(({ name }) => name === 'write')).toMatchObject({ outcome: 'failed', detail: 'no' });
    expect(checked.steps.find(({ name }) => name === 'latency')!.outcome).toBe('skipped');
    expect(left).toEqual([]);
  });

  it('takes a location where nothing can be deleted, and says what stays', async () => {
    const { checked, left } = await checkChanged(() => ({
      delete: async () => {
        throw new SpanvaultError('SV_STORAGE_DENIED', 'locked');
      },
    }));
    expect(checked).toMatchObject({ usableForBackup: true, usableForRestore: true, leftBehind: left.length });
    expect(outcomes(checked)).toEqual({ delete: 'warning' });
    expect(left.every((name) => name.startsWith(`x/${checked.directory}/`))).toBe(true);
    expect(left.length).toBeGreaterThan(5);
  });

  it.each<[string, typeof change, string]>([
    [
      'overwrites what must be new',
      (storage) => ({ write: (name, bytes) => storage.write(name, bytes) }),
      'conditional create',
    ],
    ['ignores ranges', (storage) => ({ read: (name) => storage.read(name) }), 'range reads'],
    [
      'reads other bytes than were written',
      (storage) => ({
        async read(name, options) {
          const result = await storage.read(name, options);
          return { ...result, bytes: result.bytes.map((byte) => byte ^ 1) };
        },
      }),
      'read after write',
    ],
    [
      'lists late',
      (storage) => ({
        async *list(prefix, options) {
          for await (const one of storage.list(prefix, options)) if (!one.name.startsWith('dir/')) yield one;
        },
      }),
      'list after write',
    ],
    [
      'makes up objects',
      (storage) => ({
        read: async (name, options) =>
          name === 'nothing' ? { bytes: new Uint8Array(0), totalBytes: 0 } : storage.read(name, options),
      }),
      'missing objects are told apart',
    ],
  ])('finds a store that %s, and cleans up', async (_, by, step) => {
    const { checked } = await checkChanged(by);
    expect(outcomes(checked)[step]).toBe('failed');
    expect(checked.usableForBackup && checked.usableForRestore).toBe(false);
  });

  it('leaves nothing when it is aborted at any write', async () => {
    for (let at = 0; at < 12; at++) {
      const abort = new AbortController();
      let writes = 0;
      await expect(
        checkChanged(
          (storage) => ({
            write: async (name, bytes, options) => {
              await storage.write(name, bytes, options);
              if (writes++ === at) abort.abort();
            },
          }),
          abort.signal,
        ),
      ).rejects.toMatchObject({ code: 'SV_ABORTED' });
    }
  });

  it('tells how far the clock of a web server is', async () => {
    const server = createServer((_, response) => {
      response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const [checked] = await checkStorage({ uris: [`http://127.0.0.1:${port}/x`] });
    server.close();
    const clock = checked!.steps.find(({ name }) => name === 'clock drift')!;
    expect(clock.outcome).toBe('warning');
    expect(clock.detail).toMatch(/^this clock is 3[56]\d\d\.\d s ahead of http:\/\/127\.0\.0\.1:\d+, to a second$/);
  });
});

describe('spanvault check-storage', () => {
  const host = {
    withStorage: <T>(_: string | undefined, externalIODir: string | undefined, use: (settings: object) => Promise<T>) =>
      use(externalIODir === undefined ? {} : { externalIODir }),
  };
  const args = ['check-storage', '--transfer-mib', '1', '--external-io-dir', root];

  it('prints a table and ends with 0, or JSON lines', async () => {
    const ran = await runWith(host, [...args, 'nodelocal://1/cli']);
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    expect(ran.stdout).toContain('nodelocal://1/cli: backup yes, restore yes');
    expect(ran.stdout).toMatch(/conditional create +\| backup +\| ok/);
    const json = await runWith(host, [...args, '--json', 'nodelocal://1/cli']);
    const [location, usage] = json.stdout.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
    expect(location).toMatchObject({ event: 'location', usableForBackup: true, leftBehind: 0 });
    expect(usage).toMatchObject({ event: 'usage', usage: [{ bucket: 'nodelocal://1' }] });
  });

  it('ends with 3 for a location that cannot be used, unless it need not be written', async () => {
    change = () => ({
      write: async () => {
        throw new SpanvaultError('SV_STORAGE_DENIED', 'no');
      },
    });
    const uri = `probe://${bucket()}/x`;
    const ran = await runWith(host, [...args, uri]);
    const restoring = await runWith(host, [...args, '--for-restore', uri]);
    const json = await runWith(host, [...args, '--json', uri]);
    change = () => ({});
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('1 of 1 locations cannot be used for backups and restores: probe://');
    expect(restoring.code).toBe(0);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout.split('\n')[2]!)).toMatchObject({ event: 'error', code: 'SV_STORAGE_DENIED' });
  });
});
