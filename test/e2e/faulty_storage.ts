import { createHash } from 'node:crypto';
import { SpanvaultError } from '#src/fault/index.js';
import { native } from '#src/native/index.js';
import { type ExternalStorage, type ObjectWriter, openStorage, printUri, registerDriver } from '#src/storage/index.js';

/** What happens at one call of the storage contract. */
export type CallFate = 'pass' | 'fail before' | 'fail after';

/** Decides the fate of every call; `call` counts from 1 since the last `watch`. */
export type Fate = (call: number, name: string) => CallFate;

const state: { calls: number; fate: Fate } = { calls: 0, fate: () => 'pass' };

/** From now on calls are counted anew and `fate` decides. */
export function watch(fate: Fate = () => 'pass'): void {
  state.calls = 0;
  state.fate = fate;
}

/** Calls since the last `watch`. */
export function callsSeen(): number {
  return state.calls;
}

async function call<T>(name: string, work: () => Promise<T>): Promise<T> {
  const fate = state.fate(++state.calls, name);
  const number = state.calls;
  if (fate === 'fail before') throw new SpanvaultError('SV_STORAGE_IO', `call ${number}, ${name}, was made to fail`);
  try {
    return await work();
  } finally {
    // Whatever became of it, the caller hears of a failure.
    if (fate === 'fail after') throwDone(number, name);
  }
}

function throwDone(number: number, name: string): never {
  throw new SpanvaultError('SV_STORAGE_IO', `call ${number}, ${name}, was done and failed`);
}

function faultyWriter(writer: ObjectWriter): ObjectWriter {
  return {
    write: (part) => call('writer.write', () => writer.write(part)),
    finish: (bytes) => call('writer.finish', () => writer.finish(bytes)),
    abort: () => writer.abort(),
  };
}

function faulty(inner: ExternalStorage): ExternalStorage {
  return {
    display: inner.display,
    read: (name, options) => call('read', () => inner.read(name, options)),
    size: (name) => call('size', () => inner.size(name)),
    write: (name, bytes, options) => call('write', () => inner.write(name, bytes, options)),
    create: async (name, options) => faultyWriter(await call('create', () => inner.create(name, options))),
    async *list(prefix, options) {
      await call('list', async () => undefined);
      yield* inner.list(prefix, options);
    },
    delete: (name) => call('delete', () => inner.delete(name)),
    close: () => inner.close(),
  };
}

/** `faulty://bucket/path`: memory storage of this process whose calls fail when the watcher says so. */
registerDriver('faulty', {
  parameters: [],
  open: (uri, settings) => faulty(openStorage({ uri: printUri({ ...uri, scheme: 'memory' }), settings })),
});

/** Names and hashes of all objects of a bucket, whatever happens to calls. */
export function objectsOf(bucket: string): string[] {
  return native.memoryList(bucket, '', '', 1 << 20).map(
    (name) =>
      `${name} ${createHash('md5')
        .update(native.memoryGet(bucket, name, 0, -1)!)
        .digest('hex')}`,
  );
}
