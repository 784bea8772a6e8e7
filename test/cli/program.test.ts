import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '#src/cli/program.js';
import { EXIT_CODES, FAULT_CODES, type FaultCode, SpanvaultError } from '#src/fault/index.js';
import type { BackupOutcome, Control } from '#src/statements/index.js';
import { engineOf, runWith } from './fakes.js';

const OUTCOME: BackupOutcome = {
  subdir: '/2023/11/14-221320.00',
  directory: '/2023/11/14-221320.00',
  rows: 3,
  indexEntries: 1,
  bytes: 2_000_000,
  placement: {
    buckets: [
      { locality: 'default', bucket: 'nodelocal://1/b', ranges: 2, files: 1, dataBytes: 2_000_000, fileBytes: 900_000 },
    ],
    displaced: [],
  },
};

function host(methods: Parameters<typeof engineOf>[0], seen: unknown[] = []) {
  return {
    openEngine: async (directory: string, settings: unknown) => {
      seen.push(directory, settings);
      return engineOf(methods);
    },
  };
}

describe('exit codes and failures', () => {
  test.each(Object.keys(FAULT_CODES) as FaultCode[])('%s ends with the code of its class', async (code) => {
    const failing = host({
      databases: async () => {
        throw new SpanvaultError(code, 'the thing broke', { hint: 'mend it' });
      },
    });
    const ran = await runWith(failing, ['sql', '--cluster', 'c', '-e', 'SHOW DATABASES']);
    expect(ran.code).toBe(EXIT_CODES[FAULT_CODES[code].class]);
    expect(ran.stderr).toMatch(/^error: the thing broke\nhint: mend it\n/);
    expect(ran.stdout).toBe('');
  });

  test('what is no SpanvaultError is a defect, with its stack', async () => {
    const failing = host({
      databases: async () => {
        throw new TypeError('x is not a function');
      },
    });
    const ran = await runWith(failing, ['sql', '--cluster', 'c', '-e', 'SHOW DATABASES']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^error: x is not a function\nhint: this is a defect of spanvault; please report it\n/);
    expect(ran.stderr).toContain('program.test.ts');
  });

  test('a syntax error shows the source and a caret, before any cluster is opened', async () => {
    const seen: unknown[] = [];
    const ran = await runWith(host({}, seen), ['sql', '--cluster', 'c', '-e', 'SHOW LOCALITY; SELECT * FORM t']);
    expect(ran).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: at or near "FORM": syntax error (line 1, column 25)\n  SHOW LOCALITY; SELECT * FORM t\n                          ^\nhint: expected FROM\n',
    });
    expect(seen).toEqual([]);
  });

  test.each([
    [['nonsense'], /error: unknown command 'nonsense'/],
    [
      ['sql', '--format', 'xml'],
      /error: option '--format <format>' argument 'xml' is invalid. Allowed choices are table, csv, json./,
    ],
    [['backup', '--cluster', 'c'], /error: missing required argument 'uri'/],
    [['cluster', 'init', 'd'], /error: required option '--node <locality>' not specified/],
    [['cluster', 'init', 'd', '--node', 'region'], /error: tier must be in the form "key=value" not "region"/],
    [
      ['workload', 'init', 'tpcc', '--cluster', 'c'],
      /error: unknown workload 'tpcc'; the workloads are movr, bank, kv/,
    ],
    [
      ['workload', 'init', 'kv', '--cluster', 'c', '--rows', '0'],
      /argument '0' is invalid. Not a whole number from 1./,
    ],
    [['backup', 'nodelocal://1/b'], /error: no cluster is given\nhint: give --cluster DIR or set SPANVAULT_CLUSTER/],
    [
      ['backup', 'x', '--cluster', 'c', '--table', 'a', '--database', 'b'],
      /error: --database and --table cannot be given together/,
    ],
    [
      ['backup', 'x', '--cluster', 'c', '--as-of', 'soon'],
      /error: AS OF SYSTEM TIME: value is neither timestamp, decimal, nor interval/,
    ],
    [['completion', 'tcsh'], /error: unknown shell 'tcsh'; the shells are bash, zsh, fish/],
  ])('%j is refused with exit code 2', async (args, message) => {
    const ran = await runWith(host({}), args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(message);
    expect(ran.stdout).toBe('');
  });

  test('with --json a failure is a line of JSON on stdout, usage errors too', async () => {
    const failing = host({
      backup: async () => {
        throw new SpanvaultError('SV_STORAGE_DENIED', 'no access', { hint: 'ask' });
      },
    });
    const ran = await runWith(failing, ['backup', 'nodelocal://1/b', '--cluster', 'c', '--json']);
    expect(ran).toEqual({
      code: 3,
      stdout: '{"event":"error","code":"SV_STORAGE_DENIED","message":"no access","hint":"ask"}\n',
      stderr: '',
    });
  });

  test('statements that do not run yet say so', async () => {
    const ran = await runWith(host({}), ['sql', '--cluster', 'c', '-e', 'PAUSE JOB 27536791415282']);
    expect(ran).toEqual({ code: 2, stdout: '', stderr: 'error: PAUSE JOB is not supported yet\n' });
  });
});

