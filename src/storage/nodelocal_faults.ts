import { type FaultCode, isSpanvaultError, SpanvaultError } from '../fault/index.js';

/** Codes of errno names; what is not listed is SV_STORAGE_IO. */
const CODES: Readonly<Record<string, FaultCode>> = {
  ENOENT: 'SV_STORAGE_NOT_FOUND',
  EEXIST: 'SV_STORAGE_EXISTS',
  EACCES: 'SV_STORAGE_DENIED',
  EPERM: 'SV_STORAGE_DENIED',
  EROFS: 'SV_STORAGE_DENIED',
  EMFILE: 'SV_STORAGE_UNAVAILABLE',
  ENFILE: 'SV_STORAGE_UNAVAILABLE',
  EAGAIN: 'SV_STORAGE_UNAVAILABLE',
  EBUSY: 'SV_STORAGE_UNAVAILABLE',
  ESTALE: 'SV_STORAGE_UNAVAILABLE',
};

/** The errno name of a file system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A file system error as a SpanvaultError; `what` is the action and the object: `reading nodelocal://1/a/LATEST`. */
export function fileFault(error: unknown, what: string): SpanvaultError {
  if (isSpanvaultError(error)) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new SpanvaultError('SV_ABORTED', 'the operation was aborted', { cause: error });
  }
  const errno = errnoOf(error);
  const code = (errno === undefined ? undefined : CODES[errno]) ?? 'SV_STORAGE_IO';
  if (code === 'SV_STORAGE_NOT_FOUND')
    return new SpanvaultError(code, `${what} failed: it does not exist`, { cause: error });
  if (code === 'SV_STORAGE_EXISTS')
    return new SpanvaultError(code, `${what} failed: it exists already`, { cause: error });
  return new SpanvaultError(
    code,
    `${what} failed: ${errno ?? (error instanceof Error ? error.message : String(error))}`,
    {
      cause: error,
      retry: code === 'SV_STORAGE_UNAVAILABLE' ? 'backoff' : 'never',
    },
  );
}
