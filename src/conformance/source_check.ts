import type { RangeSource, Targets } from '../cluster/contract.js';
import { concatBytes, printDecimal, type Span, type Timestamp, toHex } from '../keys/index.js';
import type { Version } from './source_scan.js';

/** A source to try, and how to put data into its store. */
export interface SourceUnderTest {
  readonly source: RangeSource;
  /** Keys that the checks may write: no key lies in it at the start. Half-open; the checks append bytes to its start. */
  readonly span: Span;
  /** Targets that resolve to spans that hold `span`, and targets that name nothing. */
  readonly targets: Targets;
  readonly missing: Targets | undefined;
  /** Writes one version and returns its timestamp; an empty value is a tombstone. */
  put(key: Uint8Array, value: Uint8Array): Promise<Timestamp>;
  dispose(): Promise<void>;
}

/** One named check; it throws an Error whose message says what differs. */
export interface SourceCheck {
  readonly name: string;
  run(subject: SourceUnderTest): Promise<void>;
}

/** A value as CockroachDB stores BYTES: checksum 0, tag 3, data. */
export function value(text: string): Uint8Array {
  return concatBytes(Uint8Array.of(0, 0, 0, 0, 3), new TextEncoder().encode(text));
}

export const TOMBSTONE = new Uint8Array(0);

/** What a scan is to give for a version that was written. */
export function version(key: Uint8Array, time: Timestamp, bytes: Uint8Array): Version {
  return { key: toHex(key), time: printDecimal(time), value: toHex(bytes) };
}

/** A key inside the subject's span. */
export function keyOf(subject: SourceUnderTest, name: string): Uint8Array {
  return concatBytes(subject.span.key, new TextEncoder().encode(name), Uint8Array.of(0x88));
}

/** a: two versions; b: written and deleted; c: one version. `middle` lies after the first version of each. */
export async function history(subject: SourceUnderTest) {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => keyOf(subject, name)) as [Uint8Array, Uint8Array, Uint8Array];
  const a1 = await subject.put(a, value('a1'));
  const b1 = await subject.put(b, value('b1'));
  const middle = subject.source.now();
  const a2 = await subject.put(a, value('a2'));
  const b2 = await subject.put(b, TOMBSTONE);
  const c1 = await subject.put(c, value('c1'));
  const end = subject.source.now();
  return { a, b, c, a1, b1, a2, b2, c1, middle, end };
}
