import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import type { RuntimeConfigAwsCredentialIdentityProvider } from '@aws-sdk/types';
import { loadPackage } from './packages.js';
import { UNSIGNED_BODY } from './s3_exchange.js';
import { s3Fault } from './s3_faults.js';
import type { S3Access } from './s3_location.js';
import { type S3Route, s3Route } from './s3_route.js';

type S3Module = typeof import('@aws-sdk/client-s3');
type Credentials = NonNullable<NonNullable<ConstructorParameters<typeof S3Client>[0]>['credentials']>;

/** Connections to one store that a thread keeps; more calls wait for one. */
const SOCKETS = 64;
/** A machine that does not answer at all is given up sooner than one that is slow. */
const CONNECT_MS = 10_000;
/** Longest silence of a connection. */
const IDLE_MS = 60_000;
/** What stores with an address of their own are signed for when the URI names no region; they take any. */
const DEFAULT_REGION = 'us-east-1';
/** Requests whose body is an object's bytes. */
const BODIES: ReadonlySet<string> = new Set(['PutObjectCommand', 'UploadPartCommand']);

/** A client and the module that its commands come from. */
export class S3Session {
  readonly sdk: S3Module;
  readonly client: S3Client;
  /** What tells the credentials that it began with from others. */
  readonly credentialsKey: string;
  /** Bodies of objects are not hashed for the signature. */
  readonly unsignedBodies: boolean;
  /** TLS takes any certificate. */
  readonly anyCertificate: boolean;
  readonly #routes = new Map<string, Promise<S3Route | undefined>>();

  constructor(
    sdk: S3Module,
    client: S3Client,
    credentialsKey: string,
    access: Pick<S3Access, 'unsignedBodies' | 'skipTlsVerify'>,
  ) {
    this.sdk = sdk;
    this.client = client;
    this.credentialsKey = credentialsKey;
    this.unsignedBodies = access.unsignedBodies;
    this.anyCertificate = access.skipTlsVerify;
  }

  /** The way to a bucket's objects past the library; undefined where only the library finds it. */
  route(bucket: string): Promise<S3Route | undefined> {
    const known = this.#routes.get(bucket);
    if (known !== undefined) return known;
    const route = s3Route(this.sdk, this.client, bucket);
    this.#routes.set(bucket, route);
    // The next call tries anew; whoever waits for this one is told.
    route.catch(() => this.#routes.delete(bucket));
    return route;
  }

  /** Leaves a bucket to the library from now on, which follows to where it really is. */
  leaveToLibrary(bucket: string): void {
    this.#routes.set(bucket, Promise.resolve(undefined));
  }
}

/** The sessions of one store in this thread. */
export class S3Connection {
  readonly #access: S3Access;
  #session: Promise<S3Session> | undefined;
  #renewal: Promise<boolean> | undefined;

  constructor(access: S3Access) {
    this.#access = access;
  }

