import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasVersitygw } from '../storage/servers/versitygw.js';

interface SmokeReport {
  readonly encode: readonly {
    readonly codec: string;
    readonly speed: { readonly median: number };
    readonly ratio: number;
  }[];
  readonly flows: readonly {
    readonly flow: string;
    readonly place: string;
    readonly firstRun: { readonly median: number };
    readonly bytes: number;
    readonly speed: { readonly median: number };
  }[];
  readonly chains: readonly {
    readonly layers: number;
    readonly bytes: number;
    readonly ofFull: number;
    readonly peakResident: number;
    readonly peakAnonymous: number;
    readonly fullResident: number;
    readonly samples: number;
  }[];
  readonly incremental: readonly {
    readonly changedRows: number;
    readonly bytesFraction: number;
    readonly garbage: { readonly versions: number };
  }[];
  readonly memory: readonly { readonly phase: string; readonly peakResident: number; readonly samples: number }[];
  readonly storage: {
    readonly server: string;
    readonly rclone: string;
    readonly transfers: readonly {
      readonly carrier: string;
      readonly direction: string;
      readonly speed: { readonly median: number };
      readonly cpuPerGb: { readonly median: number };
    }[];
    readonly flows: readonly {
      readonly bytes: number;
      readonly backup: { readonly median: number };
      readonly uploadOnly: { readonly median: number };
      readonly restore: { readonly median: number };
    }[];
    readonly memory: readonly {
      readonly partsBound: number;
      readonly residentBefore: number;
      readonly peakResident: number;
      readonly samples: number;
    }[];
  };
  readonly aims: readonly { readonly text: string; readonly measured: string }[];
}

const root = join(import.meta.dirname, '..', '..');
const out = mkdtempSync(join(tmpdir(), 'bench-smoke-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Runs node and gives its output; a failure shows both streams. */
function node(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`node ${args[0]} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

describe('every bench in smoke size', () => {
  let report: SmokeReport;
  let page: string;

  beforeAll(() => {
    node(
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      'bench/tsconfig.json',
      '--outDir',
      'bench/out/js',
    );
    node('bench/out/js/main.js', '--smoke', '--out', out);
    report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as SmokeReport;
    page = readFileSync(join(out, 'report.html'), 'utf8');
  }, 180_000);

  test('encodes with every codec', () => {
    expect(report.encode.map(({ codec }) => codec)).toEqual([
      ...['none', 'snappy', 'zstd 1', 'zstd 3'],
      ...['none', 'snappy', 'zstd 1', 'zstd 3'],
    ]);
    for (const { codec, speed, ratio } of report.encode) {
      expect(speed.median).toBeGreaterThan(0);
      expect(ratio).toBeGreaterThan(codec === 'none' ? 1 : 0.4);
      expect(ratio).toBeLessThan(codec === 'none' ? 1.1 : 0.75);
    }
  });

  test('restores as many bytes as were backed up', () => {
    const places = existsSync('/dev/shm') ? ['disk', 'RAM disk'] : ['disk'];
    expect(report.flows.map(({ flow, place }) => [flow, place])).toEqual(
      places.flatMap((place) => [
        ['backup', place],
        ['restore', place],
      ]),
    );
    for (const { bytes, speed, firstRun } of report.flows) {
      expect(bytes).toBeGreaterThan(500_000);
      expect(bytes).toBe(report.flows[0]!.bytes);
      expect(Math.min(speed.median, firstRun.median)).toBeGreaterThan(0);
    }
  });

  test('restores chains to the bytes of their full', () => {
    expect(report.chains.map(({ layers }) => layers)).toEqual([1, 4]);
    for (const { bytes, ofFull, peakResident, peakAnonymous, fullResident, samples } of report.chains) {
      expect(bytes).toBeGreaterThan(1_000_000);
      expect(ofFull).toBeGreaterThan(0);
      expect(Math.min(peakResident, fullResident)).toBeGreaterThan(20);
      expect(peakAnonymous).toBeGreaterThan(10);
      expect(peakAnonymous).toBeLessThanOrEqual(peakResident);
      expect(samples).toBeGreaterThan(0);
    }
  });

  test('reads little for an incremental, and collects what it overwrote', () => {
    expect(report.incremental).toMatchObject([{ changedRows: 200, garbage: { versions: 400 } }]);
    expect(report.incremental[0]!.bytesFraction).toBeLessThan(0.05);
  });

  test('watches the memory of each phase', () => {
    expect(report.memory.map(({ phase }) => phase)).toEqual(['fill', 'backup', 'restore']);
    for (const { peakResident, samples } of report.memory) {
      expect(peakResident).toBeGreaterThan(20);
      expect(samples).toBeGreaterThan(0);
    }
  });

  test('moves bytes to and from a store by every carrier that is installed, or says that there is none', () => {
    const { server, rclone, transfers, flows, memory } = report.storage;
    if (!hasVersitygw) {
      expect(server).toBe('versitygw: not installed');
      expect([...transfers, ...flows, ...memory]).toEqual([]);
      return;
    }
    const carriers = ['spanvault', 'spanvault, unsigned', 'bare HTTP'];
    if (!rclone.includes('not installed')) carriers.push('rclone copy');
    expect(transfers.map(({ direction, carrier }) => `${direction} ${carrier}`)).toEqual(
      ['upload', 'download'].flatMap((direction) => carriers.map((carrier) => `${direction} ${carrier}`)),
    );
    for (const { speed, cpuPerGb } of transfers) expect(Math.min(speed.median, cpuPerGb.median)).toBeGreaterThan(0);
    expect(flows).toHaveLength(1);
    for (const { bytes, backup, uploadOnly, restore } of flows) {
      expect(bytes).toBeGreaterThan(500_000);
      expect(Math.min(backup.median, uploadOnly.median, restore.median)).toBeGreaterThan(0);
    }
    for (const { partsBound, residentBefore, peakResident, samples } of memory) {
      expect(partsBound).toBe(availableParallelism() * 2 * 5 * 5);
      expect(peakResident).toBeGreaterThan(residentBefore);
      expect(samples).toBeGreaterThan(0);
    }
  });

  test('the page holds every aim and nothing of the machine or from outside', () => {
    for (const { measured } of report.aims) expect(measured).not.toMatch(/NaN|Infinity|undefined/);
    expect(page.match(/<tr><td>(encode|backup|restore|incremental|memory|storage)[^<]*(≥|≤|&lt;|&#60;)/g)!.length).toBe(
      report.aims.length,
    );
    expect(page).toMatch(/<svg /);
    for (const text of ['http:', 'https:', '<script', '<link', '<img', homedir(), root, tmpdir()])
      expect(page, text).not.toContain(text);
    expect(page).not.toMatch(/NaN|undefined/);
  });
});
