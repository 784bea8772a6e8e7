import type { GetObjectCommandInput, GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { FinalizeRequestMiddleware } from '@aws-sdk/types';
import { invariant, SpanvaultError } from '../fault/index.js';
import type { S3Scope } from './s3_signature.js';

/** Where the objects of a bucket lie, and what requests to them are signed for. */
export interface S3Route extends S3Scope {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Host with its port where that is not the scheme's own. */
  readonly host: string;
  /** What stands before an object's key: `/`, or `/bucket/`. */
  readonly before: string;
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
  const { origin, host } = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
  return { origin, host, before: path.slice(0, -KEY.length), region, service };
}
