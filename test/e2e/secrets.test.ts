import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { embeddedHost } from '#src/cli/embedded_host.js';
import { initCluster, openCluster, workloadInit } from '#src/cluster/index.js';
import { backup } from '#src/index.js';
import { native } from '#src/native/index.js';
import { execute, openEngine, openSession } from '#src/statements/index.js';
import { MemoryStorage, redactUri, registerDriver } from '#src/storage/index.js';
import { runWith } from '../cli/fakes.js';
import { closeAll, temporaryDirectory } from './test_cluster.js';

/*
 * Secrets never leave: what runs print and write is searched for the secrets of their URIs, as they are and in the forms in
 * which a URI or a log might hold them.
 */

afterAll(closeAll);

const SECRET = 'topsecret/7f3a+9c';
const FORMS = [
  SECRET,
  encodeURIComponent(SECRET),
  encodeURIComponent(encodeURIComponent(SECRET)),
  Buffer.from(SECRET).toString('base64').replace(/=+$/, ''),
  'topsecret',
];

const leaks = (bytes: Buffer | string): string[] => FORMS.filter((form) => Buffer.from(bytes).includes(form));

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((path) => statSync(path).isFile());
}

const SECRETIVE = [
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'CREDENTIALS',
  'AZURE_ACCOUNT_KEY',
  'AZURE_CLIENT_SECRET',
];
const QUERY = SECRETIVE.map((name) => `${name}=${encodeURIComponent(SECRET)}`).join('&');

// Objects in memory, behind URIs that hold every secret there is.
registerDriver('vault', {
  parameters: SECRETIVE,
  open: (uri) => new MemoryStorage({ ...uri, parameters: [] }, native),
});

test('neither output nor the cluster nor the bucket of backup, show and restore holds a secret', async () => {
  const directory = join(temporaryDirectory(), 'c');
  await initCluster(directory, { nodes: [[]] });
  // The driver above is known in this thread only.
  const host = {
    ...embeddedHost,
    openEngine: (at: string, settings: object) => openEngine(at, { ...settings, workers: 0 }),
  };
  const bucket = `secrets-${process.pid}`;
  const uri = `vault://${bucket}/b?${QUERY}`;
  const printed: string[] = [];
  const run = async (code: number, ...args: string[]): Promise<void> => {
    const ran = await runWith(host, [...args, '--cluster', directory]);
    printed.push(ran.stdout, ran.stderr);
    expect(ran.code, `${args[0]}: ${ran.stderr}${ran.stdout}`).toBe(code);
  };
  await run(0, 'sql', '-e', 'CREATE DATABASE d');
  await run(0, 'backup', uri, '--json');
  await run(0, 'backup', uri, '--append-to', 'LATEST');
  await run(0, 'show', 'backups', uri);
  await run(0, 'show', 'backup', uri, '--check-files', '--schemas', '--privileges');
  await run(0, 'show', 'backup', uri, '--as-json');
  await run(0, 'restore', uri, '--database', 'd', '--new-db-name', 'e', '--json');
  await run(0, 'check-storage', uri, '--transfer-mib', '1', '--json');
  await run(0, 'check-storage', uri, '--transfer-mib', '1');
  await run(0, 'sql', '-e', `CHECK EXTERNAL CONNECTION '${uri}' WITH transfer = '1MiB'`);
  const objects = native.memoryList(bucket, '', '', 1000);
  expect(objects.length).toBeGreaterThan(4);
  for (const name of objects) {
    expect(leaks(name)).toEqual([]);
    expect(leaks(Buffer.from(native.memoryGet(bucket, name, 0, -1)!)), name).toEqual([]);
  }
  for (const wrong of [
    `${uri}&COCKROACH_LOCALITY=region%3Dx`,
    `${uri}&${QUERY}`,
    `${uri}&my_token=${SECRET}`,
    `${uri}#f`,
    `vault://${bucket}/../b?${QUERY}`,
    `nodelocal://1/b?${QUERY}`,
    `ftp://user:${encodeURIComponent(SECRET)}@h/b?${QUERY}`,
    `s3://b?auth=implicit&${QUERY}`,
  ]) {
    await run(2, 'backup', wrong, '--json');
    await run(2, 'sql', '-e', `BACKUP INTO '${wrong}'`);
    // A connection may name its locality.
    if (!wrong.includes('COCKROACH_LOCALITY')) await run(2, 'sql', '-e', `CREATE EXTERNAL CONNECTION c AS '${wrong}'`);
  }
  await run(3, 'restore', `vault://${bucket}/nothing?${QUERY}`);
  await run(2, 'sql', '-e', `BACKUP INTO '${uri}' WITH kms = 'aws:///k?AWS_SECRET_ACCESS_KEY=${SECRET}'`);
  expect(printed.flatMap(leaks)).toEqual([]);
  for (const path of filesBelow(directory)) {
    expect(leaks(readFileSync(path)), path).toEqual([]);
  }
});

