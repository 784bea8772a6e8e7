import { SpanvaultError } from '../fault/index.js';

/**
 * Refuses what is no object name: empty, absolute, with NUL, or with an empty, `.` or `..` component.
 * @throws SpanvaultError SV_URI
 */
export function checkName(name: string): void {
  if (
    name === '' ||
    name.includes('\0') ||
    name.split('/').some((part) => part === '' || part === '.' || part === '..')
  ) {
    throw new SpanvaultError(
      'SV_URI',
      `object name ${JSON.stringify(name)} is not a relative path without empty, "." or ".." components`,
    );
  }
}

const SURROGATE = /[\ud800-\udfff]/;

/** Byte order of names as UTF-8, which differs from JavaScript's order of UTF-16 units where there are surrogates. */
export function compareNames(a: string, b: string): number {
  if (!SURROGATE.test(a) && !SURROGATE.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * `name` cut after the first `delimiter` past `prefix`, or the whole name; listings with a delimiter give each cut name
 * once.
 */
export function cutName(name: string, prefix: string, delimiter: string | undefined): string {
  if (delimiter === undefined || delimiter === '') return name;
  const at = name.indexOf(delimiter, prefix.length);
  return at < 0 ? name : name.slice(0, at + delimiter.length);
}

/** Refuses what is no range of an object. @throws SpanvaultError SV_INTERNAL */
export function checkRange(offset: number, length: number | undefined): void {
  if (!Number.isSafeInteger(offset) || (length !== undefined && !(Number.isSafeInteger(length) && length >= 0))) {
    throw new SpanvaultError('SV_INTERNAL', `a read of ${length} bytes at ${offset} is not a range`);
  }
}

/** Clips a requested range to an object: negative offsets count from the end. @throws SpanvaultError SV_INTERNAL for lengths below zero */
export function clipRange(
  totalBytes: number,
  offset = 0,
  length?: number,
): { readonly start: number; readonly length: number } {
  checkRange(offset, length);
  const start = offset < 0 ? Math.max(0, totalBytes + offset) : Math.min(offset, totalBytes);
  return { start, length: Math.min(length ?? totalBytes - start, totalBytes - start) };
}
