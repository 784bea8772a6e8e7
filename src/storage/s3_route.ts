import type { GetObjectCommandInput, GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { FinalizeRequestMiddleware } from '@aws-sdk/types';
import type { SignatureV4 } from '@smithy/signature-v4';
import { invariant } from '../fault/index.js';

/** Where the objects of a bucket lie, and who signs requests to them. */
export interface S3Route {
  /** Scheme, host and port. */
  readonly url: URL;
  /** What stands before an object's key in the path: `/`, or `/bucket/`. */
  readonly before: string;
  readonly signer: SignatureV4;
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
 * prepares a request, which is stopped before it is signed. Undefined where it signs otherwise than with version 4 of AWS's signatures:
 * such a bucket is the library's alone.
 * @throws what the library throws when there is no address
 */
export async function s3Route(
  sdk: typeof import('@aws-sdk/client-s3'),
  client: S3Client,
  bucket: string,
): Promise<S3Route | undefined> {
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
  const { name, signingRegion: region, signingName: service } = scheme ?? {};
  if (name !== 'sigv4' || typeof region !== 'string' || typeof service !== 'string') return undefined;
  const { protocol, hostname, port, path } = prepared;
  const { credentials, sha256 } = client.config;
  const { SignatureV4: Signer } = await import('@smithy/signature-v4');
  return {
    url: new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`),
    before: path.slice(0, -KEY.length),
    signer: new Signer({ credentials, sha256, region, service, uriEscapePath: false }),
  };
}
