import { SharedClients } from './clients.js';
import type { GsAccount } from './gs_credentials.js';
import { exchange, type HttpAnswer, type HttpCall } from './http_exchange.js';
import { loadPackage } from './packages.js';
import { kindOfStatus, type RemoteFailure, remoteFault, retryAfter, thrownFault } from './remote_faults.js';

/** A token is renewed this long before it ends. */
const RENEW_MS = 5 * 60_000;
const TOKEN_SECONDS = 3600;

/** Reasons of a 403 that mean too many calls, not a missing permission. */
const THROTTLING: ReadonlySet<string> = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded']);

interface Token {
  readonly text: string;
  readonly ends: number;
}

/** What the Google client library gives us: the access token of the account that was configured, renewed when due. */
export interface TokenSource {
  getAccessToken(): Promise<string | null | undefined>;
}

/** What a request carries, and which statuses beside success its caller understands. */
export type GsCall = Omit<HttpCall, 'method' | 'url' | 'signal'> & {
  readonly signal?: AbortSignal | undefined;
  readonly expected?: readonly number[];
};

/** Where requests go and who signs in; tests put their own servers there. */
export interface GsServices {
  /** Address of the JSON API, no trailing slash. */
  readonly storage: string;
  /** Address that gives the tokens of assumed roles. */
  readonly roles: string;
  /** Undefined: requests carry no credentials. */
  readonly signIn: (() => Promise<TokenSource>) | undefined;
}

/** Google's own services, or the emulator that STORAGE_EMULATOR_HOST names, as Google's clients in every language have it. */
export function googleServices({ credentials }: GsAccount, env: NodeJS.ProcessEnv = process.env): GsServices {
  const roles = 'https://iamcredentials.googleapis.com';
  const emulator = env.STORAGE_EMULATOR_HOST;
  if (emulator !== undefined && emulator !== '') {
    const address = /^https?:\/\//.test(emulator) ? emulator : `http://${emulator}`;
    return { storage: address.replace(/\/+$/, ''), roles, signIn: undefined };
  }
  return {
    storage: 'https://storage.googleapis.com',
    roles,
    signIn: async () => {
      const { Storage } = await loadPackage('@google-cloud/storage', 'gs', () => import('@google-cloud/storage'));
      return new Storage(credentials === undefined ? {} : { credentials }).authClient;
    },
  };
}

/**
 * Requests to the JSON API of Google Cloud Storage. Google's library finds and renews the credentials; the requests are
 * sent here, because its calls cannot be aborted on the wire, retry by themselves, and copy every body through streams.
 */
export class GsClient {
  readonly #assumeRoles: readonly string[];
  readonly #services: GsServices;
  #source: Promise<TokenSource> | undefined;
  #roleToken: Token | undefined;
  /** What the last request that succeeded was signed in with. */
  #accepted: string | undefined;

  constructor(account: GsAccount, services: GsServices) {
    this.#assumeRoles = account.assumeRoles;
    this.#services = services;
  }

