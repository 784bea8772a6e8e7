import { FAULT_CODES, isSpanvaultError } from '../fault/index.js';
import type { ExternalStorage, ReadOptions } from './contract.js';

/**
 * Reads something and checks it. What does not pass its check may have been damaged on its way from a remote store, so it is read
 * once more; what is damaged where it lies fails again, and is told as before.
 * @param attempt reads with the options that it gets, and checks; a failure of its checks is an error of class corruption, or one of
 * class unsupported: damage may look like a format that is not known
 */
export async function withSecondRead<T>(
  storage: Pick<ExternalStorage, 'remote'>,
  attempt: (options: Pick<ReadOptions, 'again'>) => Promise<T>,
): Promise<T> {
  try {
    return await attempt({});
  } catch (error) {
    if (storage.remote !== true || !isSpanvaultError(error)) throw error;
    const { class: kind } = FAULT_CODES[error.code];
    if (kind !== 'corruption' && kind !== 'unsupported') throw error;
    return await attempt({ again: true });
  }
}
