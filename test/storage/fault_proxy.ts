import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { StorageClock } from '#src/storage/index.js';
import type { TestServer } from './servers/process.js';

/** How often what happens to a request, each from 0 to 1; one mishap at most befalls a request. */
export interface FaultRates {
  /** Resets, lost answers, 500 and answers cut short, in equal shares. */
  readonly errors: number;
  /** 503 SlowDown, from time to time with Retry-After. */
  readonly throttles: number;
  /** A byte of the request's or the answer's body is changed. */
  readonly corrupted: number;
  /** Longest delay before a request is passed on, in milliseconds of `clock`. */
  readonly delayMs: number;
}

export const NO_FAULTS: FaultRates = { errors: 0, throttles: 0, corrupted: 0, delayMs: 0 };

export interface FaultProxy extends TestServer {
  /** How many requests met which fate. */
  readonly fates: Readonly<Record<string, number>>;
}

type Fate =
  | 'pass'
  | 'reset before'
  | 'reset after'
  | 'error before'
  | 'error after'
  | 'success without'
  | 'cut answer'
  | 'stall'
  | 'slow close'
  | 'throttle'
  | 'damage request'
  | 'damage answer';

const ERRORS: readonly Fate[] = [
  'reset before',
  'reset after',
  'error before',
  'error after',
  'success without',
  'cut answer',
  'stall',
  'slow close',
];

/** A stall is longer than any deadline of a call. */
const STALL_MS = 600_000;

/**
 * A server between a client and a store that loses, delays, damages and falsifies. Conditional writes of one object are passed on one
 * after the other, as S3 orders them: versitygw looks first and links then, so that two at the same instant would both succeed.
 * @param random decides every fate: seed it
 */
export async function startFaultProxy(
  target: string,
  rates: FaultRates,
  clock: StorageClock,
  random: () => number,
): Promise<FaultProxy> {
  const fates: Record<string, number> = {};
  const ordered = new Map<string, Promise<void>>();
  const drawFate = (method: string): Fate => {
    const draw = random();
    const { errors, throttles, corrupted } = rates;
    if (draw < errors) {
      const fate = ERRORS[Math.floor(random() * ERRORS.length)]!;
      // A store may say that it deleted what it did not; that it holds what it does not would be a lie no client survives.
      return fate === 'success without' && method !== 'DELETE' ? 'error after' : fate;
    }
    if (draw < errors + throttles) return 'throttle';
    if (draw < errors + throttles + corrupted) return random() < 0.5 ? 'damage request' : 'damage answer';
    return 'pass';
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = request.method ?? 'GET';
    const fate = drawFate(method);
    fates[fate] = (fates[fate] ?? 0) + 1;
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    if (rates.delayMs > 0) await clock.sleep(random() * rates.delayMs, gone.signal);
    if (fate === 'reset before') return void request.socket.destroy();
    const body = await wholeBody(request);
    if (fate === 'stall') {
      await clock.sleep(STALL_MS, gone.signal);
      return void response.destroy();
    }
    if (fate === 'throttle') return refuse(response, method, 503, 'SlowDown', random() < 0.2 ? '1' : undefined);
    if (fate === 'error before') return refuse(response, method, 500, 'InternalError', undefined);
    if (fate === 'success without') return void response.writeHead(204).end();
    if (fate === 'damage request') damage(body, random);
    const answer = await inOrder(request, () => forward(target, request, body));
    if (fate === 'reset after') return void response.destroy();
    if (fate === 'error after') return refuse(response, method, 500, 'InternalError', undefined);
    if (fate === 'damage answer') damage(answer.body, random);
    response.writeHead(answer.status, answer.headers);
    if (fate === 'cut answer' && answer.body.length > 0) {
      response.write(answer.body.subarray(0, Math.floor(random() * answer.body.length)));
      await clock.sleep(100, gone.signal);
      return void response.destroy();
    }
    if (fate === 'slow close' && answer.body.length > 0) {
      response.write(answer.body.subarray(0, answer.body.length - 1));
      await clock.sleep(random() * 5_000, gone.signal);
      return void response.end(answer.body.subarray(answer.body.length - 1));
    }
    response.end(answer.body);
  };
  const inOrder = async <T>(request: IncomingMessage, work: () => Promise<T>): Promise<T> => {
    if (request.headers['if-none-match'] === undefined) return work();
    const path = (request.url ?? '').replace(/\?.*/, '');
    const before = ordered.get(path) ?? Promise.resolve();
    const own = before.then(work);
    ordered.set(
      path,
      own.then(
        () => undefined,
        () => undefined,
      ),
    );
    return own;
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    fates,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function forward(target: string, request: IncomingMessage, body: Buffer): Promise<Answer> {
  const to = new URL(target);
  return await new Promise((resolve, reject) => {
    const onward = httpRequest(
      { host: to.hostname, port: to.port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        wholeBody(answer).then(
          (content) => resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: content }),
          reject,
        );
      },
    );
    onward.on('error', reject);
    onward.end(body);
  });
}

function refuse(
  response: ServerResponse,
  method: string,
  status: number,
  code: string,
  after: string | undefined,
): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>made to fail</Message></Error>`;
  response.writeHead(status, {
    'content-type': 'application/xml',
    ...(after === undefined ? {} : { 'retry-after': after }),
  });
  response.end(method === 'HEAD' ? undefined : text);
}

async function wholeBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function damage(body: Buffer, random: () => number): void {
  const at = Math.floor(random() * body.length);
  if (body.length > 0) body[at] = body[at]! ^ (1 << Math.floor(random() * 8));
}
