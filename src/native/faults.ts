import { FAULT_CODES, type FaultCode, type FaultDetails, isSpanvaultError, SpanvaultError } from '../fault/index.js';

/** Between the sentence and the JSON of the details (native/binding/src/faults.rs). */
const SEPARATOR = '\u001f';

/** Codes that napi-rs raises itself when an argument is of the wrong type. */
const ARGUMENT_CODES: ReadonlySet<string> = new Set([
  'InvalidArg',
  'ObjectExpected',
  'StringExpected',
  'NameExpected',
  'FunctionExpected',
  'NumberExpected',
  'BooleanExpected',
  'ArrayExpected',
  'BigintExpected',
  'DateExpected',
  'ArrayBufferExpected',
  'DetachableArraybufferExpected',
]);

function isFaultCode(code: unknown): code is FaultCode {
  return typeof code === 'string' && Object.hasOwn(FAULT_CODES, code);
}

function parseDetails(json: string | undefined): FaultDetails {
  return json === undefined ? {} : (JSON.parse(json) as FaultDetails);
}

/**
 * The SpanvaultError that a value thrown by native code stands for. A wrong argument type is SV_USAGE, a panic or
 * anything unknown SV_INTERNAL.
 */
export function fromNative(thrown: unknown): SpanvaultError {
  if (isSpanvaultError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  if (isFaultCode(code)) {
    const [sentence = '', json] = message.split(SEPARATOR, 2);
    return new SpanvaultError(code, sentence, { details: parseDetails(json), cause: thrown });
  }
  // Native code calls no JavaScript of ours: a TypeError comes from converting an argument.
  if ((typeof code === 'string' && ARGUMENT_CODES.has(code)) || thrown instanceof TypeError) {
    return new SpanvaultError('SV_USAGE', `wrong argument of a native call: ${message}`, { cause: thrown });
  }
  return new SpanvaultError('SV_INTERNAL', `native code failed: ${message}`, { cause: thrown });
}

/** The same function with its errors converted. */
export function guarded<A extends readonly unknown[], R>(call: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      throw fromNative(error);
    }
  };
}
