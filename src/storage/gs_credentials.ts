import { SpanvaultError } from '../fault/index.js';
import { type StorageUri, uriParameter } from './uri.js';

/** How a gs:// URI says who is asking. */
export interface GsAccount {
  /** The service account's JSON; undefined: what the environment holds (AUTH=implicit). */
  readonly credentials: Readonly<Record<string, unknown>> | undefined;
  /** Service accounts to act as, one through the other; the last one is the one that works. Empty: oneself. */
  readonly assumeRoles: readonly string[];
}

/** Kinds of credentials that stand for themselves; others would make the client run or fetch what the JSON says. */
const TYPES: ReadonlySet<unknown> = new Set(['service_account', 'authorized_user']);

/** Reads AUTH, CREDENTIALS and ASSUME_ROLE (crdb-features.md 3.2). @throws SpanvaultError SV_URI, without any part of the secret */
export function parseGsAccount(uri: StorageUri): GsAccount {
  const auth = uriParameter(uri, 'AUTH') ?? 'specified';
  const encoded = uriParameter(uri, 'CREDENTIALS');
  const assumeRoles = (uriParameter(uri, 'ASSUME_ROLE') ?? '').split(',').filter((role) => role !== '');
  if (auth === 'implicit') return { credentials: undefined, assumeRoles };
  if (auth !== 'specified') throw new SpanvaultError('SV_URI', `unsupported value ${auth} for AUTH`);
  if (encoded === undefined || encoded === '')
    throw new SpanvaultError('SV_URI', 'CREDENTIALS must be set unless "AUTH" is "implicit"');
  return { credentials: decodeCredentials(encoded), assumeRoles };
}

function decodeCredentials(encoded: string): Readonly<Record<string, unknown>> {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded) || encoded.length % 4 !== 0)
    throw new SpanvaultError('SV_URI', 'decoding value of CREDENTIALS: it is not base64');
  const problem = 'creating GCS oauth token source from specified credentials';
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'));
  } catch {
    // The parser's own message quotes the text, which is the secret.
    throw new SpanvaultError('SV_URI', `${problem}: they are not JSON`);
  }
  if (typeof decoded !== 'object' || decoded === null || !('type' in decoded) || !TYPES.has(decoded.type))
    throw new SpanvaultError('SV_URI', `${problem}: their type is neither service_account nor authorized_user`);
  return decoded as Readonly<Record<string, unknown>>;
}
