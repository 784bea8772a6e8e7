import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { backup, type RestoreResult, restore } from '#src/index.js';
import { OwnStore } from '../e2e/own_store.js';
import { startFiles } from '../storage/servers/files.js';
import type { TestServer } from '../storage/servers/process.js';
import { type Mishap, startRelay } from '../storage/servers/relay.js';

/*
 * A backup behind a file server that has no checksums, seen through a relay that changes a byte of an answer: what a restore checks
 * is read once more, whichever object it is.
 */

const TARGETS = { kind: 'spans', spans: [{ key: Buffer.from('a'), endKey: Buffer.from('{') }] } as const;

describe('what comes damaged from a remote store', () => {
  const store = new OwnStore();
  const stops: (() => Promise<void>)[] = [];
  let directory: string;
  let relay: TestServer;
  /** What was asked for, and what happens to it. */
  const asked: string[] = [];
  let judge: (path: string, range: string | undefined) => Mishap = () => 'pass';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spanvault-second-read-'));
    // One file is larger than two windows, the other one is read whole.
    for (let row = 0; row < 400; row++) store.rows.set(`a${row}`, randomBytes(15_000).toString('base64'));
    for (let row = 0; row < 50; row++) store.rows.set(`z${row}`, randomBytes(5000).toString('base64'));
    const into = ['nodelocal://1/b?COCKROACH_LOCALITY=default', 'nodelocal://1/w?COCKROACH_LOCALITY=region%3Dwest'];
    await backup({ source: store.source(), into, targets: TARGETS, storage: { externalIODir: directory } });
    const files = await startFiles(join(directory, '1'));
    relay = await startRelay(files.url, ({ method, url, headers }) => {
      if (method !== 'GET') return 'pass';
      asked.push(`${url} ${headers.range ?? ''}`.trim());
      return judge(url, headers.range);
    });
    stops.push(() => relay.stop(), files.stop);
  });
  afterEach(() => {
    judge = () => 'pass';
    asked.length = 0;
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
    await rm(directory, { recursive: true });
  });

  async function restored(uris = [`${relay.url}/b`, `${relay.url}/w`], externalIODir?: string): Promise<RestoreResult> {
    const copy = new OwnStore();
    const storage = externalIODir === undefined ? {} : { externalIODir };
    const result = await restore({ sink: copy.sink(), from: 'LATEST', in: uris, targets: TARGETS, storage });
    expect([...copy.rows].sort()).toEqual([...store.rows].sort());
    return result;
  }
  const readsOf = ({ usage }: RestoreResult) => ({
    calls: usage.reduce((sum, { operations }) => sum + operations.read.calls, 0),
    retries: usage.reduce((sum, { operations }) => sum + operations.read.retries, 0),
    requests: usage.reduce((sum, { requests }) => sum + (requests.GET ?? 0), 0),
  });

  it('is read once more, whatever it is, and counted', async () => {
    const sound = readsOf(await restored());
    expect(sound.retries).toBe(0);
    const all = [...new Set(asked)];
    // Data files in windows and whole, manifest and its checksum, a partition descriptor.
    expect(all.filter((one) => /\/data\/\S+ bytes=/.test(one)).length).toBeGreaterThanOrEqual(4);
    const checked = all.filter((one) => /\/data\/|BACKUP_MANIFEST|BACKUP_PART/.test(one));
    expect(checked.length).toBeGreaterThanOrEqual(7);
    for (const victim of checked) {
      let left = 1;
      judge = (path, range) =>
        `${path} ${range ?? ''}`.trim() === victim && left-- > 0 ? 'damage end of answer' : 'pass';
      const { calls, retries, requests } = readsOf(await restored());
      if (left === 1) throw new Error(`${victim} was not asked for again`);
      expect({ victim, calls }).toEqual({ victim, calls: sound.calls });
      // A manifest is read again with its checksum: either may be what was damaged. Names that were tried in vain before are not.
      expect(retries, victim).toBeGreaterThanOrEqual(1);
      expect(retries, victim).toBeLessThanOrEqual(2);
      expect(requests - sound.requests, victim).toBe(retries);
    }
  });

  it('is told as damage at rest when it comes so again', async () => {
    const layer = (await readdir(join(directory, '1/b'), { recursive: true })).filter((name) => name.endsWith('.sst'));
    const data = layer.filter((name) => name.includes('data/'));
    const path = join(directory, '1/b', data[0]!);
    const bytes = await readFile(path);
    const failure = (work: Promise<unknown>): Promise<Error & { code: string }> =>
      work.then(
        () => Promise.reject(new Error('it was not found')),
        (error) => error,
      );
    for (const at of [100, bytes.length >> 1, bytes.length - 60]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = damaged[at]! ^ 0x20;
      await writeFile(path, damaged);
      asked.length = 0;
      const remote = await failure(restored());
      const local = await failure(restored(['nodelocal://1/b', 'nodelocal://1/w'], directory));
      expect(remote.code).toBe('SV_CORRUPT_SST');
      expect(remote.message.replaceAll(relay.url, '')).toBe(local.message.replaceAll('nodelocal://1', ''));
      expect(remote.message).toContain(`${relay.url}/b/`);
      // What does not decode is asked for twice, and nothing else is.
      const ranges = asked
        .filter((one) => one.includes(data[0]!))
        .map((one) => one.replace(/bytes=-(\d+)$/, (_, tail) => `bytes=${bytes.length - tail}-${bytes.length - 1}`));
      expect(ranges.length - new Set(ranges).size, ranges.join('\n')).toBe(1);
    }
    await writeFile(path, bytes);
  });
});
