import type { SpanvaultError } from '../fault/index.js';
import type { HttpAnswer } from './http_exchange.js';
import { type FailureKind, kindOfStatus, type RemoteFailure, retryAfter, thrownFault } from './remote_faults.js';

/** What S3's error codes mean, where their HTTP status does not say it. */
const KINDS: Readonly<Record<string, FailureKind>> = {
  SlowDown: 'throttled',
  Throttling: 'throttled',
  ThrottlingException: 'throttled',
  RequestLimitExceeded: 'throttled',
  TooManyRequests: 'throttled',
  NoSuchKey: 'missing',
  NotFound: 'missing',
  NoSuchBucket: 'permanent',
  NoSuchUpload: 'permanent',
  PreconditionFailed: 'exists',
  // Two conditional writes at once: the store asks for the call to be made again.
  ConditionalRequestConflict: 'transient',
  OperationAborted: 'transient',
  RequestTimeout: 'transient',
  // The client corrects its clock by the answer that said so.
  RequestTimeTooSkewed: 'transient',
  // What arrived is not what was sent.
  BadDigest: 'transient',
  IncompleteBody: 'transient',
  XAmzContentSHA256Mismatch: 'transient',
  XAmzContentChecksumMismatch: 'transient',
  TimeoutError: 'transient',
  CredentialsProviderError: 'denied',
  InvalidAccessKeyId: 'denied',
  // versitygw's word for a key that it does not know.
  XAdminUserNotFound: 'denied',
  InvalidToken: 'denied',
  ExpiredToken: 'denied',
  ExpiredTokenException: 'denied',
  TokenRefreshRequired: 'denied',
};

const EXPIRED: ReadonlySet<string> = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> };
}

/** What a failed request of the client library means; undefined when it got no answer. */
export function s3Failure(error: unknown): RemoteFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, $metadata, $response }: SdkError = error;
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (status === undefined && !Object.hasOwn(KINDS, name)) return undefined;
  return failureOf(name, status, $response?.headers?.['retry-after']);
}

/** What an answer that is no success means. Of its body only the code is looked at. */
export function s3AnswerFailure({ status, headers, body }: HttpAnswer): RemoteFailure {
  const code = /<Code>([A-Za-z0-9.]{1,60})<\/Code>/.exec(Buffer.from(body).toString('latin1'))?.[1];
  return failureOf(code ?? '', status, headers['retry-after']);
}

function failureOf(name: string, status: number | undefined, wait: string | undefined): RemoteFailure {
  const known = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  const seconds = retryAfter(wait);
  return {
    kind: known ?? kindOf(status ?? 0),
    reason: [status, name].filter((part) => part !== undefined && part !== '').join(' '),
    ...(status === undefined ? {} : { status }),
    ...(EXPIRED.has(name) ? { expired: true } : {}),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

function kindOf(status: number): FailureKind {
  // An answer of success that cannot be read is a damaged one; 503 is how S3 says that it is asked too much.
  if (status < 300) return 'transient';
  if (status === 503) return 'throttled';
  if (status === 412) return 'exists';
  return kindOfStatus(status);
}

/** The SpanvaultError of anything thrown on the way to S3; `what` is the action and the object. */
export function s3Fault(error: unknown, what: string, signal?: AbortSignal): SpanvaultError {
  return thrownFault(error, what, signal, s3Failure);
}