describe('sql', () => {
  const databases = host({ databases: async () => [{ name: 'movr', owner: 'root' }] });

  test('piped statements run in order and the first failure ends them', async () => {
    const stdin = Readable.from(['USE movr;\nUSE nowhere;', '\nSHOW DATABASES;']);
    const ran = await runWith(databases, ['sql', '--cluster', 'c', '--format', 'csv'], { stdin });
    expect(ran).toEqual({ code: 2, stdout: 'SET\n', stderr: 'error: database "nowhere" does not exist\n' });
  });

  test('-e repeats; the cluster comes from the environment too', async () => {
    const seen: unknown[] = [];
    const ran = await runWith(
      {
        openEngine: async (directory, settings) => {
          seen.push(directory, settings);
          return engineOf({ nodeLocality: (id) => `region=r${id}` });
        },
      },
      ['sql', '-e', 'SHOW LOCALITY', '-e', 'SHOW LOCALITY;', '--gateway', '7', '--format', 'json'],
      { env: { SPANVAULT_CLUSTER: '/c1', SPANVAULT_EXTERNAL_IO_DIR: '/io' } },
    );
    expect(ran.stdout).toBe('{"locality":"region=r7"}\n{"locality":"region=r7"}\n');
    expect(seen).toEqual(['/c1', { node: 7, externalIODir: '/io', calls: { retry: {} } }]);
  });

  test('a detached backup prints its id at once; its failure is the command’s', async () => {
    const failing = host({
      backup: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        throw new SpanvaultError('SV_STORAGE_IO', 'disk full');
      },
    });
    const ran = await runWith(failing, [
      'sql',
      '--cluster',
      'c',
      '--format',
      'csv',
      '-e',
      "BACKUP INTO 'nodelocal://1/b' WITH detached",
    ]);
    expect(ran.stdout).toMatch(/^job_id\n\d{19}\n$/);
    expect(ran.stderr).toBe('error: disk full\n');
    expect(ran.code).toBe(3);
  });
});

