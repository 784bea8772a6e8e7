import type { SpanvaultError } from '../fault/index.js';
import { type FailureKind, kindOfStatus, type RemoteFailure, retryAfter, thrownFault } from './remote_faults.js';

/** Error codes of Azure that say more than their status. */
const KINDS: Readonly<Record<string, FailureKind>> = {
  BlobAlreadyExists: 'exists',
  ConditionNotMet: 'exists',
  ContainerBeingDeleted: 'transient',
  InternalError: 'transient',
  Md5Mismatch: 'transient',
  OperationTimedOut: 'transient',
  ServerBusy: 'throttled',
};

/** Errors of Azure's sign-in library: nobody to ask with, or somebody who is refused. */
const SIGN_IN =
  /^(AuthenticationError|AuthenticationRequiredError|AggregateAuthenticationError|CredentialUnavailableError)$/;

/** Tells failures of Azure Blob Storage apart by error code and status. Only codes are kept: its messages may quote signatures. */
export function azureFailure(error: unknown): RemoteFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  if (SIGN_IN.test(error.name)) return { kind: 'denied', reason: `signing in to Azure failed with ${error.name}` };
  const {
    statusCode: status,
    code,
    details,
    response,
  } = error as Error & {
    readonly statusCode?: unknown;
    readonly code?: unknown;
    readonly details?: { readonly errorCode?: unknown };
    readonly response?: { readonly headers?: { get(name: string): string | undefined } };
  };
  if (typeof status !== 'number') return undefined;
  const name = [details?.errorCode, code].find((text): text is string => typeof text === 'string') ?? '';
  const wait = retryAfter(response?.headers?.get('retry-after'));
  return {
    kind: KINDS[name] ?? kindOfStatus(status),
    reason: `${status} ${name}`.trim(),
    status,
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  };
}

/** The SpanvaultError of anything that Azure's client throws. */
export function azureFault(error: unknown, what: string, signal?: AbortSignal): SpanvaultError {
  return thrownFault(error, what, signal, azureFailure);
}
