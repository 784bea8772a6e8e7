import { findProgram, freePort, requireServer, startProcess, type TestServer } from './process.js';

const PROGRAM = findProgram('fake-gcs-server');

export const hasFakeGcs = requireServer('fake-gcs-server', PROGRAM !== undefined);

/** A Google Cloud Storage of its own in memory; its `url` is what STORAGE_EMULATOR_HOST wants. */
export async function startFakeGcs(): Promise<TestServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  return await startProcess(
    PROGRAM!,
    [
      '-backend',
      'memory',
      '-scheme',
      'http',
      '-host',
      '127.0.0.1',
      '-port',
      String(port),
      '-external-url',
      url,
      '-log-level',
      'error',
    ],
    port,
  );
}

/** Makes a bucket; one that exists is kept. */
export async function makeGcsBucket(url: string, name: string): Promise<void> {
  const answer = await fetch(`${url}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (!answer.ok && answer.status !== 409) throw new Error(`making bucket ${name}: ${answer.status}`);
}

/** Puts an object the way other tools do, under any name. */
export async function putGcsObject(url: string, bucket: string, name: string, bytes: Uint8Array): Promise<void> {
  const answer = await fetch(
    `${url}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`,
    { method: 'POST', body: Buffer.from(bytes) },
  );
  if (!answer.ok) throw new Error(`putting ${name}: ${answer.status} ${await answer.text()}`);
}
