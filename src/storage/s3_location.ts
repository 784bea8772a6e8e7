import { SpanvaultError } from '../fault/index.js';
import type { StorageSettings } from './contract.js';
import { type StorageUri, uriParameter } from './uri.js';

/** One role of a chain. */
export interface AssumedRole {
  readonly arn: string;
  readonly externalId: string | undefined;
}

/** How to reach a bucket's store, and as whom. Plain data that holds secrets: never print it. */
export interface S3Access {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly pathStyle: boolean;
  readonly skipTlsVerify: boolean;
  /** Undefined: what the environment, a profile or the machine gives (AUTH=implicit). */
  readonly keys: { readonly id: string; readonly secret: string; readonly token: string | undefined } | undefined;
  /** One assumed through the other; the last one does the work. */
  readonly roles: readonly AssumedRole[];
  /** Requests are signed without the SHA-256 of their body, where something else guards it. */
  readonly unsignedBodies: boolean;
}

/** What every object is written with. */
export interface S3ObjectPolicy {
  readonly storageClass: string | undefined;
  readonly encryption: { readonly mode: 'AES256' | 'aws:kms'; readonly kmsKeyId: string | undefined } | undefined;
  /** For stores that know no CRC-32C. */
  readonly skipChecksum: boolean;
}

/**
 * The store that an `s3://` URI names (crdb-features.md 3.2). Bodies are hashed for the signature where nothing else guards them: over
 * plain HTTP, unless the settings say that it is not needed, and where the store knows no CRC-32C. @throws SpanvaultError SV_URI
 */
export function s3Access(uri: StorageUri, settings: Pick<StorageSettings, 'unsignedPayload'> = {}): S3Access {
  const roles = rolesOf(uriParameter(uri, 'ASSUME_ROLE'));
  const endpoint = endpointOf(uriParameter(uri, 'AWS_ENDPOINT'));
  return {
    endpoint,
    region: uriParameter(uri, 'AWS_REGION') || undefined,
    pathStyle: flag(uri, 'AWS_USE_PATH_STYLE'),
    skipTlsVerify: flag(uri, 'AWS_SKIP_TLS_VERIFY'),
    keys: keysOf(uri),
    roles,
    unsignedBodies:
      !flag(uri, 'AWS_SKIP_CHECKSUM') && (!/^http:/i.test(endpoint ?? '') || settings.unsignedPayload === true),
  };
}

/** How an `s3://` URI wants objects to be kept. @throws SpanvaultError SV_URI */
export function s3ObjectPolicy(uri: StorageUri): S3ObjectPolicy {
  return {
    storageClass: uriParameter(uri, 'S3_STORAGE_CLASS') || undefined,
    encryption: encryptionOf(uri),
    skipChecksum: flag(uri, 'AWS_SKIP_CHECKSUM'),
  };
}

function keysOf(uri: StorageUri): S3Access['keys'] {
  const auth = uriParameter(uri, 'AUTH') || 'specified';
  if (auth === 'implicit') return undefined;
  if (auth !== 'specified') throw new SpanvaultError('SV_URI', `unsupported value ${auth} for AUTH`);
  const id = needed(uri, 'AWS_ACCESS_KEY_ID');
  const secret = needed(uri, 'AWS_SECRET_ACCESS_KEY');
  return { id, secret, token: uriParameter(uri, 'AWS_SESSION_TOKEN') || undefined };
}

function needed(uri: StorageUri, name: string): string {
  const value = uriParameter(uri, name);
  if (value === undefined || value === '')
    throw new SpanvaultError('SV_URI', `AUTH is set to 'specified', but ${name} is not set`);
  return value;
}

function flag(uri: StorageUri, name: string): boolean {
  const value = uriParameter(uri, name);
  if (value === undefined || /^(false|f|0)$/i.test(value)) return false;
  if (/^(true|t|1)$/i.test(value)) return true;
  throw new SpanvaultError('SV_URI', `cannot parse ${name} as bool: ${JSON.stringify(value)}`);
}

function endpointOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '')
    throw new SpanvaultError('SV_URI', 'AWS_ENDPOINT is not the address of an HTTP server');
  return url;
}

function rolesOf(text: string | undefined): readonly AssumedRole[] {
  if (text === undefined || text === '') return [];
  return text.split(',').map((entry) => {
    const [arn = '', ...options] = entry.split(';').map((part) => part.trim());
    const externalId = /^external_id=(.+)$/.exec(options[0] ?? '')?.[1];
    if (arn === '' || options.length > 1 || (options.length === 1 && externalId === undefined))
      throw new SpanvaultError('SV_URI', 'ASSUME_ROLE is not a list of roles, each with at most one external_id');
    return { arn, externalId };
  });
}

function encryptionOf(uri: StorageUri): S3ObjectPolicy['encryption'] {
  const mode = uriParameter(uri, 'AWS_SERVER_ENC_MODE') || undefined;
  const kmsKeyId = uriParameter(uri, 'AWS_SERVER_KMS_ID') || undefined;
  if (mode === undefined) return undefined;
  if (mode !== 'AES256' && mode !== 'aws:kms') {
    throw new SpanvaultError(
      'SV_URI',
      `unsupported server encryption mode ${mode}. Supported values are \`aws:kms\` and \`AES256\`.`,
    );
  }
  if (mode === 'aws:kms' && kmsKeyId === undefined) {
    throw new SpanvaultError(
      'SV_URI',
      'AWS_SERVER_KMS_ID param must be set when using aws:kms server side encryption mode.',
    );
  }
  return { mode, kmsKeyId };
}
