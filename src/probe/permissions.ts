import { hasCode } from '../fault/index.js';
import { type CallLayer, parseUri, type StorageOperation } from '../storage/index.js';

/*
 * Which permission a refused call lacks, in the words in which each provider grants it (crdb-features.md 3.4).
 */

type Need = 'create' | 'get' | 'list' | 'delete';

const NEEDS: Readonly<Record<StorageOperation, Need>> = {
  read: 'get',
  size: 'get',
  write: 'create',
  create: 'create',
  part: 'create',
  finish: 'create',
  list: 'list',
  delete: 'delete',
};

const BLOBS = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs';
const AZURE: Readonly<Record<Need, string>> = {
  create: `${BLOBS}/write (role Storage Blob Data Contributor)`,
  get: `${BLOBS}/read (role Storage Blob Data Reader or Contributor)`,
  list: `${BLOBS}/read (role Storage Blob Data Reader or Contributor)`,
  delete: `${BLOBS}/delete (role Storage Blob Data Contributor)`,
};
const PERMISSIONS: Readonly<Record<string, Readonly<Record<Need, string>>>> = {
  s3: { create: 's3:PutObject', get: 's3:GetObject', list: 's3:ListBucket', delete: 's3:DeleteObject' },
  gs: {
    create: 'storage.objects.create',
    get: 'storage.objects.get',
    list: 'storage.objects.list',
    delete: 'storage.objects.delete',
  },
  'azure-blob': AZURE,
  azure: AZURE,
  'azure-storage': AZURE,
};

/** What stores say of who asks, not of what he may. */
const NOBODY =
  /\b401\b|InvalidAccessKeyId|SignatureDoesNotMatch|XAdminUserNotFound|Token|AuthenticationFailed|InvalidAuthenticationInfo|CredentialsProviderError|signing in|credentials/;

/** Notes which call was refused last. */
export class Refusals {
  readonly #permissions: Readonly<Record<Need, string>> | undefined;
  #last: StorageOperation | undefined;

  constructor(uri: string) {
    this.#permissions = PERMISSIONS[parseUri(uri).scheme];
  }

  /** Goes around the calls of a storage. */
  readonly layer: CallLayer = async (call, next) => {
    try {
      return await next(call.signal);
    } catch (error) {
      if (hasCode(error, 'SV_STORAGE_DENIED')) this.#last = call.operation;
      throw error;
    }
  };

  /** What is to be done about a failure: a permission to grant, or other credentials; undefined when it is of another kind. */
  remedyOf(error: unknown): string | undefined {
    if (!hasCode(error, 'SV_STORAGE_DENIED')) return undefined;
    if (NOBODY.test(String(error.details.reason))) return 'these credentials are refused, whatever they ask for';
    const permission = this.#last === undefined ? undefined : this.#permissions?.[NEEDS[this.#last]];
    return permission === undefined ? undefined : `it takes the permission ${permission}`;
  }
}
