import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';
import { BUCKET, type StoreServer } from './store_server.js';

const EMPTY_HASH = createHash('sha256').digest('hex');

/**
 * The least that a client of Node can do: requests signed by hand without their body, on connections that stay open, no
 * checksum, no retry; answers land in memory that is used again.
 */
export class BareHttp {
  readonly #server: StoreServer;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(server: StoreServer) {
    this.#server = server;
  }

  async put(name: string, body: Uint8Array): Promise<void> {
    await this.#call('PUT', name, { 'content-length': String(body.length) }, body, undefined);
  }

  /** Reads bytes from `offset` on until `into` is full. */
  async get(name: string, offset: number, into: Uint8Array): Promise<void> {
    const range = { range: `bytes=${offset}-${offset + into.length - 1}` };
    const bytes = await this.#call('GET', name, range, undefined, into);
    if (bytes !== into.length) throw new Error(`${bytes} of ${into.length} bytes came`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #call(
    method: 'PUT' | 'GET',
    name: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | undefined,
    into: Uint8Array | undefined,
  ): Promise<number> {
    const path = `/${BUCKET}/${name}`;
    const { hostname, port } = new URL(this.#server.url);
    const signed = this.#sign(method, path, body === undefined ? EMPTY_HASH : 'UNSIGNED-PAYLOAD');
    return new Promise((resolve, reject) => {
      const call = request(
        { hostname, port, agent: this.#agent, method, path, headers: { ...headers, ...signed } },
        (answer) => {
          let bytes = 0;
          answer.on('data', (chunk: Buffer) => {
            into?.set(chunk, bytes);
            bytes += chunk.length;
          });
          answer.on('error', reject);
          answer.on('end', () => {
            const { statusCode = 0 } = answer;
            if (statusCode >= 300) reject(new Error(`a bare ${method} of ${name} was answered by ${statusCode}`));
            else resolve(bytes);
          });
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  /** AWS's signature, version 4, over host, date and the hash of the body. */
  #sign(method: string, path: string, bodyHash: string): Record<string, string> {
    const { key, secret, url } = this.#server;
    const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
    const signed = { host: new URL(url).host, 'x-amz-content-sha256': bodyHash, 'x-amz-date': time };
    const names = Object.keys(signed).join(';');
    const lines = Object.entries(signed).map(([name, value]) => `${name}:${value}`);
    const canonical = [method, path, '', ...lines, '', names, bodyHash].join('\n');
    const scope = [time.slice(0, 8), 'us-east-1', 's3', 'aws4_request'];
    const hash = createHash('sha256').update(canonical).digest('hex');
    const secretKey = scope.reduce<string | Buffer>(
      (from, text) => createHmac('sha256', from).update(text).digest(),
      `AWS4${secret}`,
    );
    const signature = createHmac('sha256', secretKey)
      .update(`AWS4-HMAC-SHA256\n${time}\n${scope.join('/')}\n${hash}`)
      .digest('hex');
    const authorization = `AWS4-HMAC-SHA256 Credential=${key}/${scope.join('/')}, SignedHeaders=${names}, Signature=${signature}`;
    return { ...signed, authorization };
  }
}
