import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { ProgressReporter } from '#src/cli/progress.js';

function reporter(mode: 'line' | 'plain' | 'json' | 'quiet') {
  let now = 0;
  const printed = { stdout: '', stderr: '' };
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { columns: 60 });
  stdout.on('data', (data: Buffer) => (printed.stdout += data.toString()));
  stderr.on('data', (data: Buffer) => (printed.stderr += data.toString()));
  const io = { stdin: Readable.from([]), stdout, stderr, env: {}, signal: new AbortController().signal };
  const progress = new ProgressReporter(io, mode, () => now);
  const at = (ms: number, bytes: number): void => {
    now = ms;
    progress.update('BACKUP', { phase: 'exporting', bytes, totalBytes: 10_000_000, fraction: bytes / 10_000_000 });
  };
  const settled = async (): Promise<typeof printed> => {
    await new Promise(setImmediate);
    return printed;
  };
  return { progress, at, printed: settled };
}

test('a terminal has one line that redraws itself, with rate and time left, no wider than the terminal', async () => {
  const { progress, at, printed } = reporter('line');
  at(1000, 2_000_000);
  at(1050, 2_100_000);
  at(2000, 4_000_000);
  progress.clear();
  progress.clear();
  expect((await printed()).stderr).toBe(
    '\rBACKUP exporting: 20%, 2.00 MB of 10.0 MB, 2.00 MB/s, 4.0 s\x1b[K\rBACKUP exporting: 40%, 4.00 MB of 10.0 MB, 2.00 MB/s, 3.0 s\x1b[K\r\x1b[K',
  );
});

test('plain lines come every two seconds, none for what is short', async () => {
  const { at, printed } = reporter('plain');
  at(1000, 1_000_000);
  at(2500, 5_000_000);
  at(3000, 6_000_000);
  expect((await printed()).stderr).toBe('BACKUP exporting: 50%, 5.00 MB of 10.0 MB, 2.00 MB/s, 2.5 s left\n');
});

test('JSON lines go to stdout with numbers', async () => {
  const { at, printed } = reporter('json');
  at(1000, 5_000_000);
  const { stdout, stderr } = await printed();
  expect(JSON.parse(stdout)).toEqual({
    event: 'progress',
    operation: 'BACKUP',
    phase: 'exporting',
    bytes: 5_000_000,
    totalBytes: 10_000_000,
    fraction: 0.5,
    bytesPerSecond: 5_000_000,
    etaSeconds: 1,
  });
  expect(stderr).toBe('');
});

test('quiet says nothing', async () => {
  const { at, printed } = reporter('quiet');
  at(5000, 1);
  expect(await printed()).toEqual({ stdout: '', stderr: '' });
});
