import { SpanvaultError } from '../fault/index.js';

/**
 * Loads a client library that is installed only where its scheme is used.
 * @throws SpanvaultError SV_NOT_SUPPORTED that says what to install
 */
export async function loadPackage<T>(name: string, scheme: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause, name)) throw cause;
    throw new SpanvaultError(
      'SV_NOT_SUPPORTED',
      `${scheme}:// storage needs the package ${name}, which is not installed`,
      {
        hint: `npm install ${name}`,
        cause,
      },
    );
  }
}

/** True when the package itself is not there; a file missing inside of it is another fault. */
function isMissing(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND') &&
    error.message.includes(`'${name}'`)
  );
}
