import { expect } from 'vitest';
import { type ExternalStorage, measureStorage, openStorage } from '#src/storage/index.js';
import { type Mishap, startRelay } from './servers/relay.js';

const KiB = 1024;
const SEED = 20_261_124;

/** Numbers from 0 to 1 that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Uses a location as openStorage gives it, while three requests in ten fail on their way: what succeeded is there once and
 * whole, every failure was repeated, and requests were counted by the given kinds.
 * @param target the server behind the relay; `variable` is the environment's way to lead the driver to it
 */
export async function weather(
  target: string,
  variable: string,
  uri: string,
  stops: (() => Promise<void>)[],
  { kinds }: { readonly kinds: readonly string[] },
): Promise<void> {
  const random = numbers(SEED);
  const mishaps: readonly Mishap[] = ['lose request', 'lose answer', { status: 503 }, { status: 500 }, { status: 429 }];
  let sent = 0;
  let failed = 0;
  const relay = await startRelay(target, () => {
    sent++;
    if (random() >= 0.3) return 'pass';
    failed++;
    return mishaps[Math.floor(random() * mishaps.length)]!;
  });
  stops.push(() => relay.stop());
  process.env[variable] = relay.url;
  await measureStorage(async (ledger) => {
    const retry = { attempts: 40, baseMs: 1, capMs: 5 };
    const storage = openStorage({ uri, settings: { retry } });
    const expected = new Map<string, Uint8Array>();
    for (let round = 0; round < 12; round++) {
      const name = `round/${round % 8}`;
      const bytes = Uint8Array.from({ length: 600 * KiB + round }, () => random() * 256);
      const ifAbsent = !expected.has(name);
      if (round % 2 === 0) await writeParts(storage, name, bytes, ifAbsent);
      else await storage.write(name, bytes, { ifAbsent });
      expected.set(name, bytes);
      await expect(storage.write(name, Buffer.from('x'), { ifAbsent: true }), `seed ${SEED}`).rejects.toMatchObject({
        code: 'SV_STORAGE_EXISTS',
      });
    }
    await storage.delete('round/0');
    expected.delete('round/0');
    const listed = new Map<string, number | undefined>();
    for await (const { name, bytes } of storage.list('')) listed.set(name, bytes);
    expect(listed, `seed ${SEED}`).toEqual(new Map([...expected].map(([name, { length }]) => [name, length])));
    for (const [name, bytes] of expected) {
      expect(Buffer.compare((await storage.read(name)).bytes, bytes), `seed ${SEED}, ${name}`).toBe(0);
      expect(await storage.size(name)).toBe(bytes.length);
    }
    const [usage] = ledger.usages();
    const total = Object.values(usage!.requests).reduce((sum, count) => sum + count, 0);
    expect(Object.keys(usage!.requests).sort()).toEqual([...kinds].sort());
    // Giving up a session is not counted: it is no request that a store bills.
    expect(total, `seed ${SEED}`).toBe(sent);
    const retries = Object.values(usage!.operations).reduce((sum, operation) => sum + operation.retries, 0);
    expect(failed).toBeGreaterThan(10);
    expect(retries, `seed ${SEED}`).toBeGreaterThanOrEqual(failed - 1);
  });
}

async function writeParts(storage: ExternalStorage, name: string, bytes: Uint8Array, ifAbsent: boolean): Promise<void> {
  const writer = await storage.create(name, { ifAbsent });
  for (let at = 0; at < bytes.length; at += 300 * KiB) await writer.write(bytes.subarray(at, at + 300 * KiB));
  await writer.finish(bytes.length);
}
