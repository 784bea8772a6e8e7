import { EXIT_CODES, FAULT_CODES, type FaultClass, type FaultCode, type Retry } from './codes.js';

/** Values that name the object and the numbers of an error; printable, free of secrets. */
export type FaultDetails = Readonly<Record<string, string | number | boolean | bigint | readonly string[]>>;

/** Everything but the message that describes an error. */
export interface FaultOptions {
  readonly details?: FaultDetails;
  readonly retry?: Retry;
  readonly cause?: unknown;
  /** What the user can do about it, printed on a line of its own. */
  readonly hint?: string;
}

const BRAND = Symbol.for('spanvault.error');

/**
 * The one error class that leaves this library. Callers branch on `code` or `class`; the message is one lower-case
 * sentence that names the object and the numbers.
 */
export class SpanvaultError extends Error {
  readonly [BRAND] = true;
  readonly code: FaultCode;
  readonly class: FaultClass;
  readonly retry: Retry;
  readonly details: FaultDetails;
  readonly hint: string | undefined;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SpanvaultError';
    this.code = code;
    this.class = FAULT_CODES[code].class;
    this.retry = options.retry ?? 'never';
    this.details = options.details ?? {};
    this.hint = options.hint;
  }

  /** Process exit code of this error's class. */
  get exitCode(): number {
    return EXIT_CODES[this.class];
  }
}

/** True for a SpanvaultError of any installed copy of this library. */
export function isSpanvaultError(error: unknown): error is SpanvaultError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}

/** True when `error` is a SpanvaultError with one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly FaultCode[]): error is SpanvaultError {
  return isSpanvaultError(error) && codes.includes(error.code);
}

/** Throws SV_INTERNAL unless `condition` holds; stays on in production. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new SpanvaultError('SV_INTERNAL', sentence);
}

/** Throws SV_ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SpanvaultError('SV_ABORTED', 'the operation was aborted', { cause: signal.reason });
}

/** The wire form of an error: structured clone loses class and code, so they travel as plain fields. */
export interface WireFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly retry: Retry;
  readonly details: FaultDetails;
  readonly hint: string | undefined;
  readonly stack: string | undefined;
}

/** Makes the wire form of any thrown value; what is not a SpanvaultError becomes SV_INTERNAL. */
export function toWire(error: unknown): WireFault {
  if (isSpanvaultError(error)) {
    const { code, message, retry, details, hint, stack } = error;
    return { code, message, retry, details, hint, stack };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'SV_INTERNAL',
    message,
    retry: 'never',
    details: {},
    hint: undefined,
    stack: error instanceof Error ? error.stack : undefined,
  };
}

/** Restores an error from its wire form; the stack of the other thread is kept as the cause's stack. */
export function fromWire(wire: WireFault): SpanvaultError {
  const cause = new Error(wire.message);
  if (wire.stack !== undefined) cause.stack = wire.stack;
  return new SpanvaultError(wire.code, wire.message, {
    retry: wire.retry,
    details: wire.details,
    cause,
    ...(wire.hint === undefined ? {} : { hint: wire.hint }),
  });
}
