import protobuf from 'protobufjs/minimal.js';
import { SpanvaultError } from '../fault/index.js';
import { EMPTY_TIMESTAMP, type Timestamp } from '../keys/index.js';
import {
  DatabaseDescriptor,
  FunctionDescriptor,
  type HlcTimestamp,
  SchemaDescriptor,
  TableDescriptor,
  TypeDescriptor,
} from './generated/descriptors.js';
import { readFields } from './wire.js';

/** Id of the public schema of databases that have no descriptor of their own for it (before 22.2). */
export const PUBLIC_SCHEMA_ID = 29;

/** Life cycle of a descriptor; only public ones are visible. */
export type DescriptorState = 'public' | 'add' | 'drop' | 'offline';

const STATES: readonly DescriptorState[] = ['public', 'add', 'drop', 'offline'];

interface DescriptorFacts {
  readonly id: number;
  readonly name: string;
  /** Database of a table, type, schema or function; 0 for a database. */
  readonly parentId: number;
  /** Schema of a table, type or function (0 on disk means public, 29); 0 for a database or schema. */
  readonly parentSchemaId: number;
  readonly version: number;
  readonly modificationTime: Timestamp;
  readonly state: DescriptorState;
  /** The marshalled sqlbase.Descriptor as it was read. Write this, or an edit of it, never the re-encoded message. */
  readonly raw: Uint8Array;
}

/** A table, view, materialised view or sequence. */
export interface Table extends DescriptorFacts {
  readonly kind: 'table';
  readonly message: TableDescriptor;
}

export interface Database extends DescriptorFacts {
  readonly kind: 'database';
  readonly message: DatabaseDescriptor;
}

export interface Schema extends DescriptorFacts {
  readonly kind: 'schema';
  readonly message: SchemaDescriptor;
}

/** An enum, its array type, or a composite type. */
export interface UserType extends DescriptorFacts {
  readonly kind: 'type';
  readonly message: TypeDescriptor;
}

export interface UserFunction extends DescriptorFacts {
  readonly kind: 'function';
  readonly message: FunctionDescriptor;
}

/** A decoded descriptor (crdb-format.md 2.5, 5.5). */
export type Descriptor = Table | Database | Schema | UserType | UserFunction;

export type DescriptorKind = Descriptor['kind'];

/** Field number of each kind in the wrapper. */
export const WRAPPER_FIELDS: Readonly<Record<DescriptorKind, number>> = {
  table: 1,
  database: 2,
  type: 3,
  schema: 4,
  function: 5,
};

/** Field number of modification_time and version in each kind's message. */
export const TIME_FIELDS: Readonly<Record<DescriptorKind, { readonly time: number; readonly version: number }>> = {
  table: { time: 7, version: 5 },
  database: { time: 4, version: 5 },
  type: { time: 10, version: 9 },
  schema: { time: 5, version: 6 },
  function: { time: 19, version: 18 },
};

/** A protobuf reader that keeps unknown fields, which protobufjs drops by default. */
export function keepingReader(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  return reader;
}

/** A timestamp of a message. */
export function fromHlc(time: HlcTimestamp.$Properties | null | undefined): Timestamp {
  if (time === null || time === undefined) return EMPTY_TIMESTAMP;
  return { wall: BigInt((time.wallTime ?? 0).toString()), logical: time.logical ?? 0 };
}

/** A 64-bit integer as a message field holds it; exact for all values. */
export function toInt64(value: bigint): HlcTimestamp['wallTime'] {
  const words = {
    low: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
    unsigned: false,
  };
  return words as HlcTimestamp['wallTime'];
}

function corrupt(sentence: string, cause?: unknown): SpanvaultError {
  return new SpanvaultError('SV_CORRUPT_MANIFEST', sentence, { cause });
}

function decodeBody(kind: DescriptorKind, body: Uint8Array, raw: Uint8Array): Descriptor {
  const facts = (message: {
    readonly id: number;
    readonly name: string;
    readonly version: number;
    readonly state: number;
    readonly modificationTime?: HlcTimestamp.$Properties | null | undefined;
  }) => {
    const state = STATES[message.state];
    if (state === undefined) throw corrupt(`descriptor ${message.id} is in the unknown state ${message.state}`);
    if (message.id === 0) throw corrupt(`${kind} descriptor ${JSON.stringify(message.name)} has no id`);
    const modificationTime = fromHlc(message.modificationTime);
    return { id: message.id, name: message.name, version: message.version, modificationTime, state, raw };
  };
  switch (kind) {
    case 'table': {
      const message = TableDescriptor.decode(keepingReader(body));
      const parentSchemaId = message.unexposedParentSchemaId || PUBLIC_SCHEMA_ID;
      return { kind, message, ...facts(message), parentId: message.parentId, parentSchemaId };
    }
    case 'database': {
      const message = DatabaseDescriptor.decode(keepingReader(body));
      return { kind, message, ...facts(message), parentId: 0, parentSchemaId: 0 };
    }
    case 'schema': {
      const message = SchemaDescriptor.decode(keepingReader(body));
      return { kind, message, ...facts(message), parentId: message.parentId, parentSchemaId: 0 };
    }
    case 'type': {
      const message = TypeDescriptor.decode(keepingReader(body));
      const parentSchemaId = message.parentSchemaId || PUBLIC_SCHEMA_ID;
      return { kind, message, ...facts(message), parentId: message.parentId, parentSchemaId };
    }
    case 'function': {
      const message = FunctionDescriptor.decode(keepingReader(body));
      const { parentId, parentSchemaId } = message;
      return { kind, message, ...facts(message), parentId, parentSchemaId };
    }
  }
}

/** Kind and inner message of a wrapper. @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_UNSUPPORTED_FORMAT */
export function unwrapDescriptor(raw: Uint8Array): { readonly kind: DescriptorKind; readonly body: Uint8Array } {
  const field = readFields(raw).find(({ wireType }) => wireType === 2);
  if (field === undefined) throw corrupt(`a descriptor of ${raw.length} bytes is empty`);
  for (const kind of Object.keys(WRAPPER_FIELDS) as DescriptorKind[]) {
    if (WRAPPER_FIELDS[kind] === field.number) return { kind, body: raw.subarray(field.valueStart, field.end) };
  }
  throw new SpanvaultError('SV_UNSUPPORTED_FORMAT', `a descriptor of the unknown kind ${field.number} is not read`);
}

/**
 * Decodes a marshalled sqlbase.Descriptor; the result keeps `raw` itself, so nothing is ever lost.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST, SV_UNSUPPORTED_FORMAT
 */
export function decodeDescriptor(raw: Uint8Array): Descriptor {
  const { kind, body } = unwrapDescriptor(raw);
  try {
    return decodeBody(kind, body, raw);
  } catch (error) {
    if (error instanceof SpanvaultError) throw error;
    throw corrupt(`a ${kind} descriptor of ${raw.length} bytes does not decode`, error);
  }
}

/** True for a view that is not materialised: it has no keys. */
export function isPlainView(table: Table): boolean {
  return table.message.viewQuery !== '' && !table.message.isMaterializedView;
}

/** True for any view. */
export function isView(table: Table): boolean {
  return table.message.viewQuery !== '';
}

export function isSequence(table: Table): boolean {
  return table.message.sequenceOpts !== null && table.message.sequenceOpts !== undefined;
}

/** What SHOW BACKUP calls the object. */
export function objectType(descriptor: Descriptor): string {
  if (descriptor.kind !== 'table') return descriptor.kind;
  if (isView(descriptor)) return 'view';
  return isSequence(descriptor) ? 'sequence' : 'table';
}