describe('backup and restore', () => {
  test('the command is the statement, and prints its row and where the data went', async () => {
    const requests: unknown[] = [];
    const backing = host({
      backup: async (request) => {
        requests.push(request);
        return OUTCOME;
      },
    });
    const ran = await runWith(backing, [
      'backup',
      'nodelocal://1/b',
      '--cluster',
      'c',
      '--table',
      'movr.*',
      '--as-of',
      '-10s',
    ]);
    expect(ran.code).toBe(0);
    expect(requests).toEqual([
      {
        targets: { kind: 'tables', patterns: [['movr', '*']] },
        currentDatabase: 'defaultdb',
        uris: ['nodelocal://1/b'],
        appendTo: undefined,
        incrementalUris: undefined,
        revisionHistory: false,
        asOf: { wall: 1_699_999_990_000_000_000n, logical: 0 },
      },
    ]);
    expect(ran.stdout).toMatch(/\n {2}\d{19} \| succeeded \| +1 \| +3 \| +1 \| 2000000\n\(1 row\)\n/);
    expect(ran.stdout).toMatch(/written to \/2023\/11\/14-221320.00: 2.00 MB in /);
    expect(ran.stdout).toContain('anywhere else | nodelocal://1/b |      2 |     1 | 2.00 MB |  900 kB');
  });

  test('flags of an incremental backup are the statement', async () => {
    const requests: unknown[] = [];
    const backing = host({
      backup: async (request) => {
        requests.push(request);
        return OUTCOME;
      },
    });
    const chain = ['--append-to', 'latest', '--incremental-location', 'nodelocal://1/i', '--revision-history'];
    expect((await runWith(backing, ['backup', 'nodelocal://1/b', '--cluster', 'c', ...chain])).code).toBe(0);
    expect(requests[0]).toMatchObject({
      appendTo: { kind: 'latest' },
      incrementalUris: ['nodelocal://1/i'],
      revisionHistory: true,
    });
  });

  test('--json gives progress and one result, nothing else on stdout', async () => {
    const backing = host({
      backup: async (_request, { onProgress }: Control) => {
        onProgress({ fraction: 0.5, bytes: 1_000_000, totalBytes: 2_000_000, phase: 'exporting' });
        return OUTCOME;
      },
    });
    const ran = await runWith(backing, [
      'backup',
      's3://b?AWS_SECRET_ACCESS_KEY=topsecret',
      '--cluster',
      'c',
      '--json',
    ]);
    const lines = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((line) => line.event)).toEqual(['progress', 'result']);
    expect(lines[0]).toMatchObject({ operation: 'BACKUP', fraction: 0.5, bytes: 1_000_000, totalBytes: 2_000_000 });
    expect(lines[1]).toMatchObject({
      statement: "BACKUP INTO 's3://b?AWS_SECRET_ACCESS_KEY=redacted'",
      rows: '3',
      subdir: OUTCOME.subdir,
    });
    expect(ran.stdout).not.toContain('topsecret');
    expect(ran.stderr).toBe('');
  });

  test('ranges that left their locality are told, with the reason', async () => {
    const displaced = {
      rangeId: 7,
      span: { key: new Uint8Array(), endKey: new Uint8Array() },
      wanted: 'region=eu',
      nodeId: 2,
      nodeLocality: 'region=us',
      bucket: 'default',
      reason: 'no replica on a node of the locality' as const,
    };
    const backing = host({
      backup: async () => ({ ...OUTCOME, placement: { ...OUTCOME.placement, displaced: [displaced] } }),
    });
    const ran = await runWith(backing, ['backup', 'nodelocal://1/b', '--cluster', 'c']);
    expect(ran.stdout).toContain(
      '1 range went elsewhere than wanted:\n  r7 wants region=eu; node 2 wrote it to default: no replica on a node of the locality\n',
    );
    expect(ran.stderr).toContain(
      'notice: 1 range of region=eu went to the bucket of default: no replica on a node of the locality\n',
    );
  });

  test('an aborted operation ends with 130', async () => {
    const abort = new AbortController();
    const backing = host({
      backup: (_request, { signal }: Control) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new SpanvaultError('SV_ABORTED', 'the operation was aborted')));
          abort.abort();
        }),
    });
    const ran = await runWith(backing, ['backup', 'nodelocal://1/b', '--cluster', 'c'], { signal: abort.signal });
    expect(ran).toMatchObject({ code: 130, stdout: '', stderr: 'error: the operation was aborted\n' });
  });
});

describe('help and completion', () => {
  const program = buildProgram({ io: { env: {} } as never, host: {} as never, jsonFailures: false });
  const all = (command: Command, path: string[]): [string, string[]][] =>
    command.commands.flatMap((sub) => {
      const here = [...path, sub.name()];
      return [[here.join(' '), here] as [string, string[]], ...all(sub, here)];
    });

  test.each(all(program, []))('spanvault %s --help has an example', async (_name, path) => {
    const ran = await runWith({}, [...path, '--help']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/\nExamples:\n {2}\$ (spanvault|echo|source) /);
  });

  test('the main help lists every exit code', async () => {
    const ran = await runWith({}, ['--help']);
    for (const code of Object.values(EXIT_CODES)) expect(ran.stdout).toMatch(new RegExp(`^ +${code} {2}\\w`, 'm'));
  });

  test.each(['bash', 'zsh', 'fish'])('the %s script knows every command and option', async (shell) => {
    const { code, stdout } = await runWith({}, ['completion', shell]);
    expect(code).toBe(0);
    for (const word of ['sql', 'add-node', 'workload', 'external-io-dir', 'new-db-name', 'check-files', 'demo'])
      expect(stdout).toContain(word);
  });
});