test('a cluster that was backed up by URIs with secrets holds none, and its jobs are redacted', async () => {
  const directory = join(temporaryDirectory(), 'c');
  await initCluster(directory, { nodes: [[]] });
  const session = openSession(await openEngine(directory, { workers: 0 }));
  const uri = `vault://secrets-jobs-${process.pid}/b?${QUERY}`;
  await execute(session, 'CREATE DATABASE d');
  await execute(session, `BACKUP INTO '${uri}'`);
  await expect(execute(session, `RESTORE DATABASE nothing FROM LATEST IN '${uri}'`)).rejects.toThrow();
  await execute(session, `RESTORE DATABASE d FROM LATEST IN '${uri}' WITH new_db_name = 'e'`);
  const jobs = session.jobs.list();
  expect(jobs).toHaveLength(3);
  for (const { description, error } of jobs) {
    expect(description).toContain('AWS_SECRET_ACCESS_KEY=redacted');
    expect(leaks(`${description} ${error ?? ''}`)).toEqual([]);
  }
  await session.engine.close();
  for (const path of filesBelow(directory)) expect(leaks(readFileSync(path)), path).toEqual([]);
});

test('SHOW and SHOW CREATE of a connection redact what it keeps', async () => {
  const directory = join(temporaryDirectory(), 'c');
  await initCluster(directory, { nodes: [[]] });
  const session = openSession(await openEngine(directory));
  await execute(session, `CREATE EXTERNAL CONNECTION c AS 'vault://secrets-named-${process.pid}/b?${QUERY}'`);
  const shown: string[] = [];
  for (const statement of ['SHOW EXTERNAL CONNECTIONS', 'SHOW CREATE ALL EXTERNAL CONNECTIONS']) {
    for await (const row of (await execute(session, statement)).rows) shown.push(row.join('|'));
  }
  expect(shown).toHaveLength(2);
  for (const text of shown) {
    expect(text).toContain('CREDENTIALS=redacted');
    expect(leaks(text)).toEqual([]);
  }
  await session.engine.close();
});

test('traces, errors and their causes hold no secret, in any thread, for any store', async () => {
  const directory = join(temporaryDirectory(), 'c');
  await initCluster(directory, { nodes: [[]] });
  const cluster = await openCluster(directory);
  await workloadInit(cluster, 'kv', { rows: 200 });
  const { subdir } = await backup({
    source: cluster.source(),
    into: ['nodelocal://1/b'],
    targets: { kind: 'cluster' },
    storage: cluster.storage(),
  });
  expect(subdir).not.toBe('');
  await cluster.close();
  const root = join(directory, 'extern/1');
  const server = createServer((request, response) => {
    const path = join(root, decodeURIComponent(new URL(request.url!, 'http://x').pathname));
    const [found] = [filesBelow(root).find((file) => file === path)];
    if (found === undefined) response.writeHead(404).end();
    else {
      const bytes = readFileSync(found);
      const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
      if (range === null) {
        response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
        return;
      }
      const start = range[1] === '' ? Math.max(0, bytes.length - Number(range[2])) : Number(range[1]);
      const end = range[1] !== '' && range[2] !== '' ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
      if (start >= bytes.length) response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      else
        response
          .writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` })
          .end(bytes.subarray(start, end));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const secret = encodeURIComponent(SECRET);
  const served = `http://user:${secret}@127.0.0.1:${port}/b?sig=${secret}&X-Amz-Signature=${secret}&X-Goog-Credential=${secret}`;
  const child = join(import.meta.dirname, 'secret_calls.mjs');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [child, directory, served, secret], {
    maxBuffer: 64 * 1024 * 1024,
  });
  server.close();
  expect(stdout, stderr.slice(-3000)).toContain('restored ["kv"');
  expect(stderr).toContain('storage: read http://');
  const leaking = `${stdout}${stderr}`.split('\n').filter((line) => leaks(line).length > 0);
  expect(leaking.slice(0, 20)).toEqual([]);
  for (const path of filesBelow(directory)) expect(leaks(readFileSync(path)), path).toEqual([]);
}, 120_000);

test('what is redacted is only what is secret', () => {
  expect(redactUri(`https://user:${SECRET.replaceAll('/', '')}@h/p?a=1&sig=x`)).toBe(
    'https://user:redacted@h/p?a=1&sig=redacted',
  );
  // An @ that should have been encoded does not let the rest of a password out.
  expect(redactUri('https://user:top@secret@h/p')).toBe('https://user:redacted@h/p');
});
