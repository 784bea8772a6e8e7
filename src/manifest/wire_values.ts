import type { Span, Timestamp } from '../keys/index.js';
import * as pb from './generated/backup.js';
import type { RowCounts } from './model.js';

/*
 * The values that messages are made of. 64-bit numbers are BigInt on our side and Long on protobufjs' side, which takes
 * a BigInt silently for 0.
 */

/** What protobufjs holds for a 64-bit field. */
export type WireLong = number | { readonly low: number; readonly high: number; readonly unsigned: boolean };

/** A decoded int64. */
export function toSigned(value: WireLong | null | undefined): bigint {
  return BigInt.asIntN(64, bits(value));
}

/** A decoded uint64. */
export function toUnsigned(value: WireLong | null | undefined): bigint {
  return BigInt.asUintN(64, bits(value));
}

function bits(value: WireLong | null | undefined): bigint {
  if (value === null || value === undefined) return 0n;
  return typeof value === 'number' ? BigInt(value) : (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
}

/** An int64 or uint64 to encode; proto3 leaves zero out. */
export function fromBigInt(value: bigint, unsigned = false): WireLong | undefined {
  if (value === 0n) return undefined;
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned };
}

/** Numbers, texts and flags to encode; proto3 leaves zero, "" and false out. */
export function fromScalar<T extends number | string | boolean>(value: T): T | undefined {
  return value === 0 || value === '' || value === false ? undefined : value;
}

/** Bytes to encode; proto3 leaves empty ones out. */
export function fromBytes(value: Uint8Array): Uint8Array | undefined {
  return value.length === 0 ? undefined : value;
}

/** Sets the fields that have a value. */
export function fill<M extends object>(message: M, fields: Readonly<Record<string, unknown>>): M {
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) (message as Record<string, unknown>)[name] = value;
  return message;
}

export function toTimestamp(message: pb.Timestamp.$Properties | null | undefined): Timestamp {
  return { wall: toSigned(message?.wallTime), logical: message?.logical ?? 0 };
}

/** Always a message, also for the empty timestamp: CockroachDB's fields are not nullable. */
export function fromTimestamp(ts: Timestamp): pb.Timestamp {
  return fill(new pb.Timestamp(), { wallTime: fromBigInt(ts.wall), logical: fromScalar(ts.logical) });
}

const NO_BYTES = new Uint8Array(0);

/** Decoded bytes; protobufjs' own default for absent ones is a Buffer. */
export function toBytes(value: Uint8Array | null | undefined): Uint8Array {
  return value === null || value === undefined || value.length === 0 ? NO_BYTES : value;
}

export function toSpan(message: pb.Span.$Properties | null | undefined): Span {
  return { key: toBytes(message?.key), endKey: toBytes(message?.endKey) };
}

export function fromSpan(span: Span): pb.Span {
  return fill(new pb.Span(), { key: fromBytes(span.key), endKey: fromBytes(span.endKey) });
}

export function toCounts(message: pb.RowCount.$Properties | null | undefined): RowCounts {
  return {
    dataSize: toSigned(message?.dataSize),
    rows: toSigned(message?.rows),
    indexEntries: toSigned(message?.indexEntries),
  };
}

export function fromCounts(counts: RowCounts): pb.RowCount {
  return fill(new pb.RowCount(), {
    dataSize: fromBigInt(counts.dataSize),
    rows: fromBigInt(counts.rows),
    indexEntries: fromBigInt(counts.indexEntries),
  });
}

/** The same memory as a plain Uint8Array: a Buffer's `slice` does not copy, which callers must not have to know. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
