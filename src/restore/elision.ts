import { SpanvaultError } from '../fault/index.js';
import { decodeUvarintAscending, printKey } from '../keys/index.js';
import type { Manifest } from '../manifest/index.js';

const TENANT_MARKER = 0xfe;

/**
 * The prefix that the writer removed from every key of a file whose span begins at `startKey` (crdb-format.md 6.7): the
 * tenant's, and with 'tenantAndTable' the table id too.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST when the span's key holds no such prefix
 */
export function elidedPrefixOf(manifest: Pick<Manifest, 'elidedPrefix'>, startKey: Uint8Array): Uint8Array {
  if (manifest.elidedPrefix === 'none') return new Uint8Array(0);
  try {
    const tenantEnd = startKey[0] === TENANT_MARKER ? decodeUvarintAscending(startKey, 1).offset : 0;
    const end = manifest.elidedPrefix === 'tenant' ? tenantEnd : decodeUvarintAscending(startKey, tenantEnd).offset;
    return startKey.subarray(0, end);
  } catch (cause) {
    throw new SpanvaultError(
      'SV_CORRUPT_MANIFEST',
      `file span ${printKey(startKey)} has no ${manifest.elidedPrefix} prefix to restore`,
      { cause },
    );
  }
}
