import type { GetObjectCommandInput, GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { FinalizeRequestMiddleware, RequestSigner } from '@aws-sdk/types';
import { invariant, SpanvaultError } from '../fault/index.js';

/** Where the objects of a bucket lie, and who signs requests to them. */
export interface S3Route {
  /** Scheme, host and port. */
  readonly address: URL;
  /** What stands before an object's key: `/`, or `/bucket/`. */
  readonly before: string;
  readonly region: string;
  /** The client library's own, with the client's credentials. */
  readonly signer: RequestSigner;
}

interface Prepared {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

const KEY = 'key';

/**
 * The route to a bucket. The rules for addresses are long (styles, endpoints of the environment, dual stack, FIPS), so the client library
 * prepares a request, which is stopped before it is signed.
 * @throws what the library throws when there is no address; SpanvaultError SV_NOT_SUPPORTED for buckets with sessions of their own
 */
export async function s3Route(
  sdk: typeof import('@aws-sdk/client-s3'),
  client: S3Client,
  bucket: string,
): Promise<S3Route> {
  let prepared: Prepared | undefined;
  let scheme: Readonly<Record<string, unknown>> | undefined;
  const stop: FinalizeRequestMiddleware<GetObjectCommandInput, GetObjectCommandOutput> =
    (_, context) =>
    async ({ request }) => {
      prepared = request as Prepared;
      const schemes = context.endpointV2?.properties?.authSchemes;
      scheme = Array.isArray(schemes) ? (schemes[0] as typeof scheme) : undefined;
      return { response: undefined, output: { $metadata: {} } };
    };
  const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: KEY });
  command.middlewareStack.addRelativeTo(stop, {
    name: 'stopBeforeSigning',
    relation: 'before',
    toMiddleware: 'httpSigningMiddleware',
  });
  await client.send(command);
  invariant(prepared?.path.endsWith(`/${KEY}`) === true, `the client prepared no request to bucket ${bucket}`);
  const { name = 'sigv4', signingRegion: region, signingName: service } = scheme ?? {};
  if (name !== 'sigv4' || typeof region !== 'string' || typeof service !== 'string')
    throw new SpanvaultError('SV_NOT_SUPPORTED', `bucket ${bucket} wants signatures of the kind ${String(name)}`);
  const { protocol, hostname, port, path } = prepared;
  const address = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
  const { credentials, sha256 } = client.config;
  const { SignatureV4 } = await import('@smithy/signature-v4');
  // S3 signs paths as they are sent; other services escape them once more.
  const signer = new SignatureV4({ credentials, region, service, sha256, uriEscapePath: false });
  return { address, before: path.slice(0, -KEY.length), region, signer };
}