  /** The session, made and its library loaded by the first call. */
  async session(): Promise<S3Session> {
    this.#session ??= openSession(this.#access);
    const opening = this.#session;
    try {
      return await opening;
    } catch (error) {
      // Whoever gives credentials may answer the next call.
      if (this.#session === opening) this.#session = undefined;
      throw error;
    }
  }

  /**
   * Fetches credentials anew for the calls to come; those under way are not disturbed. `stale` is the session that was refused.
   * @returns false when what the environment, the file or the role gives is what was refused
   * @throws what the one who gives them answers
   */
  async renew(stale: S3Session): Promise<boolean> {
    if (!this.#renewable) return false;
    // Of several calls that were refused only the first one renews.
    if (this.#session !== undefined && (await this.#session) !== stale) return true;
    this.#renewal ??= this.#replace(stale).finally(() => {
      this.#renewal = undefined;
    });
    return await this.#renewal;
  }

  async #replace(stale: S3Session): Promise<boolean> {
    const fresh = await openSession(this.#access);
    if (fresh.credentialsKey === stale.credentialsKey) return false;
    this.#session = Promise.resolve(fresh);
    return true;
  }

  /** True when the credentials are fetched, so that new ones can be had. */
  get #renewable(): boolean {
    return this.#access.keys === undefined || this.#access.roles.length > 0;
  }
}

const connections = new Map<string, S3Connection>();

/** The connection of this thread to a store; kept for the next storage that is opened there, for idle sockets hold no process. */
export function s3Connection(access: S3Access): S3Connection {
  const key = JSON.stringify(access);
  let connection = connections.get(key);
  if (connection === undefined) {
    connection = new S3Connection(access);
    connections.set(key, connection);
  }
  return connection;
}

async function openSession(access: S3Access): Promise<S3Session> {
  // The library's advice on Node versions is for its developers, not for the users of a command.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const sdk = await loadPackage('@aws-sdk/client-s3', 's3', () => import('@aws-sdk/client-s3'));
  const { NodeHttpHandler } = await import('@smithy/node-http-handler');
  const agent = { keepAlive: true, maxSockets: SOCKETS };
  const requestHandler = new NodeHttpHandler({
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent({ ...agent, rejectUnauthorized: !access.skipTlsVerify }),
    connectionTimeout: CONNECT_MS,
    socketTimeout: IDLE_MS,
  });
  const credentials = await credentialsOf(access);
  const region = access.region ?? (access.endpoint === undefined ? undefined : DEFAULT_REGION);
  const client = new sdk.S3Client({
    requestHandler,
    // Retries are decided above, once for all stores.
    maxAttempts: 1,
    // Our own CRC-32C, computed in native, goes with every body; the library's is plain JavaScript.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    forcePathStyle: access.pathStyle,
    ...(access.endpoint === undefined ? { followRegionRedirects: true } : { endpoint: access.endpoint }),
    ...(region === undefined ? { region: environmentRegion } : { region }),
    credentials,
  });
  if (access.unsignedBodies) signWithoutBody(client);
  const { accessKeyId, sessionToken } = await client.config.credentials();
  return new S3Session(sdk, client, JSON.stringify([accessKeyId, sessionToken]), access);
}

/** Leaves what carries an object's bytes out of the signature: the client would hash it, over HTTPS too. */
function signWithoutBody(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        if (BODIES.has(commandName ?? ''))
          (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = UNSIGNED_BODY;
        return next(args);
      },
    { step: 'build', name: 'signWithoutBody' },
  );
}

/** The region of the environment, or one from which the client follows to the bucket's own. */
async function environmentRegion(): Promise<string> {
  return process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || DEFAULT_REGION;
}

/**
 * Credentials of the URI, of the environment, a profile or the machine, or assumed through either. Files are read anew each time
 * that a session is made: something else may renew what they hold.
 */
async function credentialsOf({ keys, roles, region }: S3Access): Promise<Credentials> {
  const { fromNodeProviderChain, fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
  let master: Credentials =
    keys === undefined
      ? fromNodeProviderChain({ ignoreCache: true })
      : {
          accessKeyId: keys.id,
          secretAccessKey: keys.secret,
          ...(keys.token === undefined ? {} : { sessionToken: keys.token }),
        };
  for (const { arn, externalId } of roles) {
    const assume: RuntimeConfigAwsCredentialIdentityProvider = fromTemporaryCredentials({
      params: {
        RoleArn: arn,
        RoleSessionName: `spanvault-${process.pid}`,
        ...(externalId === undefined ? {} : { ExternalId: externalId }),
      },
      masterCredentials: master,
      clientConfig: { maxAttempts: 1, ...(region === undefined ? {} : { region }) },
    });
    const named: RuntimeConfigAwsCredentialIdentityProvider = async (properties) => {
      try {
        return await assume(properties);
      } catch (error) {
        throw s3Fault(error, `assuming the role ${arn}`);
      }
    };
    master = named;
  }
  return master;
}
