import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { findProgram, freePort, requireServer, startProcess, type TestServer } from './process.js';

const PROGRAM = findProgram('versitygw');
const KEY = 'spanvault-test';
const SECRET = 'spanvault-test-secret';
/** The keys that it knows. */
export const S3_KEYS = { id: KEY, secret: SECRET };

export const hasVersitygw = requireServer('versitygw', PROGRAM !== undefined);

/** An S3 of its own over a temporary directory. */
export interface S3Server extends TestServer {
  /** Directory that holds one directory per bucket. */
  readonly directory: string;
  /** Makes a bucket. */
  makeBucket(name: string): Promise<void>;
  /** The URI of a location; `at` is the address of whatever stands before the server. */
  uri(bucketAndPath: string, at?: string): string;
  /** A client past spanvault, as other tools use one. */
  client(): S3Client;
}

export async function startVersitygw(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'spanvault-s3-'));
  const port = await freePort();
  const server = await startProcess(
    PROGRAM!,
    ['--access', KEY, '--secret', SECRET, '--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', 'posix', directory],
    port,
  );
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId: KEY, secretAccessKey: SECRET },
  });
  return {
    url: server.url,
    directory,
    makeBucket: async (name) => {
      await mkdir(join(directory, name));
    },
    uri: (bucketAndPath, at = server.url) =>
      `s3://${bucketAndPath}?AWS_ACCESS_KEY_ID=${KEY}&AWS_SECRET_ACCESS_KEY=${SECRET}&AWS_ENDPOINT=${encodeURIComponent(at)}`,
    client: () => client,
    stop: async () => {
      client.destroy();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