  /**
   * One request; an answer that is no success is thrown, but for the statuses in `expected`.
   * @param path below the endpoint, encoded, or the whole address of an upload session
   * @param what the action and the object, for the error: `reading gs://bucket/a`
   */
  async request(what: string, method: string, path: string, call: GsCall = {}): Promise<HttpAnswer> {
    const { signal, expected = [], ...rest } = call;
    try {
      // The address of a session is a permission by itself.
      const session = path.startsWith('http');
      const authorization = session ? undefined : await this.#authorization(signal);
      const answer = await exchange({
        ...rest,
        method,
        url: new URL(session ? path : `${this.#services.storage}${path}`),
        // Objects come as they are stored, also when they are stored compressed.
        headers: {
          'accept-encoding': 'gzip',
          ...(authorization === undefined ? {} : { authorization }),
          ...rest.headers,
        },
        ...(signal === undefined ? {} : { signal }),
      });
      if ((answer.status >= 200 && answer.status <= 299) || expected.includes(answer.status)) {
        if (authorization !== undefined) this.#accepted = authorization;
        return answer;
      }
      if (answer.status !== 401 || authorization === undefined || authorization !== this.#accepted)
        throw remoteFault(gsFailure(answer), what);
      if (await this.#renew(authorization, signal))
        throw remoteFault({ kind: 'transient', reason: 'the credentials had expired' }, what);
      throw remoteFault({ ...gsFailure(answer), expired: true }, what);
    } catch (error) {
      throw thrownFault(error, what, signal, tokenFailure);
    }
  }

  async #authorization(signal: AbortSignal | undefined): Promise<string | undefined> {
    const { signIn } = this.#services;
    if (signIn === undefined) return undefined;
    if (this.#assumeRoles.length === 0) return `Bearer ${await this.#ownToken(signIn)}`;
    if (this.#roleToken === undefined || this.#roleToken.ends - RENEW_MS < Date.now())
      this.#roleToken = await this.#assume(await this.#ownToken(signIn), signal);
    return `Bearer ${this.#roleToken.text}`;
  }

  /** Signs in anew after a token that was accepted before is refused; false when the same one comes again. */
  async #renew(refused: string, signal: AbortSignal | undefined): Promise<boolean> {
    // Of several calls that were refused only the first one renews.
    if ((await this.#authorization(signal)) !== refused) return true;
    this.#roleToken = undefined;
    this.#source = undefined;
    return (await this.#authorization(signal)) !== refused;
  }

  async #ownToken(signIn: () => Promise<TokenSource>): Promise<string> {
    this.#source ??= signIn();
    let source: TokenSource;
    try {
      source = await this.#source;
    } catch (error) {
      // The next call tries anew.
      this.#source = undefined;
      throw error;
    }
    const token = await source.getAccessToken();
    if (typeof token === 'string' && token !== '') return token;
    throw remoteFault({ kind: 'denied', reason: 'there is no access token' }, 'signing in to Google Cloud');
  }

  /** Asks for a token of the last role, each role vouching for the next. */
  async #assume(own: string, signal: AbortSignal | undefined): Promise<Token> {
    const target = this.#assumeRoles.at(-1)!;
    const what = `assuming the role ${target}`;
    const answer = await exchange({
      method: 'POST',
      url: new URL(
        `${this.#services.roles}/v1/projects/-/serviceAccounts/${encodeURIComponent(target)}:generateAccessToken`,
      ),
      headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
      body: [
        Buffer.from(
          JSON.stringify({
            delegates: this.#assumeRoles.slice(0, -1).map((role) => `projects/-/serviceAccounts/${role}`),
            scope: ['https://www.googleapis.com/auth/devstorage.read_write'],
            lifetime: `${TOKEN_SECONDS}s`,
          }),
        ),
      ],
      ...(signal === undefined ? {} : { signal }),
    });
    if (answer.status !== 200) throw remoteFault(gsFailure(answer), what);
    const { accessToken, expireTime } = parseJson(answer.body, what);
    if (typeof accessToken !== 'string' || typeof expireTime !== 'string')
      throw remoteFault({ kind: 'permanent', reason: 'the answer holds no token' }, what);
    return { text: accessToken, ends: Date.parse(expireTime) };
  }
}

const clients = new SharedClients<GsClient>();

/** This thread's client of an account, where the environment now says that Google's services are. */
export function gsClient(account: GsAccount): GsClient {
  const services = googleServices(account);
  return clients.get([account, services.storage], () => new GsClient(account, services));
}

/** A JSON object of an answer. @throws SpanvaultError SV_STORAGE_UNAVAILABLE when it is none: the body was damaged on its way */
export function parseJson(body: Uint8Array, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, without the text.
  }
  throw remoteFault({ kind: 'transient', reason: 'the answer is not JSON' }, what);
}

/** Tells failures of Google Cloud Storage apart by status and by the reason in the body. */
export function gsFailure({ status, headers, body }: HttpAnswer): RemoteFailure {
  const { reason, message } = errorOf(body);
  const wait = retryAfter(headers['retry-after']);
  const kind =
    status === 412 ? 'exists' : status === 403 && THROTTLING.has(reason) ? 'throttled' : kindOfStatus(status);
  return {
    kind,
    reason: [status, reason, message].filter((part) => part !== '').join(' '),
    status,
    ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
  };
}

/** Reason and message in the body of an error: `{"error": {"message": …, "errors": [{"reason": …}]}}`. */
function errorOf(body: Uint8Array): { readonly reason: string; readonly message: string } {
  try {
    const { error } = JSON.parse(Buffer.from(body).toString('utf8')) as {
      error?: { message?: unknown; errors?: readonly { reason?: unknown }[] };
    };
    const reason = error?.errors?.[0]?.reason;
    const message = error?.message;
    return {
      reason: typeof reason === 'string' ? reason.slice(0, 60) : '',
      // Messages name accounts and permissions, which helps; addresses of sessions, which nobody may see, are cut off.
      message: typeof message === 'string' ? message.replace(/https?:\/\/\S+/g, '…').slice(0, 200) : '',
    };
  } catch {
    return { reason: '', message: '' };
  }
}

/** Failures of Google's library to get a token; its errors carry requests and assertions, so only their code is kept. */
function tokenFailure(error: unknown): RemoteFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  const status =
    'response' in error ? (error.response as { readonly status?: unknown } | undefined)?.status : undefined;
  if (typeof status === 'number') {
    const kind = kindOfStatus(status);
    return {
      kind: kind === 'permanent' || kind === 'missing' ? 'denied' : kind,
      reason: `the credentials were refused with status ${status}`,
      status,
    };
  }
  if (error.message.includes('default credentials'))
    return { kind: 'denied', reason: 'the environment holds no Google Cloud credentials' };
  return undefined;
}
