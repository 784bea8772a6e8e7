import { type FaultCode, isSpanvaultError, SpanvaultError } from '../fault/index.js';

/**
 * What a failed call to a remote store means for the caller. `transient` may pass by itself, `throttled` passes when
 * fewer calls are made; the others do not pass.
 */
export type FailureKind = 'transient' | 'throttled' | 'missing' | 'exists' | 'denied' | 'permanent';

/** A failed call, told apart by the driver of its provider. */
export interface RemoteFailure {
  readonly kind: FailureKind;
  /** A few words of the store's own, without secrets: `503 backendError`. */
  readonly reason: string;
  readonly status?: number;
  /** What the store asked to wait before the next try. */
  readonly retryAfterSeconds?: number;
  /** The credentials were good once. */
  readonly expired?: boolean;
}

const CODES: Readonly<Record<FailureKind, FaultCode>> = {
  transient: 'SV_STORAGE_UNAVAILABLE',
  throttled: 'SV_STORAGE_UNAVAILABLE',
  missing: 'SV_STORAGE_NOT_FOUND',
  exists: 'SV_STORAGE_EXISTS',
  denied: 'SV_STORAGE_DENIED',
  permanent: 'SV_STORAGE_IO',
};

/** What an HTTP status says by itself; a driver looks at its provider's error codes first. */
export function kindOfStatus(status: number): FailureKind {
  if (status === 404 || status === 410) return 'missing';
  if (status === 401 || status === 403) return 'denied';
  if (status === 429) return 'throttled';
  if (status === 408 || status >= 500) return 'transient';
  return 'permanent';
}

/** Error codes of node's sockets, name look-up and HTTP parser that a later try may not meet. */
const PASSING: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ESOCKETTIMEDOUT',
  'ETIMEDOUT',
]);

/** The failure behind an error of a socket or of the HTTP parser; undefined for anything else. */
export function connectionFailure(error: unknown): RemoteFailure | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const { code } = error;
  return PASSING.has(code) || code.startsWith('HPE_') ? { kind: 'transient', reason: code } : undefined;
}

/**
 * The SpanvaultError of a failed call; `what` is the action and the object: `reading gs://bucket/a/LATEST`. A client's own
 * error is not kept as the cause, for it carries the request with its credentials.
 */
export function remoteFault(failure: RemoteFailure, what: string): SpanvaultError {
  const { kind, reason, status, retryAfterSeconds, expired } = failure;
  const passes = kind === 'transient' || kind === 'throttled';
  const problem = kind === 'missing' ? 'it does not exist' : kind === 'exists' ? 'it exists already' : reason;
  return new SpanvaultError(CODES[kind], `${what} failed: ${problem}`, {
    retry: passes ? 'backoff' : 'never',
    details: {
      kind,
      reason,
      ...(status === undefined ? {} : { status }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(expired === true ? { expired } : {}),
    },
    ...(expired === true && !passes ? { hint: 'nothing gives newer credentials: pass new ones and run it again' } : {}),
  });
}

/**
 * The SpanvaultError of anything thrown on the way to a remote store: what is one already stays, an abort by the signal is
 * SV_ABORTED, what `classify` or the connection explains is told so, the rest is SV_STORAGE_IO.
 */
export function thrownFault(
  error: unknown,
  what: string,
  signal?: AbortSignal,
  classify: (error: unknown) => RemoteFailure | undefined = () => undefined,
): SpanvaultError {
  if (isSpanvaultError(error)) return error;
  if (signal?.aborted === true || (error instanceof Error && error.name === 'AbortError'))
    return new SpanvaultError('SV_ABORTED', 'the operation was aborted', { cause: signal?.reason });
  const reason = error instanceof Error ? error.name : typeof error;
  return remoteFault(classify(error) ?? connectionFailure(error) ?? { kind: 'permanent', reason }, what);
}

/** The wait that a Retry-After header asks for; undefined when absent, or a date. */
export function retryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,5}$/.test(header) ? Number(header) : undefined;
}
