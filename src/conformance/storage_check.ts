import { Buffer } from 'node:buffer';
import { type FaultCode, isSpanvaultError } from '../fault/index.js';
import type { ExternalStorage } from '../storage/index.js';

/** One empty location to try, and how to look at it from outside. */
export interface StorageUnderTest {
  readonly storage: ExternalStorage;
  /** A second handle on the same location, as another thread opens it. */
  reopen(): ExternalStorage | Promise<ExternalStorage>;
  /** Puts an object the way foreign tools do, also with a name that ends in `/`; absent where the store cannot hold such a name. */
  putForeign?(name: string, bytes: Uint8Array): Promise<void>;
  dispose(): Promise<void>;
}

/** One named check; it throws an Error whose message says what differs. */
export interface StorageCheck {
  readonly name: string;
  run(subject: StorageUnderTest): Promise<void>;
}

export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) !== 0)
    throw new Error(`${what}: ${actual.length} bytes differ from the ${expected.length} expected`);
}

export async function fails(call: () => Promise<unknown>, codes: readonly FaultCode[], what: string): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  if (!isSpanvaultError(error))
    throw new Error(`${what}: expected ${codes.join(' or ')}, got ${error === undefined ? 'success' : String(error)}`);
  if (!codes.includes(error.code))
    throw new Error(`${what}: expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`);
}

export async function names(storage: ExternalStorage, prefix = '', delimiter?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const object of storage.list(prefix, delimiter === undefined ? {} : { delimiter }))
    found.push(object.name);
  return found;
}

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

/** Bytes that differ at every position of a part, so that swapped or repeated parts show. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
