import { SpanvaultError } from '../fault/index.js';
import { redactUri } from './redact.js';
import { printUri, type StorageUri, withoutLocality } from './uri.js';

/** What is known of a scheme. `parameters` undefined: any parameter is handed through. */
interface Scheme {
  /** The name CockroachDB uses in `unknown … query parameters`. */
  readonly label: string;
  readonly parameters: readonly string[] | undefined;
}

const S3 = [
  'AUTH',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'ASSUME_ROLE',
  'AWS_ENDPOINT',
  'AWS_REGION',
  'S3_STORAGE_CLASS',
  'AWS_USE_PATH_STYLE',
  'AWS_SKIP_CHECKSUM',
  'AWS_SKIP_TLS_VERIFY',
  'AWS_SERVER_ENC_MODE',
  'AWS_SERVER_KMS_ID',
];
const AZURE = [
  'AUTH',
  'AZURE_ACCOUNT_NAME',
  'AZURE_ACCOUNT_KEY',
  'AZURE_CLIENT_ID',
  'AZURE_CLIENT_SECRET',
  'AZURE_TENANT_ID',
  'AZURE_ENVIRONMENT',
];

/** Every scheme that parses, and the parameters each allows: upper case only. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  nodelocal: { label: 'nodelocal', parameters: [] },
  memory: { label: 'memory', parameters: [] },
  s3: { label: 'S3', parameters: S3 },
  gs: { label: 'GS', parameters: ['AUTH', 'CREDENTIALS', 'ASSUME_ROLE'] },
  'azure-blob': { label: 'azure', parameters: AZURE },
  azure: { label: 'azure', parameters: AZURE },
  'azure-storage': { label: 'azure', parameters: AZURE },
  http: { label: 'HTTP', parameters: undefined },
  https: { label: 'HTTP', parameters: undefined },
  userfile: { label: 'userfile', parameters: [] },
  external: { label: 'external', parameters: [] },
};

const registered = new Map<string, Scheme>();

/** Makes a user's scheme known. @throws SpanvaultError SV_USAGE for one that is taken or no scheme */
export function registerScheme(scheme: string, parameters: readonly string[]): void {
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme) || Object.hasOwn(SCHEMES, scheme) || registered.has(scheme)) {
    throw new SpanvaultError('SV_USAGE', `storage scheme ${JSON.stringify(scheme)} is taken or not a scheme`);
  }
  registered.set(scheme, { label: scheme, parameters });
}

/**
 * Checks scheme and parameters without opening anything, so that a statement is refused before it starts.
 * COCKROACH_LOCALITY is allowed everywhere.
 * @throws SpanvaultError SV_URI for an unknown scheme or parameter
 */
export function checkScheme(uri: StorageUri): void {
  const scheme = Object.hasOwn(SCHEMES, uri.scheme) ? SCHEMES[uri.scheme] : registered.get(uri.scheme);
  const shown = redactUri(printUri(uri));
  if (scheme === undefined) {
    throw new SpanvaultError('SV_URI', `unsupported storage scheme: ${JSON.stringify(uri.scheme)}`, {
      details: { uri: shown },
    });
  }
  const allowed = scheme.parameters;
  if (allowed !== undefined) {
    const unknown = withoutLocality(uri)
      .parameters.map(({ name }) => name)
      .filter((name) => !allowed.includes(name));
    if (unknown.length > 0) {
      throw new SpanvaultError('SV_URI', `unknown ${scheme.label} query parameters: ${unknown.sort().join(', ')}`, {
        details: { uri: shown },
      });
    }
  }
}
