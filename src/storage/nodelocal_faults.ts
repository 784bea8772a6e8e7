import { getSystemErrorName } from 'node:util';
import { type FaultCode, isSpanvaultError, SpanvaultError } from '../fault/index.js';
import type { NativeFileFault } from '../native/index.js';

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

/** The error of a system call by its number, as node:fs throws it. */
export function systemError(errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(code), { code });
}

/** What a native read of a file or a directory failed with; `what` as in `fileFault`. */
export function nativeFileFault(fault: NativeFileFault, what: string): SpanvaultError {
  switch (fault.kind) {
    case 'system': {
      const errno = getSystemErrorName(-(fault.errno ?? 0));
      // A component that is a file and not a directory: no such object either.
      const code = errno === 'ENOTDIR' ? 'ENOENT' : errno;
      return fileFault(Object.assign(new Error(`${errno}: ${what}`), { code }), what);
    }
    case 'outside':
      return outsideFault();
    case 'notAFile':
      return notAnObject(what);
    case 'cut':
      return new SpanvaultError('SV_STORAGE_IO', `${what} failed: it ended at byte ${fault.at} of ${fault.total}`);
    case 'panic':
      return new SpanvaultError('SV_INTERNAL', `${what} failed: native code panicked`);
  }
}

/** A symbolic link leads out of the node's directory. */
export function outsideFault(): SpanvaultError {
  return new SpanvaultError(
    'SV_STORAGE_DENIED',
    'local file access to paths outside of external-io-dir is not allowed: a symbolic link leads outside',
  );
}

/** A directory is no object. */
export function notAnObject(what: string): SpanvaultError {
  return new SpanvaultError('SV_STORAGE_NOT_FOUND', `${what} failed: it does not exist`, {
    details: { reason: 'a directory has that name' },
  });
}
